// Thumbnails from the atlases, on canvases alone: pages without a network may show them, and no element is needed each.

/** Decoded atlases, null while one is not there yet. @type {Array<ImageBitmap | null>} */
const atlases = [];
let cellOf = new Int32Array(0);

/** Start decoding; `ready` is called after each atlas. */
async function loadImages(ready) {
  cellOf = new Int32Array(model.N).fill(-1);
  model.thumbnails?.cells.forEach((leaf, cell) => (cellOf[leaf] = cell));
  for (const [number, source] of (model.thumbnails?.atlases ?? []).entries()) {
    const image = new Image();
    image.src = source;
    try {
      await image.decode();
      atlases[number] = await createImageBitmap(image); // keeps the pixels, which an image element may drop
    } catch {
      atlases[number] = null; // a broken atlas leaves its thumbnails empty
    }
    ready();
  }
}

/** Whether a node has a picture: its own or that of its medoid. */
function hasImage(node) {
  const leaf = model.medoid[node];
  return leaf >= 0 && cellOf[leaf] >= 0;
}

/** Draw a node's picture. @returns {boolean} whether there was one to draw */
function drawImage(context, node, x, y, side) {
  const leaf = model.medoid[node], cell = leaf >= 0 ? cellOf[leaf] : -1;
  if (cell < 0) return false;
  const { side: own, columns, rows_per_atlas: rows } = model.thumbnails, place = cell % (columns * rows);
  const atlas = atlases[Math.floor(cell / (columns * rows))];
  if (!atlas) return false;
  context.drawImage(atlas, (place % columns) * own, Math.floor(place / columns) * own, own, own, x, y, side, side);
  return true;
}

/** A canvas with the picture of a node, or null. @param {number} side in CSS pixels */
function imageElement(node, side) {
  if (!hasImage(node)) return null;
  const canvas = document.createElement("canvas"), ratio = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = canvas.height = Math.round(side * ratio);
  canvas.className = "thumbnail";
  canvas.style.width = canvas.style.height = `${side}px`;
  canvas.setAttribute("aria-hidden", "true"); // its name stands beside it
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  drawImage(context, node, 0, 0, canvas.width);
  return canvas;
}
