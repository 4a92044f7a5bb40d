// The present view as an SVG file: true arcs, marks as paths, legend and note.

const SVG = "http://www.w3.org/2000/svg";
const OUTLINES = ["", "M-.86-.86H.86V.86H-.86Z", "M0-1.16L1.16 0 0 1.16-1.16 0Z", "M-.36-1.05H.36V-.36H1.05V.36H.36V1.05H-.36V.36H-1.05V-.36H-.36Z", "M-1 .8H1L0-1.1Z", "M-.92-.57L-.57-.92 0-.35.57-.92.92-.57.35 0 .92.57.57.92 0 .35-.57.92-.92.57-.35 0Z"];
const LEGEND_ROWS = 24;

function element(parent, tag, attributes, text = "") {
  const found = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) found.setAttribute(name, typeof value === "number" ? String(Number(value.toFixed(3))) : value);
  if (text) found.textContent = text;
  parent?.append(found);
  return found;
}

/** @returns {string} the document */
function svgText() {
  const { width, height } = view, side = 240, foot = 64, names = ["page", "text"];
  const root = element(null, "svg", { viewBox: `0 0 ${width + side} ${height + foot}`, width: width + side, height: height + foot, "font-family": "system-ui, sans-serif", "font-size": "12", fill: look[names[1]] });
  element(root, "title", {}, model.title);
  element(root, "rect", { width: width + side, height: height + foot, fill: look.page });
  const clip = element(element(root, "defs", {}), "clipPath", { id: "stage" });
  element(clip, "rect", { width, height });
  const scene = element(root, "g", { "clip-path": "url(#stage)" });
  const [cx, cy] = middle();
  element(scene, "circle", { cx, cy, r: view.size * state.zoom, fill: look.card, stroke: look.line, "stroke-width": 1.5 });
  svgEdges(scene);
  svgPoints(scene);
  svgImages(scene);
  svgSelection(scene);
  svgLegend(root, width + 12);
  element(root, "text", { x: 12, y: height + 24, "font-size": "14", "font-weight": "600" }, model.title);
  const words = layoutNow()?.note ?? "", line = Math.floor((width + side - 24) / 6);
  wrapped(words, line).slice(0, 2).forEach((part, i) => element(root, "text", { x: 12, y: height + 42 + 15 * i, fill: look.soft, "font-size": "11" }, part));
  return new XMLSerializer().serializeToString(root);
}

function wrapped(text, most) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if ((lines.at(-1) + word).length > most) lines.push("");
    lines[lines.length - 1] += (lines.at(-1) ? " " : "") + word;
  }
  return lines;
}

/** The geodesic between two nodes as path data. */
function edgeData(from, to) {
  const { x, y } = view, found = screenArc(from, to), at = (node) => `${x[node].toFixed(2)} ${y[node].toFixed(2)}`;
  if (!found || !(found.r < 1e6)) return `M${at(from)}L${at(to)}`;
  const r = found.r.toFixed(2);
  return `M${at(from)}A${r} ${r} 0 0 ${found.end > found.start ? 1 : 0} ${at(to)}`;
}

function svgEdges(scene) {
  const tree = state.edges ? drawnTree() : null, box = element(scene, "g", { id: "edges", fill: "none", stroke: look.edge });
  const data = new Map();
  for (const node of tree?.bySize ?? []) {
    const parent = tree.parents[node], hidden = !state.proxies && (node >= model.M || parent >= model.M);
    if (model.sizes[node] < state.threshold || hidden || !seenLength(node, parent, 0.5)) continue;
    const width = edgeWidth(model.sizes[node]);
    if (!data.has(width)) data.set(width, []);
    data.get(width).push(edgeData(node, parent));
  }
  for (const [width, found] of data) element(box, "path", { d: found.join(""), "stroke-width": width });
}

function svgPoints(scene) {
  const box = element(scene, "g", { id: "points" });
  const inner = element(box, "g", { fill: look.inner }), proxies = element(box, "g", { fill: look.proxy });
  for (let node = model.N; node < model.M; node++) if (isShown(node) && onScreen(node)) svgMark(inner, node, 0, {});
  const colour = colourNow();
  for (const leaf of model.order) {
    if (!onScreen(leaf)) continue;
    const bits = layer.looks.pixels[leaf], fill = "#" + [bits & 255, (bits >> 8) & 255, (bits >> 16) & 255].map((value) => value.toString(16).padStart(2, "0")).join("");
    const mark = svgMark(box, leaf, layer.looks.shapes[leaf], layer.faint[leaf] ? { fill, opacity: "0.14" } : { fill });
    element(mark, "title", {}, colour?.kind === "category" ? `${model.names[leaf]}: ${categoryName(colour, colour.values[leaf])}` : model.names[leaf]);
  }
  for (let node = model.M; node < model.total; node++) if (isShown(node) && onScreen(node)) svgMark(proxies, node, 7, {});
}

function svgMark(parent, node, shape, attributes) {
  return svgShape(parent, view.x[node], view.y[node], markRadius(node), shape, { ...attributes, "data-node": String(node) });
}

function svgShape(parent, x, y, r, shape, attributes) {
  if (shape === 0) return element(parent, "circle", { cx: x, cy: y, r, ...attributes });
  if (shape === 6) return element(parent, "circle", { cx: x, cy: y, r: 0.8 * r, ...attributes, fill: "none", stroke: attributes.fill, "stroke-width": 0.4 * r });
  const star = "M" + Array.from({ length: 10 }, (_, i) => [(i % 2 ? 0.5 : 1.14) * Math.sin((i * Math.PI) / 5), -(i % 2 ? 0.5 : 1.14) * Math.cos((i * Math.PI) / 5)].map((v) => v.toFixed(3)).join(" ")).join("L") + "Z";
  return element(parent, "path", { d: OUTLINES[shape] ?? star, transform: `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${r.toFixed(3)})`, ...attributes });
}

function svgImages(scene) {
  const box = element(scene, "g", { id: "images" }), canvas = document.createElement("canvas");
  canvas.width = canvas.height = model.thumbnails?.side ?? 1;
  const context = canvas.getContext("2d");
  for (const { node, side } of shownImages) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!drawImage(context, node, 0, 0, canvas.width)) continue;
    const [x, y] = imageCorner(node, side);
    element(box, "image", { x, y, width: side, height: side, href: canvas.toDataURL("image/png") });
  }
}

function svgSelection(scene) {
  const node = state.selected;
  if (node < 0 || !Number.isFinite(view.x[node])) return;
  const box = element(scene, "g", { id: "selection", fill: "none", "stroke-width": 2 });
  for (const { node: near, same } of neighboursOf(node)) {
    const stroke = same === null ? look.accent : same ? look.same : look.other;
    if (seenLength(node, near, 0.5)) element(box, "path", { d: edgeData(node, near), stroke, ...(same === false ? { "stroke-dasharray": "5 4" } : {}) });
  }
  element(box, "circle", { cx: view.x[node], cy: view.y[node], r: markRadius(node) + 5, stroke: look.accent, "stroke-width": 3 });
}

function svgLegend(root, x) {
  const colour = colourNow(), box = element(root, "g", { id: "legend" });
  if (!colour) return;
  element(box, "text", { x, y: 24, "font-weight": "600" }, colour.name);
  const range = colour.kind === "number" ? domain(colour.values) : null;
  const rows = colour.kind === "category" ? categoryCounts(colour) : [];
  rows.slice(0, LEGEND_ROWS).forEach(({ id, count }, i) => {
    const { fill, shape } = categoryLook(colour, id), name = categoryName(colour, id);
    svgShape(box, x + 6, 42 + 17 * i, 5, shape, { fill });
    element(box, "text", { x: x + 18, y: 46 + 17 * i }, `${name.length > 26 ? `${name.slice(0, 25)}…` : name} (${count})`);
  });
  if (rows.length > LEGEND_ROWS) element(box, "text", { x: x + 18, y: 46 + 17 * LEGEND_ROWS, fill: look.soft }, `and ${rows.length - LEGEND_ROWS} more`);
  if (!range) return;
  for (let i = 0; i < 40; i++) element(box, "rect", { x: x + 5 * i, y: 36, width: 5.2, height: 12, fill: rampColour((i + 0.5) / 40) });
  element(box, "text", { x, y: 64 }, digits(range[0]));
  element(box, "text", { x: x + 200, y: 64, "text-anchor": "end" }, digits(range[1]));
}

function saveSvg() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([svgText()], { type: "image/svg+xml" }));
  link.download = "hierarchy.svg";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
