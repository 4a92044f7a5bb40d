// Layout, colour, switches, sliders, theme.

function openControls() {
  fill("layout", model.layouts, (layout) => layout.name, setLayout);
  fill("colour", model.colours, (colour) => colour.name, setColour);
  for (const key of ["edges", "images", "proxies"]) {
    byId(`show-${key}`).addEventListener("change", (event) => {
      state[key] = event.target.checked;
      changed("scene");
    });
  }
  const most = Math.max(1, ...[...model.relations.tree?.bySize.slice(0, 1) ?? [], ...model.relations.proxies?.bySize.slice(0, 1) ?? []].map((node) => model.sizes[node]));
  byId("size").max = String(Math.ceil(8 * Math.log2(most)));
  byId("size").addEventListener("input", (event) => setThreshold(Math.round(2 ** (Number(event.target.value) / 8))));
  byId("epoch").addEventListener("input", (event) => setFrame(Number(event.target.value)));
  byId("home").addEventListener("click", goHome);
  byId("closer").addEventListener("click", () => zoomAt(view.width / 2, view.height / 2, 1.4));
  byId("farther").addEventListener("click", () => zoomAt(view.width / 2, view.height / 2, 1 / 1.4));
  byId("help-button").addEventListener("click", showHelp);
  byId("save").addEventListener("click", saveSvg);
  byId("theme").addEventListener("click", () => setTheme(look.dark === "1" ? "light" : "dark"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(document.documentElement.dataset.theme ?? ""));
  setLayout(0);
}

function fill(id, choices, nameOfChoice, act) {
  const box = byId(id);
  choices.forEach((choice, i) => box.append(new Option(nameOfChoice(choice), String(i))));
  box.disabled = choices.length < 2;
  box.addEventListener("change", () => act(Number(box.value)));
}

function setLayout(number) {
  state.layout = number;
  const layout = layoutNow(), frames = layout?.frames ?? [], kept = epochNow;
  const same = frames.findIndex(({ epoch }) => epoch === kept);
  state.frame = same >= 0 ? same : Math.max(frames.length - 1, 0);
  byId("layout").value = String(number);
  byId("note").textContent = layout ? layout.note : "There is no layout in this file.";
  byId("epoch").max = String(Math.max(frames.length - 1, 0));
  byId("epoch-row").hidden = frames.length < 2;
  byId("edges-row").hidden = !drawnTree();
  byId("size-row").hidden = !drawnTree();
  byId("proxies-row").hidden = !frames.some(({ proxies }) => proxies);
  byId("images-row").hidden = !model.thumbnails;
  showEpoch();
  changed("scene");
}

/** Epoch of the last frame that was chosen, so that another layout shows the same. @type {number | null} */
let epochNow = null;

/** @param {number} frame */
function setFrame(frame) {
  goToFrame(frame);
  showEpoch(frame);
}

function showEpoch(frame = state.frame) {
  const found = layoutNow()?.frames[frame];
  epochNow = found?.epoch ?? null;
  byId("epoch").value = String(frame);
  byId("epoch-value").textContent = found ? (found.epoch === null ? "the end" : `epoch ${found.epoch}`) : "";
  byId("epoch").setAttribute("aria-valuetext", byId("epoch-value").textContent);
}

function setThreshold(size) {
  state.threshold = size;
  byId("size-value").textContent = size > 1 ? `from ${counted(size, "image")}` : "all";
  byId("size").setAttribute("aria-valuetext", byId("size-value").textContent);
  changed("scene");
}

function setColour(number) {
  state.colour = number;
  state.lit.clear();
  byId("colour").value = String(number);
  changed("looks");
}

/** @param {string} theme "light", "dark" or "" for that of the system */
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  readLook();
  byId("theme").textContent = look.dark === "1" ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", `${byId("theme").textContent} colours`);
  changed("looks");
  showDetails();
}
