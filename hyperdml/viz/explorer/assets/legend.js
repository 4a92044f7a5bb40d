// What the colours mean, with counts; a click on a category picks it out.

const ENTRIES = 150; // rows of the list; the others are found by the search

function openLegend() {
  listen("looks", showLegend);
  showLegend();
}

/** Categories of a colour with their counts, the commonest first. @returns {Array<{id: number, count: number}>} */
function categoryCounts(colour) {
  const counts = new Map();
  for (const id of colour.values) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].map(([id, count]) => ({ id, count })).sort((a, b) => b.count - a.count || a.id - b.id);
}

/** Pick a category out, or no longer. */
function toggleCategory(id) {
  if (!state.lit.delete(id)) state.lit.add(id);
  changed("looks");
}

function showLegend() {
  const box = byId("legend"), colour = colourNow(), title = make("h2", "", colour ? colour.name : "Colour");
  const kept = box.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  box.replaceChildren(title, ...(colour ? (colour.kind === "category" ? categories(colour) : numbers(colour)) : []));
  if (kept) box.querySelector(`[data-id="${Number(kept)}"]`)?.focus();
}

function categories(colour) {
  const rows = categoryCounts(colour), list = make("ul", "legend");
  const shown = [...rows.filter(({ id }) => state.lit.has(id)), ...rows.filter(({ id }) => !state.lit.has(id))].slice(0, ENTRIES);
  for (const { id, count } of shown) {
    const item = make("li"), entry = button("entry", "", () => toggleCategory(id));
    entry.dataset.id = String(id);
    entry.setAttribute("aria-pressed", String(state.lit.has(id)));
    entry.append(swatch(categoryLook(colour, id)), make("span", "words", categoryName(colour, id)), make("span", "number", count.toLocaleString("en")));
    item.append(entry);
    list.append(item);
  }
  const found = [list];
  if (rows.length > ENTRIES) found.push(make("p", "soft", `and ${counted(rows.length - ENTRIES, "more", "more")}: the search finds them`));
  if (state.lit.size) found.unshift(button("clear", `Show all ${rows.length}`, () => (state.lit.clear(), changed("looks"))));
  return found;
}

/** A mark as it is drawn on the disk. */
function swatch({ fill, shape }) {
  const canvas = make("canvas", "swatch"), image = new ImageData(32, 32);
  canvas.width = canvas.height = 32;
  blit(new Uint32Array(image.data.buffer), 32, 32, 16, 16, shape, 11, pixel(fill), 1);
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/** The scale of a number with its histogram. */
function numbers(colour) {
  const range = domain(colour.values), missing = colour.values.reduce((count, value) => count + (Number.isFinite(value) ? 0 : 1), 0);
  if (!range) return [make("p", "soft", "not known for any image")];
  const found = [], [low, high] = range;
  if (low === high) {
    found.push(make("p", "soft", `${digits(low)} for all images`));
  } else {
    const canvas = make("canvas", "scale"), context = canvas.getContext("2d"), bins = new Array(64).fill(0);
    canvas.width = 256;
    canvas.height = 64;
    for (const value of colour.values) if (Number.isFinite(value)) bins[Math.min(63, Math.floor((64 * (value - low)) / (high - low)))]++;
    const most = Math.max(...bins);
    bins.forEach((count, i) => {
      context.fillStyle = rampColour((i + 0.5) / 64);
      const height = 2 + 44 * Math.sqrt(count / most); // roots, so that rare values are seen
      if (count) context.fillRect(4 * i, 46 - height, 4, height);
      context.fillRect(4 * i, 52, 4, 12);
    });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `histogram from ${digits(low)} to ${digits(high)}`);
    const ends = make("p", "ends");
    ends.append(make("span", "", digits(low)), make("span", "", digits(high)));
    found.push(canvas, ends);
  }
  if (missing) found.push(make("p", "soft", `not known for ${counted(missing, "image")}`));
  return found;
}
