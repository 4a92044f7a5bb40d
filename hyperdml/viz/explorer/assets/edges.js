// The layer of edges: geodesic arcs from child to parent, those of large subtrees first, a batch a frame.

const BATCH = 2500; // arcs a frame, so that the page answers while a large tree appears
const WHILE_MOVING = 1000;
const MANY = 10000; // from here on only edges longer than two pixels are drawn, outside of the subtree in focus

/** How far the drawing has come in the order of `Relation.bySize`. */
const edging = { next: 0, done: true };

/** The arc of an edge on the screen, or null where it is out of sight or as good as straight. */
function screenArc(from, to) {
  const [cx, cy] = middle(), s = view.size * state.zoom;
  const found = arc((view.x[from] - cx) / s, (cy - view.y[from]) / s, (view.x[to] - cx) / s, (cy - view.y[to]) / s);
  if (!found) return null;
  return { x: cx + s * found.x, y: cy - s * found.y, r: s * found.r, start: -found.start, end: -found.end };
}

/** Whether an edge can be seen: on the picture and long enough. @returns {number} its length, 0 if not */
function seenLength(from, to, least) {
  const x = view.x, y = view.y, length = Math.hypot(x[from] - x[to], y[from] - y[to]);
  if (!(length > least)) return 0; // also NaN
  const bulge = length / 2; // an arc leaves its chord by less
  const low = Math.min(x[from], x[to]), high = Math.max(x[from], x[to]);
  const top = Math.min(y[from], y[to]), bottom = Math.max(y[from], y[to]);
  return high < -bulge || low > view.width + bulge || bottom < -bulge || top > view.height + bulge ? 0 : length;
}

/** Add the geodesic between two nodes to the path of a canvas. */
function traceEdge(context, from, to) {
  const x = view.x, y = view.y, chord = (x[from] - x[to]) ** 2 + (y[from] - y[to]) ** 2;
  context.moveTo(x[from], y[from]);
  const found = chord > 16 ? screenArc(from, to) : null;
  if (!found || chord / (8 * found.r) < 0.2) context.lineTo(x[to], y[to]);
  else context.arc(found.x, found.y, found.r, found.start, found.end, found.end < found.start);
}

/** Width of the edge above a subtree. */
function edgeWidth(size) {
  return size * 20 >= model.N ? 1.7 : size * 200 >= model.N ? 1.1 : 0.7;
}

/** Draw the next edges over those that are there. @param {CanvasRenderingContext2D} context */
function drawEdges(context, batch = state.moving ? WHILE_MOVING : BATCH) {
  const tree = state.edges ? drawnTree() : null;
  if (!tree) {
    edging.done = true;
    return;
  }
  const { bySize, parents } = tree, least = bySize.length > MANY ? 2 : 0.5;
  const focus = state.selected >= 0 && tree.enter[state.selected] >= 0 ? state.selected : -1;
  let drawn = 0, width = 0;
  context.strokeStyle = look.edge;
  for (; edging.next < bySize.length && drawn < batch; edging.next++) {
    const node = bySize[edging.next], parent = parents[node], size = model.sizes[node];
    if (size < state.threshold) break;
    if (node >= model.M && !state.proxies) continue;
    if (parent >= model.M && !state.proxies) continue;
    const near = least > 0.5 && focus >= model.N && isBelow(tree, node, focus);
    if (!seenLength(node, parent, near ? 0.5 : least)) continue;
    if (edgeWidth(size) !== width) {
      if (drawn) context.stroke();
      width = edgeWidth(size);
      context.lineWidth = width;
      context.beginPath();
    }
    traceEdge(context, node, parent);
    drawn++;
  }
  if (drawn) context.stroke();
  edging.done = drawn < batch;
}
