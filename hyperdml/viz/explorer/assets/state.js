// What is shown, in one place; who changes it says what kind of thing changed, who draws it listens.

const state = {
  layout: 0,
  /** Place among the frames of the layout; between two whole numbers while they are blended. */
  frame: 0,
  /** Moebius part of the view. @type {Isometry} */
  map: IDENTITY,
  /** Euclidean part: scale, and shift of the middle of the disk in CSS pixels. */
  zoom: 1,
  shift: /** @type {Point} */ ([0, 0]),
  colour: 0,
  selected: -1,
  hovered: -1,
  /** Categories of the present colour that are picked out; all, if it is empty. @type {Set<number>} */
  lit: new Set(),
  /** Least size of the subtrees that are drawn. */
  threshold: 1,
  edges: true,
  images: true,
  proxies: true,
  /** The view moves: draw what can be drawn in time. */
  moving: false,
};

/** @type {Record<string, Array<() => void>>} */
const listeners = { view: [], scene: [], looks: [], selection: [], hover: [] };

/** @param {"view" | "scene" | "looks" | "selection" | "hover"} kind @param {() => void} listener */
function listen(kind, listener) {
  listeners[kind].push(listener);
}

/** @param {"view" | "scene" | "looks" | "selection" | "hover"} kind */
function changed(kind) {
  for (const listener of listeners[kind]) listener();
}

function layoutNow() {
  return model.layouts[state.layout] ?? null;
}

/** The tree whose edges the layout shows. @returns {Relation | null} */
function drawnTree() {
  return model.relations[layoutNow()?.edges] ?? null;
}

/** The tree of paths, subtrees and parents: that of the layout, or whichever there is. @returns {Relation | null} */
function treeOf(node) {
  const found = drawnTree() ?? model.relations.tree ?? model.relations.proxies;
  if (found && node >= model.N && found.enter[node] < 0) {
    return node < model.M ? model.relations.tree : model.relations.proxies;
  }
  return found;
}

function colourNow() {
  return model.colours[state.colour] ?? null;
}

/** @param {number} node -1 for none */
function select(node) {
  state.selected = node;
  changed("selection");
}
