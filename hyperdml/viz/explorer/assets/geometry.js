// The unit disk with its hyperbolic metric of curvature -1. All of it in float64, on plain numbers.
//
// There is no library for this page: planar zoom libraries keep a similarity of the plane, which cannot hold a Moebius
// pan, and whatever concerns trees was computed before the page was written.

/**
 * An orientation-preserving isometry z -> (a z + b) / (conj(b) z + conj(a)) with |a|^2 - |b|^2 = 1: the SU(1,1) pair
 * as [re a, im a, re b, im b].
 * @typedef {[number, number, number, number]} Isometry
 * @typedef {[number, number]} Point
 */

/** @type {Isometry} */
const IDENTITY = [1, 0, 0, 0];

/** @param {Isometry} f @param {number} x @param {number} y @returns {Point} */
function apply([ar, ai, br, bi], x, y) {
  const nx = ar * x - ai * y + br, ny = ar * y + ai * x + bi;
  const dx = br * x + bi * y + ar, dy = br * y - bi * x - ai;
  const d = dx * dx + dy * dy;
  return [(nx * dx + ny * dy) / d, (ny * dx - nx * dy) / d];
}

/** Rescale to |a|^2 - |b|^2 = 1, which rounding moves away from. @param {Isometry} f @returns {Isometry} */
function normalised([ar, ai, br, bi]) {
  const s = 1 / Math.sqrt(ar * ar + ai * ai - br * br - bi * bi);
  return [ar * s, ai * s, br * s, bi * s];
}

/** z -> f(g(z)). @param {Isometry} f @param {Isometry} g @returns {Isometry} */
function compose([ar, ai, br, bi], [cr, ci, dr, di]) {
  return normalised([
    ar * cr - ai * ci + br * dr + bi * di,
    ar * ci + ai * cr + bi * dr - br * di,
    ar * dr - ai * di + br * cr + bi * ci,
    ar * di + ai * dr + bi * cr - br * ci,
  ]);
}

/** @param {Isometry} f @returns {Isometry} */
function inverse([ar, ai, br, bi]) {
  return [ar, -ai, -br, -bi];
}

/** The translation along the line through 0 that takes 0 to (x, y). @returns {Isometry} */
function translation(x, y) {
  const s = 1 / Math.sqrt(1 - x * x - y * y);
  return [s, 0, s * x, s * y];
}

/** The translation that takes p to q. @param {Point} p @param {Point} q @returns {Isometry} */
function carrying([px, py], [qx, qy]) {
  const p = px * px + py * py, q = qx * qx + qy * qy, s = 1 / (1 - p * q);
  return translation((qx * (1 - p) - px * (1 - q)) * s, (qy * (1 - p) - py * (1 - q)) * s);
}

/** Rotation about 0. @param {number} angle @returns {Isometry} */
function rotation(angle) {
  return [Math.cos(angle / 2), Math.sin(angle / 2), 0, 0];
}

/** 2 artanh |u - v| / |1 - conj(u) v|, by arsinh, which keeps the digits of near points. */
function distance([ux, uy], [vx, vy]) {
  const dx = ux - vx, dy = uy - vy, u = 1 - ux * ux - uy * uy, v = 1 - vx * vx - vy * vy;
  return 2 * Math.asinh(Math.sqrt((dx * dx + dy * dy) / (u * v)));
}

/** The point at the share t of the way from u to v. @param {Point} u @param {Point} v @param {number} t @returns {Point} */
function between(u, v, t) {
  const [x, y] = apply(translation(-u[0], -u[1]), v[0], v[1]);
  const r = Math.hypot(x, y);
  if (r < 1e-300) return [u[0], u[1]];
  const s = Math.tanh(t * Math.atanh(Math.min(r, 1 - 1e-16))) / r;
  return apply(translation(u[0], u[1]), x * s, y * s);
}

/**
 * The geodesic from u to v: part of a circle at right angles to the rim, or null where it is a line.
 * @param {number} ux @param {number} uy @param {number} vx @param {number} vy
 * @returns {{x: number, y: number, r: number, start: number, end: number} | null} angles in radians, y up; the arc
 *   goes the shorter way, end - start lies in (-pi, pi)
 */
function arc(ux, uy, vx, vy) {
  const cross = ux * vy - uy * vx;
  if (Math.abs(cross) < 1e-6) return null;
  const u = 1 + ux * ux + uy * uy, v = 1 + vx * vx + vy * vy;
  const x = (u * vy - v * uy) / (2 * cross), y = (v * ux - u * vx) / (2 * cross);
  const r = Math.sqrt(x * x + y * y - 1);
  const start = Math.atan2(uy - y, ux - x);
  let sweep = Math.atan2(vy - y, vx - x) - start;
  if (sweep > Math.PI) sweep -= 2 * Math.PI;
  if (sweep < -Math.PI) sweep += 2 * Math.PI;
  return { x, y, r, start, end: start + sweep };
}
