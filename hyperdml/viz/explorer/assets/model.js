// The data of the page as typed arrays. Nodes are numbered: leaves 0 to N - 1, inner nodes to M - 1, then the proxies.

/**
 * Who is whose parent, in one of the two trees.
 * @typedef {object} Relation
 * @property {Int32Array} parents of every node, -1 for none
 * @property {Int32Array} sequence nodes so that every subtree is one stretch
 * @property {Int32Array} enter where the stretch of a node begins in `sequence`, -1 outside of this tree
 * @property {Int32Array} leave where it ends
 * @property {Int32Array} bySize nodes that have a parent, those of large subtrees first
 */

/** Data of the page as it was written: see `read`. @type {any} */
let model;

/** @param {{dtype: string, data: string}} field little-endian numbers in base64 */
function decode(field) {
  const text = atob(field.data);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const kinds = { f8: Float64Array, f4: Float32Array, i4: Int32Array, u1: Uint8Array };
  if (!(field.dtype in kinds)) throw new Error(`numbers of an unknown kind: ${field.dtype}`);
  return new kinds[field.dtype](bytes.buffer);
}

/** A typed array of `count` entries: `parts` one after another, then `rest`. */
function joined(Kind, count, rest, ...parts) {
  const found = new Kind(count).fill(rest);
  let at = 0;
  for (const part of parts) {
    found.set(part, at);
    at += part.length;
  }
  return found;
}

/** @param {any} data of the format "hyperdml.explorer/1" */
function read(data) {
  if (data.format !== "hyperdml.explorer/1") throw new Error(`data of another format: ${data.format}`);
  const N = data.leaves, tree = data.tree, proxies = data.proxies;
  const part = (from, key) => (from && from[key] ? decode(from[key]) : new Float32Array(0));
  const M = tree ? decode(tree.parents).length : N, P = proxies ? proxies.count : 0, total = M + P;
  const colours = data.colours.map((colour) => ({ ...colour, values: decode(colour.values) }));
  const radii = colours.find((colour) => colour.key === "radius");
  const leafNumbers = Int32Array.from({ length: N }, (_, i) => i);
  const both = (Kind, key, rest, leaves) => {
    const found = joined(Kind, total, rest, tree ? part(tree, key) : leaves);
    if (P) found.set(part(proxies, key), M);
    return found;
  };
  return {
    title: data.title, notes: data.notes, c: data.c, names: data.names, figures: data.figures, method: tree?.method,
    N, M, P, total, colours,
    sizes: both(Int32Array, "sizes", 1, []),
    radius: both(Float32Array, "radius", NaN, radii ? radii.values : []),
    purity: both(Float32Array, "purity", NaN, []),
    medoid: both(Int32Array, "medoid", -1, leafNumbers),
    heights: joined(Float32Array, total, NaN, part(tree, "heights")),
    relations: {
      tree: tree ? relation(joined(Int32Array, total, -1, decode(tree.parents)), both(Int32Array, "sizes", 1, [])) : null,
      proxies: proxies ? relation(proxyParents(proxies, N, M, total), both(Int32Array, "sizes", 1, [])) : null,
    },
    layouts: data.layouts.filter((layout) => layout.frames.length > 0),
    neighbours: { k: data.neighbours.k, index: decode(data.neighbours.index), distance: decode(data.neighbours.distance) },
    labels: data.labels ? decode(data.labels) : null,
    thumbnails: data.thumbnails ? { ...data.thumbnails, cells: decode(data.thumbnails.cells) } : null,
    order: shuffled(N),
  };
}

function proxyParents(proxies, N, M, total) {
  const found = new Int32Array(total).fill(-1);
  decode(proxies.leaf_parents).forEach((p, leaf) => (found[leaf] = p < 0 ? -1 : M + p));
  decode(proxies.parents).forEach((p, proxy) => (found[M + proxy] = p < 0 ? -1 : M + p));
  return found;
}

/** @param {Int32Array} parents @param {Int32Array} sizes @returns {Relation} */
function relation(parents, sizes) {
  const total = parents.length, first = new Int32Array(total + 1), children = new Int32Array(total);
  for (const parent of parents) if (parent >= 0) first[parent + 1]++;
  for (let i = 0; i < total; i++) first[i + 1] += first[i];
  const next = first.slice();
  parents.forEach((parent, node) => parent >= 0 && (children[next[parent]++] = node));
  const enter = new Int32Array(total).fill(-1), leave = new Int32Array(total).fill(-1), sequence = [];
  for (let root = 0; root < total; root++) {
    if (parents[root] >= 0 || first[root] === first[root + 1]) continue;
    const open = [root]; // no recursion: trees may be as deep as they have leaves
    while (open.length) {
      const node = open.pop();
      if (node < 0) {
        leave[~node] = sequence.length;
        continue;
      }
      enter[node] = sequence.push(node) - 1;
      open.push(~node);
      for (let i = first[node + 1] - 1; i >= first[node]; i--) open.push(children[i]);
    }
  }
  const bySize = Int32Array.from(sequence.filter((node) => parents[node] >= 0)).sort((a, b) => sizes[b] - sizes[a] || a - b);
  const below = (node) => children.subarray(first[node], first[node + 1]);
  return { parents, sequence: Int32Array.from(sequence), enter, leave, bySize, children: below };
}

/** 0 to count - 1 in an order that hides no class behind another and whose beginnings are samples. */
function shuffled(count) {
  const found = Int32Array.from({ length: count }, (_, i) => i);
  let seed = 1;
  for (let i = count - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((seed / 4294967296) * (i + 1));
    [found[i], found[j]] = [found[j], found[i]];
  }
  return found;
}

/** Whether `node` lies below `top` or is it. @param {Relation} tree */
function isBelow(tree, node, top) {
  return tree.enter[top] >= 0 && tree.enter[node] >= tree.enter[top] && tree.enter[node] < tree.leave[top];
}

/** Leaves below a node, itself if it is one. @param {Relation | null} tree @returns {number[]} */
function leavesBelow(tree, node) {
  if (node < model.N) return [node];
  if (!tree || tree.enter[node] < 0) return [];
  return [...tree.sequence.subarray(tree.enter[node], tree.leave[node])].filter((found) => found < model.N);
}
