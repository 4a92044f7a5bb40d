// The layer of points: leaves, inner nodes and proxies, written as pixels.

const SAMPLE = 15000; // leaves that are drawn while the view moves
const INNER = 4000; // inner nodes, those of the largest subtrees
const HALO = 12000; // above this many leaves they are too small for an outline

const layer = { image: /** @type {ImageData | null} */ (null), pixels: new Uint32Array(0), looks: { pixels: new Uint32Array(0), shapes: new Uint8Array(0) }, faint: new Uint8Array(0) };

/** Colours, shapes and who is picked out: after a change of colour, theme, highlight or selection. */
function refreshLooks() {
  layer.looks = leafLooks(colourNow());
  layer.faint = new Uint8Array(model.total);
  const colour = colourNow(), top = state.selected, tree = top >= model.N ? treeOf(top) : null;
  for (let leaf = 0; leaf < model.N; leaf++) {
    const unlit = state.lit.size > 0 && colour?.kind === "category" && !state.lit.has(colour.values[leaf]);
    if (unlit || (tree && !isBelow(tree, leaf, top))) layer.faint[leaf] = 1;
  }
  if (tree) for (let node = model.N; node < model.total; node++) layer.faint[node] = isBelow(tree, node, top) ? 0 : 1;
}

/** @param {CanvasRenderingContext2D} context of a canvas for points alone */
function drawPoints(context) {
  const { width, height } = context.canvas;
  if (layer.image?.width !== width || layer.image?.height !== height) {
    layer.image = context.createImageData(width, height);
    layer.pixels = new Uint32Array(layer.image.data.buffer);
  } else {
    layer.pixels.fill(0);
  }
  const count = state.moving ? Math.min(SAMPLE, model.N) : model.N, inner = pixel(look.inner), proxy = pixel(look.proxy);
  for (let node = state.moving ? Math.max(model.N, model.M - INNER) : model.N; node < model.M; node++) {
    if (isShown(node)) putMark(node, 0, inner, layer.faint[node] ? 0.15 : 0.9, !layer.faint[node]);
  }
  const halo = model.N <= HALO && view.point * view.ratio >= 2;
  for (const faint of [1, 0]) {
    for (let i = 0; i < count; i++) {
      const leaf = model.order[i];
      if (layer.faint[leaf] === faint) putMark(leaf, layer.looks.shapes[leaf], layer.looks.pixels[leaf], faint ? 0.14 : 1, halo && !faint);
    }
  }
  for (let node = model.M; node < model.total; node++) {
    if (isShown(node)) putMark(node, 7, proxy, layer.faint[node] ? 0.2 : 1, true);
  }
  context.putImageData(layer.image, 0, 0);
}

function putMark(node, shape, colour, opacity, halo) {
  const x = view.x[node] * view.ratio, y = view.y[node] * view.ratio, { width, height } = layer.image;
  if (!(x > -30 && y > -30 && x < width + 30 && y < height + 30)) return; // also NaN
  const radius = markRadius(node) * view.ratio;
  if (radius < 0.5) return;
  if (halo && radius > 1.5) blit(layer.pixels, width, height, x, y, shape, radius + 0.9 * view.ratio, pixelOfCard(), 0.75);
  blit(layer.pixels, width, height, x, y, shape, radius, colour, opacity);
}

let cardPixel = { card: "", value: 0 };
function pixelOfCard() {
  if (cardPixel.card !== look.card) cardPixel = { card: look.card, value: pixel(look.card) };
  return cardPixel.value;
}
