// From the layout to the screen: positions of all nodes under the present view, and who is at a place.

const LIMIT = 15; // hyperbolic distance that the view may go away from the middle of the layout, beyond its last point

/** Where everything is. Filled by `place` (layout) and `project` (screen). */
const view = {
  width: 1, height: 1, ratio: 1,
  /** Radius of the disk at zoom 1. */
  size: 1,
  /** Points of the disk before the view, x and y in turn. */
  base: new Float64Array(0),
  /** In CSS pixels. */
  x: new Float64Array(0), y: new Float64Array(0),
  /** Radius of a leaf's mark in CSS pixels, before the view shrinks it. */
  point: 4,
  /** 1 - |z|^2 after the view: 1 in the middle, 0 at the rim. */
  scale: new Float64Array(0),
};

const frameCache = new Map();

/** Positions of all nodes in a whole frame; NaN for nodes without one. */
function framePositions(layout, frame) {
  const key = `${layout}/${frame}`;
  if (!frameCache.has(key)) {
    const found = new Float64Array(2 * model.total).fill(NaN), { leaves, inner, proxies } = model.layouts[layout].frames[frame];
    found.set(decode(leaves));
    if (inner) found.set(decode(inner), 2 * model.N);
    if (proxies) found.set(decode(proxies), 2 * model.M);
    frameCache.set(key, found);
  }
  return frameCache.get(key);
}

/** Positions of the present layout and frame, between two frames along geodesics. */
function place() {
  if (!layoutNow()) {
    view.base = new Float64Array(2 * model.total).fill(NaN);
    return;
  }
  const from = Math.floor(state.frame), t = state.frame - from, a = framePositions(state.layout, from);
  view.base = a;
  if (t > 0) {
    const b = framePositions(state.layout, from + 1);
    view.base = new Float64Array(a.length);
    for (let i = 0; i < a.length; i += 2) {
      const [x, y] = between([a[i], a[i + 1]], [b[i], b[i + 1]], t);
      view.base[i] = x;
      view.base[i + 1] = y;
    }
  }
}

/** Screen positions of all nodes. */
function project() {
  if (view.x.length !== model.total) {
    view.x = new Float64Array(model.total);
    view.y = new Float64Array(model.total);
    view.scale = new Float64Array(model.total);
  }
  const [ar, ai, br, bi] = state.map, { base, x: outX, y: outY, scale } = view;
  const [cx, cy] = middle(), size = view.size * state.zoom;
  for (let i = 0, j = 0; i < outX.length; i++, j += 2) {
    const x = base[j], y = base[j + 1];
    const nx = ar * x - ai * y + br, ny = ar * y + ai * x + bi, dx = br * x + bi * y + ar, dy = br * y - bi * x - ai;
    const d = 1 / (dx * dx + dy * dy);
    outX[i] = cx + size * (nx * dx + ny * dy) * d;
    outY[i] = cy - size * (ny * dx - nx * dy) * d;
    scale[i] = (1 - x * x - y * y) * d;
  }
}

/** Middle of the disk on the screen. @returns {Point} */
function middle() {
  return [view.width / 2 + state.shift[0], view.height / 2 + state.shift[1]];
}

/** A place of the screen in the disk, drawn to the rim from outside. @returns {{point: Point, outside: boolean}} */
function diskPoint(x, y) {
  const [cx, cy] = middle(), size = view.size * state.zoom;
  const u = (x - cx) / size, v = (cy - y) / size, r = Math.hypot(u, v), most = 1 - 0.25 / size; // a quarter of a pixel
  return r > most ? { point: [(u * most) / r, (v * most) / r], outside: r > 1 } : { point: [u, v], outside: false };
}

/** A point of the disk after the view on the screen. @returns {Point} */
function screenPoint(x, y) {
  const [cx, cy] = middle(), size = view.size * state.zoom;
  return [cx + size * x, cy - size * y];
}

/** Position of a node in the disk after the view. @returns {Point} */
function viewPoint(node) {
  return apply(state.map, view.base[2 * node], view.base[2 * node + 1]);
}

/** Change the Moebius part, unless it would lose the layout out of sight. @param {Isometry} map */
function setMap(map) {
  const away = Math.hypot(map[2], map[3]) / Math.hypot(map[0], map[1]);
  if (!(away <= Math.tanh(LIMIT / 2))) return;
  state.map = map;
  changed("view");
}

/** Zoom so that the place (x, y) of the screen stays. */
function zoomAt(x, y, factor) {
  const zoom = Math.min(Math.max(state.zoom * factor, 0.6), 500), [cx, cy] = middle(), by = zoom / state.zoom;
  state.zoom = zoom;
  setShift(x - by * (x - cx) - view.width / 2, y - by * (y - cy) - view.height / 2);
}

/** Shift the disk; its middle stays within one radius of the middle of the picture. */
function setShift(x, y) {
  const far = Math.hypot(x, y) / (view.size * state.zoom);
  state.shift = far > 1 ? [x / far, y / far] : [x, y];
  changed("view");
}

function isShown(node) {
  if (node < model.N) return true;
  if (model.sizes[node] < state.threshold) return false;
  return node < model.M ? state.edges && drawnTree() === model.relations.tree : state.proxies;
}

/** Radius of a node's mark in CSS pixels. */
function markRadius(node) {
  const base = node < model.N ? view.point : node < model.M ? 0.9 + 0.42 * Math.log2(model.sizes[node]) : 2.4 + 0.5 * Math.log2(model.sizes[node] + 1);
  return base * (0.45 + 0.55 * Math.sqrt(view.scale[node])) * Math.min(state.zoom ** 0.35, 3);
}

/** The node whose mark or picture is at a place of the screen, or -1. */
function nodeAt(x, y, reach = 8) {
  const picture = imageAt(x, y);
  if (picture >= 0) return picture;
  let found = -1, best = reach;
  for (let node = 0; node < model.total; node++) {
    const dx = Math.abs(view.x[node] - x), dy = Math.abs(view.y[node] - y);
    if (!(dx < 24 && dy < 24) || !isShown(node)) continue;
    const away = Math.hypot(dx, dy) - 0.5 * markRadius(node);
    if (away < best) {
      best = away;
      found = node;
    }
  }
  return found;
}
