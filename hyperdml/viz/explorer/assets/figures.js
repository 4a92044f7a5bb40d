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
  const words = make("span", "words", `${name} `);
  words.append(goal);
  head.append(words, make("span", "number", digits(value ?? NaN)));
  if (chance) head.append(make("span", "verdict", CHANCE));
  box.append(head);
  const line = (kind, label, below, ...cells) => {
    const row = make("tr", kind), first = make("th", "", label);
    first.scope = "row";
    if (below) first.append(make("span", "below", below));
    row.append(first, ...cells.map((cell) => make("td", "", cell)));
    table.append(row);
  };
  for (const found of nulls) {
    const chance = isChance(found);
    line(chance ? "chance" : "", found.name, chance ? CHANCE : found.verdict, meanText(found), zText(found.z));
  }
  for (const [control, found] of Object.entries(controls ?? {})) line("", `control: ${control}`, "", digits(found ?? NaN), "");
  if (table.childElementCount) box.append(table);
  return box;
}

/** Mean and standard deviation, the mean to the place of the second digit of the deviation. */
function meanText({ mean, sd }) {
  if (!Number.isFinite(mean) || !Number.isFinite(sd)) return digits(mean ?? NaN);
  const places = sd > 0 ? Math.min(Math.max(1 - Math.floor(Math.log10(sd)), 0), 5) : 4;
  return `${mean.toFixed(places)} ± ${sd.toFixed(places)}`;
}

function zText(z) {
  if (typeof z !== "number") return "no spread";
  return Math.abs(z) > 99 ? `z ${z < 0 ? "< -" : "> "}99` : `z = ${z.toFixed(1)}`;
}
