// Animated moves: a point to the middle along its geodesic, back to the root, from epoch to epoch.

const motion = { running: 0 };

function stopMotion() {
  cancelAnimationFrame(motion.running);
  motion.running = 0;
}

/** Call `step` with shares from 0 to 1, eased; at once with 1 for those who asked their system for less motion. */
function animate(duration, step) {
  stopMotion();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    step(1);
    return rest();
  }
  const start = performance.now();
  const next = (now) => {
    const t = Math.min(Math.max((now - start) / duration, 0), 1);
    moving();
    step(t * t * (3 - 2 * t));
    motion.running = t < 1 ? requestAnimationFrame(next) : 0;
    if (t === 1) rest();
  };
  motion.running = requestAnimationFrame(next);
}

/** Bring a point of the disk, given after the view, to the middle along the geodesic. @param {Point} point */
function centrePoint([x, y]) {
  const r = Math.hypot(x, y), from = state.map, [sx, sy] = state.shift;
  if (!(r < 1)) return;
  const way = 2 * Math.atanh(r);
  animate(350 + 60 * Math.min(way, 8), (t) => {
    const s = r > 0 ? Math.tanh((t * way) / 2) / r : 0;
    state.shift = [sx * (1 - t), sy * (1 - t)];
    setMap(compose(translation(-x * s, -y * s), from));
  });
}

/** Bring a node to the middle. */
function centreNode(node) {
  const point = viewPoint(node);
  if (Number.isFinite(point[0])) centrePoint(point);
}

/** Back to the view that the page began with: the middle of the layout, the whole disk. */
function goHome() {
  const [ar, ai, br, bi] = state.map, d = ar * ar + ai * ai, [sx, sy] = state.shift, zoom = state.zoom;
  const x = -(br * ar + bi * ai) / d, y = -(bi * ar - br * ai) / d; // the point that is in the middle now: -b / a
  const angle = 2 * Math.atan2(ai, ar), turn = angle > Math.PI ? angle - 2 * Math.PI : angle < -Math.PI ? angle + 2 * Math.PI : angle;
  const r = Math.hypot(x, y), way = Math.atanh(r);
  animate(350 + 60 * Math.min(way, 8), (t) => {
    const s = r > 0 ? Math.tanh((1 - t) * way) / r : 0;
    state.zoom = zoom ** (1 - t);
    state.shift = [sx * (1 - t), sy * (1 - t)];
    setMap(t === 1 ? IDENTITY : compose(rotation((1 - t) * turn), translation(-x * s, -y * s)));
  });
}

/** Blend from the present frame to another. */
function goToFrame(frame) {
  const from = state.frame;
  animate(600, (t) => {
    state.frame = t === 1 ? frame : from + t * (frame - from);
    changed("scene");
  });
}
