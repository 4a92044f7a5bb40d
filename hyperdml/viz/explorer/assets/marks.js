// The uppermost layer: thumbnails, the path to the root, neighbours right and wrong, selection and hover.

const THUMBNAIL = 40;
const ROOM = 8; // pixels of the disk's radius for each picture of an inner node
const MOST_LEAVES = 150; // pictures at a time
const CLOSE = 0.1; // leaves magnified more count as near: 1 is the middle of the disk at zoom 1

/** Nodes whose pictures are shown, with the side in pixels. @type {Array<{node: number, side: number}>} */
let shownImages = [];

/** Choose the pictures that have room, while the view rests. */
function placeImages() {
  shownImages = [];
  if (!model.thumbnails || !state.images) return;
  const taken = [], seen = new Set();
  const put = (node, side) => {
    const [x, y] = imageCorner(node, side), medoid = model.medoid[node];
    if (!(x > -side && y > -side && x < view.width && y < view.height) || seen.has(medoid) || !hasImage(node)) return false;
    if (taken.some((box) => x < box[0] + box[2] + 3 && box[0] < x + side + 3 && y < box[1] + box[2] + 3 && box[1] < y + side + 3)) return false;
    taken.push([x, y, side]);
    seen.add(medoid);
    shownImages.push({ node, side });
    return true;
  };
  if (state.selected >= 0) put(state.selected, THUMBNAIL + 12);
  for (const { node } of neighboursOf(state.selected)) put(node, THUMBNAIL - 6);
  let left = Math.round(view.size / ROOM);
  const tops = [];
  for (let node = model.N; node < model.total; node++) if (isShown(node) && view.scale[node] * state.zoom > 0.04) tops.push(node);
  tops.sort((a, b) => model.sizes[b] - model.sizes[a]);
  for (const node of tops.slice(0, 600)) if (left > 0 && model.sizes[node] > 2 && put(node, 20 + 16 * Math.sqrt(Math.min(view.scale[node] * state.zoom, 1)))) left--;
  const leaves = [];
  for (let leaf = 0; leaf < model.N; leaf++) {
    if (view.scale[leaf] * state.zoom > CLOSE && !layer.faint[leaf] && onScreen(leaf)) leaves.push(leaf);
  }
  if (leaves.length > MOST_LEAVES) return; // they would cover each other: come nearer
  leaves.sort((a, b) => view.scale[b] - view.scale[a]);
  for (const leaf of leaves) put(leaf, THUMBNAIL);
}

/** Where a picture is: beside a leaf, in the place of another node. @returns {Point} */
function imageCorner(node, side) {
  return node < model.N ? [view.x[node] + 5, view.y[node] - 5 - side] : [view.x[node] - side / 2, view.y[node] - side / 2];
}

/** The node whose picture is at a place of the screen, or -1. */
function imageAt(x, y) {
  const found = shownImages.findLast(({ node, side }) => {
    const [left, top] = imageCorner(node, side);
    return x >= left - 2 && x <= left + side + 2 && y >= top - 2 && y <= top + side + 2;
  });
  return found ? found.node : -1;
}

function onScreen(node) {
  return view.x[node] > 0 && view.y[node] > 0 && view.x[node] < view.width && view.y[node] < view.height;
}

/** Nearest neighbours of a leaf. @returns {Array<{node: number, distance: number, same: boolean | null}>} */
function neighboursOf(leaf) {
  const { k, index, distance: distances } = model.neighbours, found = [];
  if (leaf < 0 || leaf >= model.N) return found;
  for (let i = leaf * k; i < (leaf + 1) * k; i++) {
    const node = index[i], known = model.labels && model.labels[leaf] >= 0 && model.labels[node] >= 0;
    if (node >= 0) found.push({ node, distance: distances[i], same: known ? model.labels[leaf] === model.labels[node] : null });
  }
  return found;
}

/** A node, its parent, and so on up to the root. */
function pathUp(node) {
  const tree = treeOf(node), found = [];
  for (let at = node; at >= 0 && found.length <= model.total; at = tree ? tree.parents[at] : -1) found.push(at);
  return found;
}

/** @param {CanvasRenderingContext2D} context */
function drawMarks(context) {
  context.clearRect(0, 0, view.width, view.height);
  if (state.selected >= 0 && state.edges && treeOf(state.selected) === drawnTree()) {
    const path = pathUp(state.selected);
    strokeBetween(context, path.slice(1).map((parent, i) => [path[i], parent]), look.accent, 2.4, []);
  }
  const near = neighboursOf(state.selected);
  const link = (wanted) => near.filter(({ same }) => same === wanted).map(({ node }) => [state.selected, node]);
  strokeBetween(context, link(true), look.same, 1.6, []);
  strokeBetween(context, link(false), look.other, 1.6, [5, 4]);
  strokeBetween(context, link(null), look.accent, 1.4, [2, 3]);
  for (const { node, side } of shownImages) drawFramed(context, node, side);
  for (const { node, same } of near) drawVerdict(context, node, same);
  if (state.hovered >= 0 && state.hovered !== state.selected) drawRing(context, state.hovered, look.text, 1.6, 4);
  if (state.selected >= 0) drawRing(context, state.selected, look.accent, 3, 5);
}

function strokeBetween(context, pairs, colour, width, dash) {
  context.beginPath();
  for (const [from, to] of pairs) if (seenLength(from, to, 0.5)) traceEdge(context, from, to);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.stroke();
  context.setLineDash([]);
}

function drawFramed(context, node, side) {
  const [x, y] = imageCorner(node, side);
  context.fillStyle = "#ffffff";
  context.fillRect(x - 2, y - 2, side + 4, side + 4);
  if (!drawImage(context, node, x, y, side)) return;
  const colour = colourNow();
  context.strokeStyle = node >= model.N || !colour || colour.kind !== "category" ? look.soft : categoryLook(colour, colour.values[node]).fill;
  context.lineWidth = 1.5;
  context.strokeRect(x - 2, y - 2, side + 4, side + 4);
}

/** Right: a ring. Wrong: a crossed square. Not known: a dotted ring. */
function drawVerdict(context, node, same) {
  const x = view.x[node], y = view.y[node], r = markRadius(node) + 4;
  context.lineWidth = 2.2;
  context.strokeStyle = same === null ? look.accent : same ? look.same : look.other;
  context.beginPath();
  if (same === false) {
    context.rect(x - r, y - r, 2 * r, 2 * r);
    context.moveTo(x - r, y - r);
    context.lineTo(x + r, y + r);
    context.moveTo(x + r, y - r);
    context.lineTo(x - r, y + r);
  } else {
    if (same === null) context.setLineDash([2, 2]);
    context.arc(x, y, r, 0, 2 * Math.PI);
  }
  context.stroke();
  context.setLineDash([]);
}

/** Around a node's mark, or around the picture in its place. */
function drawRing(context, node, colour, width, gap) {
  const picture = node < model.N ? null : shownImages.find((shown) => shown.node === node);
  context.beginPath();
  if (picture) {
    const [x, y] = imageCorner(node, picture.side);
    context.rect(x - 3, y - 3, picture.side + 6, picture.side + 6);
  } else {
    context.arc(view.x[node], view.y[node], markRadius(node) + gap, 0, 2 * Math.PI);
  }
  context.strokeStyle = look.card;
  context.lineWidth = width + 2;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}
