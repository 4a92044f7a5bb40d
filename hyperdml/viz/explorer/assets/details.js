// The panel on the selected node: what is known of it, its neighbours, what lies below it.

const SHOWN_LEAVES = 12;

function openDetails() {
  listen("selection", showDetails);
  showDetails();
}

function showDetails() {
  const box = byId("details"), node = state.selected;
  if (node < 0) {
    box.replaceChildren(make("h2", "", "Details"), make("p", "soft", "Click a point or a node: its neighbours, its path to the root and what is known of it appear here."));
    return;
  }
  const head = make("div", "head"), image = imageElement(node, 96), words = make("div"), actions = make("div", "actions");
  words.append(make("h2", "name", nameOf(node)), actions);
  actions.append(button("", "Centre", () => centreNode(node)));
  const parent = treeOf(node)?.parents[node] ?? -1;
  if (parent >= 0) actions.append(button("", "Parent", () => select(parent)));
  actions.append(button("", "Close", letGo));
  head.append(...(image ? [image] : []), words);
  box.replaceChildren(head, factList(factsOf(node)), ...(node < model.N ? neighbourBlock(node) : belowBlock(node)));
  announce(`${nameOf(node)}: ${factsOf(node).map((fact) => fact.join(" ")).join(", ")}`);
}

function neighbourBlock(leaf) {
  const near = neighboursOf(leaf), judged = near.filter(({ same }) => same !== null), list = make("ol", "neighbours");
  if (!near.length) return [];
  const right = judged.filter(({ same }) => same).length, colour = model.colours.find(isCategory);
  const title = make("h3", "", judged.length ? `Nearest neighbours: ${right} of ${judged.length} right` : "Nearest neighbours");
  for (const { node, distance: away, same } of near) {
    const item = make("li", same === null ? "" : same ? "same" : "other"), entry = button("entry", "", () => (select(node), centreNode(node)));
    const image = imageElement(node, 36), words = make("span", "words");
    words.append(make("span", "name", model.names[node]));
    if (colour) words.append(make("span", "soft", categoryName(colour, colour.values[node])));
    const verdict = same === null ? "" : same ? "✓ right" : "✗ wrong";
    entry.append(...(image ? [image] : []), words, make("span", "mark", verdict), make("span", "number", digits(away)));
    item.append(entry);
    list.append(item);
  }
  return [title, list];
}

function belowBlock(node) {
  const tree = treeOf(node), leaves = leavesBelow(tree, node);
  if (!leaves.length) return [];
  const colour = model.colours.find(isCategory), counts = new Map(), found = [];
  if (colour) {
    for (const leaf of leaves) counts.set(colour.values[leaf], (counts.get(colour.values[leaf]) ?? 0) + 1);
    const rows = [...counts].sort((a, b) => b[1] - a[1]), list = make("ul", "bars");
    for (const [id, count] of rows.slice(0, 6)) {
      const item = make("li"), bar = make("span", "bar");
      bar.style.width = `${(100 * count) / rows[0][1]}%`;
      bar.style.background = categoryLook(colour, id).fill;
      item.append(make("span", "words", categoryName(colour, id)), make("span", "number", String(count)), bar);
      list.append(item);
    }
    found.push(make("h3", "", `${colour.name}: ${counted(rows.length, "kind")} below`), list);
    if (rows.length > 6) found.push(make("p", "soft", `and ${rows.length - 6} more`));
  }
  const grid = make("div", "grid");
  for (let i = 0; i < Math.min(SHOWN_LEAVES, leaves.length); i++) {
    const leaf = leaves[Math.floor((i * leaves.length) / Math.min(SHOWN_LEAVES, leaves.length))], image = imageElement(leaf, 56);
    if (!image) continue;
    const entry = button("entry", "", () => (select(leaf), centreNode(leaf)));
    entry.title = model.names[leaf];
    entry.setAttribute("aria-label", model.names[leaf]);
    entry.append(image);
    grid.append(entry);
  }
  if (grid.childElementCount) found.push(make("h3", "", "Images below, spread over the subtree"), grid);
  return found;
}
