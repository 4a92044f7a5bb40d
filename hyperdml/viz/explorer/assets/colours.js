// Colours and shapes of the points, those of the figures: Okabe and Ito's hues in three tones, then other shapes.

const HUES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"];
const SHAPES = ["disc", "square", "diamond", "plus", "triangle", "cross", "ring", "star"];
const CATEGORY_SHAPES = 6; // rings are inner nodes, stars proxies
const RAMP = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];

/** Looks of the present theme. @type {Record<string, string>} */
const look = {};

function readLook() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["page", "card", "text", "soft", "line", "edge", "same", "other", "accent", "proxy", "inner"]) {
    look[name] = style.getPropertyValue(`--${name}`).trim();
  }
  look.dark = style.getPropertyValue("--dark").trim();
}

/** @param {string} hex @returns {number[]} red, green, blue */
function parts(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** A mix of two colours. @param {string} from @param {string} to @param {number} share of `to` */
function mixed(from, to, share) {
  const [a, b] = [parts(from), parts(to)];
  return "#" + a.map((value, i) => Math.round(value + share * (b[i] - value)).toString(16).padStart(2, "0")).join("");
}

/** Colour and shape of a category, as in the figures; tones turn with the theme. */
function categoryLook(colour, id) {
  if (id < 0) return { fill: look.soft, shape: 6 };
  if (colour.key === "correct") return id ? { fill: look.same, shape: 0 } : { fill: look.other, shape: 5 };
  const tone = Math.floor(id / HUES.length) % 3;
  const share = look.dark === "1" ? [0.12, 0.55, -0.25][tone] : [0, -0.42, 0.4][tone];
  const fill = mixed(HUES[id % HUES.length], share < 0 ? "#000000" : "#ffffff", Math.abs(share));
  return { fill, shape: Math.floor(id / HUES.length) % CATEGORY_SHAPES };
}

/** Colour of a share of the way from the least to the greatest value; the ends that the page would swallow are left out. */
function rampColour(share) {
  const [low, high] = look.dark === "1" ? [0.18, 1] : [0, 0.9];
  const place = (low + share * (high - low)) * (RAMP.length - 1), step = Math.min(Math.floor(place), RAMP.length - 2);
  return mixed(RAMP[step], RAMP[step + 1], place - step);
}

/** Least and greatest finite value. @returns {[number, number] | null} */
function domain(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high && Number.isFinite(high) && Number.isFinite(low) ? [low, high] : null;
}

/** Colour (as a pixel) and shape of every leaf. @returns {{pixels: Uint32Array, shapes: Uint8Array}} */
function leafLooks(colour) {
  const pixels = new Uint32Array(model.N), shapes = new Uint8Array(model.N);
  if (!colour) {
    pixels.fill(pixel(look.accent));
  } else if (colour.kind === "category") {
    const known = new Map();
    colour.values.forEach((id, leaf) => {
      if (!known.has(id)) known.set(id, categoryLook(colour, id));
      const { fill, shape } = known.get(id);
      pixels[leaf] = pixel(fill);
      shapes[leaf] = shape;
    });
  } else {
    const range = domain(colour.values);
    const steps = Array.from({ length: 256 }, (_, i) => pixel(rampColour(i / 255)));
    colour.values.forEach((value, leaf) => {
      const missing = !range || !Number.isFinite(value);
      const share = missing || range[1] === range[0] ? 0.5 : (value - range[0]) / (range[1] - range[0]);
      pixels[leaf] = missing ? pixel(look.soft) : steps[Math.round(255 * share)];
      shapes[leaf] = missing ? 6 : 0;
    });
  }
  return { pixels, shapes };
}

/** A colour as ImageData holds it on a little-endian machine, without its alpha. */
function pixel(hex) {
  const [r, g, b] = parts(hex);
  return ((b << 16) | (g << 8) | r) >>> 0;
}
