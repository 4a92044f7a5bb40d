// The figures of quality beside what chance gives.

const CHANCE = "not distinguishable from chance";

function showFigures() {
  const box = byId("quality");
  box.hidden = !model.figures?.length;
  if (box.hidden) return;
  box.replaceChildren(make("h2", "", "Is it real?"), make("p", "soft", "Every figure beside the same figure where chance made the tree: mean ± standard deviation, and z, by how many of them it differs."));
  for (const { title, rows } of model.figures) {
    box.append(make("h3", "", title));
    for (const row of rows) box.append(figureBlock(row));
  }
}

/** Within two standard deviations of what chance gives. */
function isChance({ z, verdict }) {
  return typeof z === "number" ? Math.abs(z) < 2 : verdict === CHANCE;
}

function figureBlock({ name, value, better, nulls, controls }) {
  const chance = nulls.some(isChance), box = make("details", chance ? "figure chance" : "figure"), head = make("summary"), table = make("table");
  const goal = make("span", "soft goal", better === "higher" ? "↑" : "↓");
  goal.title = `${better} is better`;
  goal.setAttribute("role", "img");
  goal.setAttribute("aria-label", goal.title);
  head.append(make("span", "words", name), goal, make("span", "number", digits(value ?? NaN)));
  if (chance) head.append(make("span", "verdict", CHANCE));
  box.append(head);
  const line = (kind, ...cells) => {
    const row = make("tr", kind);
    cells.forEach((cell, i) => row.append(make(i ? "td" : "th", "", cell)));
    table.append(row);
  };
  for (const found of nulls) {
    const z = typeof found.z === "number" ? `z = ${Math.abs(found.z) > 99 ? `${found.z < 0 ? "< -" : "> "}99` : found.z.toFixed(1)}` : "no spread";
    line(isChance(found) ? "chance" : "", found.name, `${digits(found.mean ?? NaN)} ± ${digits(found.sd ?? NaN)}`, z, isChance(found) ? CHANCE : found.verdict);
  }
  for (const [control, found] of Object.entries(controls ?? {})) line("", `control: ${control}`, digits(found ?? NaN), "", "");
  if (table.childElementCount) box.append(table);
  return box;
}
