// The search box: names of images and of categories.

const HITS = 40;

/** @type {{hits: Array<{label: string, hint: string, act: () => void, node: number}>, at: number, words: string[] | null}} */
const searching = { hits: [], at: -1, words: null };

function openSearch() {
  byId("search").focus();
  byId("search").select();
}

function openSearchBox() {
  const input = byId("search");
  input.addEventListener("input", () => showHits(findHits(input.value)));
  input.addEventListener("focus", () => input.value && showHits(findHits(input.value)));
  input.addEventListener("blur", () => showHits([]));
  input.addEventListener("keydown", (event) => {
    const { hits } = searching, by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && hits.length) pickHit((searching.at + by + hits.length) % hits.length);
    else if (event.key === "Enter" && hits.length) takeHit(Math.max(searching.at, 0));
    else if (event.key === "Escape") {
      if (hits.length) showHits([]);
      else stage.box.focus();
    } else return;
    event.preventDefault();
  });
}

/** Letters to compare: small, without accents. @param {string} text */
function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

function findHits(typed) {
  const query = plain(typed.trim()), hits = [];
  if (!query) return hits;
  model.colours.forEach((colour, number) => {
    if (colour.kind !== "category") return;
    const counts = new Map(categoryCounts(colour).map(({ id, count }) => [id, count]));
    colour.names.forEach((name, id) => {
      if (hits.length >= HITS / 2 || !counts.has(id) || !plain(name).includes(query)) return;
      hits.push({ label: name, hint: `${colour.name}, ${counted(counts.get(id), "image")}`, act: () => showCategory(number, id), node: colour.values.indexOf(id) });
    });
  });
  searching.words ??= model.names.map(plain);
  for (let leaf = 0; leaf < model.N && hits.length < HITS; leaf++) {
    if (searching.words[leaf].includes(query)) hits.push({ label: model.names[leaf], hint: "image", act: () => (select(leaf), centreNode(leaf)), node: leaf });
  }
  return hits;
}

/** Colour by `number` and pick one of its categories out. */
function showCategory(number, id) {
  if (state.colour !== number) setColour(number);
  state.lit = new Set([id]);
  changed("looks");
}

function showHits(hits) {
  const list = byId("hits"), typed = byId("search").value.trim() !== "" && document.activeElement === byId("search");
  searching.hits = hits;
  searching.at = -1;
  list.replaceChildren(
    ...hits.map((hit, i) => {
      const item = make("li"), image = imageElement(hit.node, 28);
      item.id = `hit-${i}`;
      item.setAttribute("role", "option");
      item.append(...(image ? [image] : []), make("span", "words", hit.label), make("span", "soft", hit.hint));
      item.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus until the click
      item.addEventListener("click", () => takeHit(i));
      return item;
    }),
  );
  if (!hits.length && typed) list.append(make("li", "soft", "nothing found"));
  list.hidden = !typed;
  byId("search").setAttribute("aria-expanded", String(!list.hidden));
  byId("search").removeAttribute("aria-activedescendant");
}

function pickHit(at) {
  const list = byId("hits");
  list.children[searching.at]?.removeAttribute("aria-selected");
  searching.at = at;
  list.children[at].setAttribute("aria-selected", "true");
  list.children[at].scrollIntoView({ block: "nearest" });
  byId("search").setAttribute("aria-activedescendant", `hit-${at}`);
}

function takeHit(at) {
  const { act } = searching.hits[at];
  stage.box.focus(); // the list goes with the focus of its box
  act();
}
