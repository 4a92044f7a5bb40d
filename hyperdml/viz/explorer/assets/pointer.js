// Mouse, pen and fingers on the disk.

const CLICK = 4; // pixels that a pointer may move between press and release of a click

/** Fingers on the disk, by their id. @type {Map<number, Point>} */
const fingers = new Map();

/** What the first finger does. @type {{start: Point, grabbed: Point, outside: boolean, map: Isometry, shift: Point, moved: boolean} | null} */
let grip = null;
let pinched = false;

function openPointer() {
  const box = stage.box;
  box.addEventListener("pointerdown", press);
  box.addEventListener("pointermove", move);
  box.addEventListener("pointerup", release);
  box.addEventListener("pointercancel", (event) => (fingers.delete(event.pointerId), (grip = null), rest()));
  box.addEventListener("pointerleave", () => hover(-1));
  box.addEventListener("dblclick", centreHere);
  box.addEventListener("wheel", wheel, { passive: false });
}

/** @returns {Point} */
function placeOf(event) {
  const { left, top } = stage.box.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

function press(event) {
  if (event.button !== 0) return;
  stopMotion();
  stage.box.focus({ preventScroll: true });
  stage.box.setPointerCapture(event.pointerId);
  const place = placeOf(event);
  fingers.set(event.pointerId, place);
  hold(place);
  pinched = fingers.size > 1;
}

/** Take hold of the disk at a place. */
function hold(place) {
  const { point, outside } = diskPoint(...place);
  grip = { start: place, grabbed: point, outside, map: state.map, shift: state.shift, moved: false };
}

function move(event) {
  const place = placeOf(event), before = fingers.get(event.pointerId);
  if (!before) {
    hover(event.pointerType === "touch" ? -1 : nodeAt(...place), place);
    return;
  }
  fingers.set(event.pointerId, place);
  if (fingers.size === 2) {
    const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
    pinch(before, place, other);
  } else if (grip && !pinched) {
    drag(place);
  }
}

/** Translate so that what was grabbed stays under the pointer. */
function drag(place) {
  const dx = place[0] - grip.start[0], dy = place[1] - grip.start[1];
  if (!grip.moved && Math.hypot(dx, dy) < CLICK) return;
  grip.moved = true;
  hover(-1);
  moving();
  stage.box.classList.add("dragging");
  if (grip.outside) setShift(grip.shift[0] + dx, grip.shift[1] + dy);
  else setMap(compose(carrying(grip.grabbed, diskPoint(...place).point), grip.map));
}

/** Two fingers: scale by the ratio of their distances about the one that rests. */
function pinch(before, now, other) {
  const ratio = Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(Math.hypot(before[0] - other[0], before[1] - other[1]), 1);
  moving();
  zoomAt(...other, ratio);
}

function release(event) {
  if (!fingers.delete(event.pointerId)) return;
  stage.box.classList.remove("dragging");
  const clicked = grip && !grip.moved && !pinched;
  grip = null;
  pinched = fingers.size > 0; // the finger that is left does not drag: the hand is on its way up
  if (state.moving) rest();
  if (clicked) select(nodeAt(...placeOf(event), event.pointerType === "touch" ? 16 : 8));
}

function centreHere(event) {
  const place = placeOf(event), node = nodeAt(...place), { point, outside } = diskPoint(...place);
  if (node >= 0) centreNode(node);
  else if (!outside) centrePoint(point);
}

function wheel(event) {
  event.preventDefault();
  stopMotion();
  const lines = event.deltaMode === 1 ? 16 : 1;
  moving();
  zoomAt(...placeOf(event), Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * 0.0018));
  hover(-1);
}
