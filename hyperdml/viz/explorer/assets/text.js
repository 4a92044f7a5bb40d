// Words for nodes, and small helpers for elements. Names come from outside: they are only ever set as text.

/** @param {string} id */
function byId(id) {
  return document.getElementById(id);
}

/** An element with a class and a text. @param {string} tag @param {string} kind @param {string} text */
function make(tag, kind = "", text = "") {
  const found = document.createElement(tag);
  if (kind) found.className = kind;
  if (text) found.textContent = text;
  return found;
}

function button(kind, text, action) {
  const found = make("button", kind, text);
  found.type = "button";
  found.addEventListener("click", action);
  return found;
}

/** Four digits. */
function digits(value) {
  if (!Number.isFinite(value)) return "not known";
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

function isCategory(colour) {
  return colour.kind === "category" && colour.key !== "correct";
}

function categoryName(colour, id) {
  return id < 0 ? "none" : colour.names[id] ?? String(id);
}

const commonest = new Map();

/** The commonest category below a node and its share. @returns {{name: string, share: number} | null} */
function mostly(node) {
  if (commonest.has(node)) return commonest.get(node);
  const colour = model.colours.find(isCategory), counts = new Map(), leaves = colour ? leavesBelow(treeOf(node), node) : [];
  for (const leaf of leaves) counts.set(colour.values[leaf], (counts.get(colour.values[leaf]) ?? 0) + 1);
  const [id, count] = [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [-1, 0]);
  const found = count ? { name: categoryName(colour, id), share: count / leaves.length } : null;
  if (commonest.size > 2000) commonest.clear();
  commonest.set(node, found);
  return found;
}

/** What a node is called. */
function nameOf(node) {
  if (node < model.N) return model.names[node];
  if (node >= model.M) return `Proxy ${node - model.M}`;
  return model.relations.tree.parents[node] < 0 ? "Root" : `Node of ${counted(model.sizes[node], "image")}`;
}

/** What is known of a node. @returns {Array<[string, string]>} */
function factsOf(node) {
  const facts = [], add = (name, value) => facts.push([name, value]), tree = treeOf(node), parent = tree ? tree.parents[node] : -1;
  if (node < model.N) {
    for (const colour of model.colours) {
      const value = colour.values[node];
      if (colour.kind === "category") add(colour.name, categoryName(colour, value));
      else if (colour.key !== "radius") add(colour.name, digits(value));
    }
  } else {
    const most = mostly(node);
    add(node < model.M ? "images below" : "subtree size", model.sizes[node].toLocaleString("en"));
    if (most) add("mostly", `${most.name} (${Math.round(100 * most.share)}%)`);
    if (Number.isFinite(model.purity[node])) add("purity", digits(model.purity[node]));
    if (node < model.M) add("height", digits(model.heights[node]));
    if (model.medoid[node] >= 0) add(node < model.M ? "medoid" : "nearest image", model.names[model.medoid[node]]);
  }
  if (Number.isFinite(model.radius[node])) add("hyperbolic radius", digits(model.radius[node]));
  if (tree) add("parent", parent >= 0 ? nameOf(parent) : tree === model.relations.proxies ? "the origin" : "none");
  return facts;
}

/** @param {Array<[string, string]>} facts */
function factList(facts) {
  const list = make("dl", "facts");
  for (const [name, value] of facts) list.append(make("dt", "", name), make("dd", "", value));
  return list;
}

/** Say something to those who do not see the picture. */
function announce(text) {
  byId("spoken").textContent = text;
}
