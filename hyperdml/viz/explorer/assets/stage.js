// The canvases: their size, when they are drawn, and how long that takes.

/** Time to the first picture and of the last drawings in milliseconds, for measurements. */
const stats = { firstPaint: 0, frames: /** @type {Array<{kind: string, draw: number, gap: number}>} */ ([]) };

const stage = {
  /** @type {HTMLElement} */ box: null,
  /** @type {CanvasRenderingContext2D[]} */ layers: [],
  wanted: { scene: false, marks: false, edges: false },
  asked: 0, last: 0,
  /** Handle of the timer that ends the state of moving. */
  rest: 0,
};

function openStage() {
  stage.box = byId("stage");
  stage.layers = ["edges", "points", "marks"].map((id) => byId(id).getContext("2d"));
  new ResizeObserver(resize).observe(stage.box);
  watchRatio();
  listen("view", () => drawSoon("scene"));
  listen("scene", () => (place(), drawSoon("scene")));
  listen("looks", () => (refreshLooks(), drawSoon("scene")));
  listen("selection", () => (refreshLooks(), drawSoon("scene")));
  listen("hover", () => drawSoon("marks"));
}

/** The ratio of device pixels changes when the window moves to another screen or the page is zoomed. */
function watchRatio() {
  const query = matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
  query.addEventListener("change", () => (resize(), watchRatio()), { once: true });
}

function resize() {
  const { clientWidth, clientHeight } = stage.box;
  if (!clientWidth || !clientHeight) return;
  const before = view.size, { shift } = state;
  view.width = clientWidth;
  view.height = clientHeight;
  view.ratio = Math.min(window.devicePixelRatio || 1, 2);
  view.size = Math.max(Math.min(clientWidth, clientHeight) / 2 - 10, 20);
  view.point = Math.min(Math.max(5.5 - 1.4 * (Math.log10(Math.max(model.N, 1)) - 2.3), 1.5), 5.5) * Math.min(Math.max(view.size / 380, 0.7), 1.2);
  if (stats.firstPaint) state.shift = [(shift[0] * view.size) / before, (shift[1] * view.size) / before];
  for (const context of stage.layers) {
    context.canvas.width = Math.round(clientWidth * view.ratio);
    context.canvas.height = Math.round(clientHeight * view.ratio);
  }
  drawAll(); // at once: a canvas that has changed its size is empty
}

/** Something moves: draw less for a moment. */
function moving() {
  state.moving = true;
  clearTimeout(stage.rest);
  stage.rest = setTimeout(rest, 140);
}

/** Nothing moves any more: draw everything. */
function rest() {
  clearTimeout(stage.rest);
  state.moving = false;
  drawSoon("scene");
}

/** @param {"scene" | "marks" | "edges"} what */
function drawSoon(what) {
  stage.wanted[what] = true;
  if (!stage.asked) stage.asked = requestAnimationFrame(() => ((stage.asked = 0), drawAll()));
}

function drawAll() {
  const [edges, points, marks] = stage.layers, { wanted } = stage, start = performance.now();
  const kind = wanted.scene || !wanted.marks && !wanted.edges ? (state.moving ? "moving" : "whole") : wanted.edges ? "edges" : "marks";
  stage.wanted = { scene: false, marks: false, edges: false };
  if (kind === "moving" || kind === "whole") {
    project();
    drawDisk(edges);
    edging.next = 0;
    drawEdges(edges);
    drawPoints(points);
    if (!state.moving) placeImages();
  } else if (kind === "edges") {
    scaled(edges);
    drawEdges(edges);
  }
  scaled(marks);
  drawMarks(marks);
  if (!edging.done && !state.moving) drawSoon("edges");
  const end = performance.now();
  stats.frames.push({ kind, draw: end - start, gap: start - stage.last });
  if (stats.frames.length > 1000) stats.frames.shift();
  stage.last = start;
  if (!stats.firstPaint) {
    stats.firstPaint = end;
    requestAnimationFrame(() => setTimeout(() => (stats.firstPaint = performance.now()))); // when it is on the screen
  }
}

function scaled(context) {
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
}

function drawDisk(context) {
  scaled(context);
  context.clearRect(0, 0, view.width, view.height);
  context.beginPath();
  context.arc(...middle(), view.size * state.zoom, 0, 2 * Math.PI);
  context.fillStyle = look.card;
  context.fill();
  context.strokeStyle = look.line;
  context.lineWidth = 1.5;
  context.stroke();
}
