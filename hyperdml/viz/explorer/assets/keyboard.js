// The keyboard on the disk, and a few keys of the whole page.

const KEYS = [
  ["Arrow keys", "move the disk"],
  ["+ and -", "zoom in and out"],
  ["Home or 0", "back to the root, the whole disk"],
  ["Enter", "bring the selected node to the middle"],
  ["Shift with ↑ ↓ ← →", "select parent, largest child, siblings"],
  ["/", "search"],
  ["Escape", "let go: selection, search, this help"],
  ["?", "this help"],
];
const POINTING = [
  ["Drag", "move the disk; what you grabbed stays under the pointer"],
  ["Wheel or pinch", "zoom"],
  ["Click", "select: details, nearest neighbours, path to the root"],
  ["Double click", "bring to the middle"],
];

function openKeyboard() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input, select, textarea, dialog[open]");
    const onDisk = event.target === stage.box || event.target === document.body;
    const action = onDisk ? diskKey(event) : !typing && { "/": openSearch, "?": showHelp, Escape: letGo }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  for (const [id, rows] of [["keys", KEYS], ["pointing", POINTING]]) {
    for (const [key, meaning] of rows) byId(id).append(make("dt", "", key), make("dd", "", meaning));
  }
}

/** @returns {(() => void) | undefined} */
function diskKey(event) {
  const half = [view.width / 2, view.height / 2];
  if (event.shiftKey && event.key.startsWith("Arrow")) return () => walk(event.key);
  return {
    ArrowLeft: () => step(1, 0), ArrowRight: () => step(-1, 0), ArrowUp: () => step(0, -1), ArrowDown: () => step(0, 1),
    "+": () => zoomAt(...half, 1.25), "=": () => zoomAt(...half, 1.25), "-": () => zoomAt(...half, 0.8),
    Home: goHome, 0: goHome, Enter: () => state.selected >= 0 && centreNode(state.selected),
    "/": openSearch, "?": showHelp, Escape: letGo,
  }[event.key];
}

/** One step of the arrow keys: the same way on the screen wherever the disk is. */
function step(x, y) {
  stopMotion();
  moving();
  setMap(compose(translation(0.12 * x, 0.12 * y), state.map));
}

/** Select a relative of the selected node; the root, if there is none. */
function walk(key) {
  const tree = treeOf(state.selected) ?? drawnTree();
  if (!tree) return;
  const now = state.selected, root = tree.sequence[0], parent = now < 0 ? -1 : tree.parents[now];
  if (now < 0) return select(root);
  const sorted = (node) => [...tree.children(node)].sort((a, b) => model.sizes[b] - model.sizes[a] || a - b);
  const row = parent < 0 ? [now] : sorted(parent), at = row.indexOf(now);
  const next = { ArrowUp: parent, ArrowDown: sorted(now)[0], ArrowLeft: row[at - 1], ArrowRight: row[at + 1] }[key];
  if (next >= 0) select(next);
}

function letGo() {
  stopMotion();
  state.lit.clear();
  select(-1);
  changed("looks");
}

function showHelp() {
  byId("help").showModal();
}
