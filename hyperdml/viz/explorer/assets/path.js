// The way from the root to the selected node, with a picture of each step.

const STEPS = 14; // more than this many are shown with the middle left out

function openPath() {
  listen("selection", showPath);
  listen("scene", showPath);
  showPath();
}

/** The steps that are worth a picture: root, node itself, and those where the image in the middle of a subtree changes. */
function steps(path) {
  const told = path.filter((node, i) => i === 0 || i === path.length - 1 || model.medoid[node] !== model.medoid[path[i - 1]]);
  if (told.length <= STEPS) return told;
  const half = STEPS / 2;
  return [...told.slice(0, half), ...told.slice(-half)];
}

let shownPath = "";

function showPath() {
  const tree = state.selected < 0 ? null : treeOf(state.selected), path = tree ? pathUp(state.selected).reverse() : [], key = path.join();
  if (key === shownPath) return;
  shownPath = key;
  const box = byId("path"), list = byId("steps"), told = steps(path);
  box.classList.toggle("empty", path.length === 0);
  const rest = path.length - told.length;
  byId("levels").textContent = path.length ? `${counted(path.length - 1, "step")} from the root${rest ? `, ${rest} not shown` : ""}` : "";
  list.replaceChildren(
    ...told.map((node) => {
      const item = make("li"), entry = button("entry", "", () => (select(node), centreNode(node))), image = imageElement(node, 34);
      if (node === state.selected) entry.setAttribute("aria-current", "true");
      const name = node < model.N ? nameOf(node) : node >= model.M ? nameOf(node) : model.sizes[node].toLocaleString("en");
      entry.title = `${nameOf(node)}${mostly(node) ? `, mostly ${mostly(node).name}` : ""}`;
      entry.setAttribute("aria-label", entry.title);
      entry.append(...(image ? [image] : []), make("span", "", name));
      item.append(entry);
      return item;
    }),
  );
  list.lastElementChild?.scrollIntoView({ block: "nearest", inline: "nearest" });
}
