"""Dendrograms as SciPy's linkage matrices; SciPy itself is not needed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hyperdml.tree.assemble import assemble
from hyperdml.tree.shape import Floats, Shape


def linkage_of(tree: Shape) -> Floats:
    """(N - 1, 4) merges; see `Dendrogram.to_linkage`."""
    first = tree.num_leaves
    counts = tree.children.counts[first:]
    merges = np.maximum(counts - 1, 0)
    ends = np.cumsum(merges)
    # what SciPy calls each node: its last merge, and a node with a single child like that child
    single = np.flatnonzero(counts == 1) + first
    same = np.arange(tree.num_nodes)
    same[single] = tree.children.values[tree.children.offsets[single]]
    while not np.array_equal(further := same[same], same):
        same = further
    called = np.concatenate([np.arange(first), first + ends - 1])[same]
    # each child but the first of its node is one merge, with the first child or with the merge before it
    values, rows = tree.children.values, tree.children.row_of_values
    place = np.arange(len(values)) - tree.children.offsets[rows]
    later = np.flatnonzero(place > 0)
    second = place[later] == 1
    left = first + np.arange(first - 1) - 1
    left[second] = called[values[later[second] - 1]]
    pairs = np.sort(np.stack([left, called[values[later]]], 1), 1)
    sizes = [1] * first
    for one, other in pairs.tolist():
        sizes.append(sizes[one] + sizes[other])
    return np.column_stack([pairs, tree.heights[rows[later]], sizes[first:]]).astype(np.float64)


def shape_of_linkage(linkage: ArrayLike, names: Sequence[str] | None = None) -> Shape:
    """Read a linkage matrix; see `Dendrogram.from_linkage`.

    Raises:
        ValueError: it is not (N - 1, 4), a row joins what is not there (any more), or a height is not a number, below
            0 or below that of a part; the message names the row.
    """
    z = np.asarray(linkage, dtype=np.float64)
    if z.ndim != 2 or z.shape[1] != 4 or len(z) == 0:
        raise ValueError(f"a linkage matrix is (N - 1, 4) with N >= 2, got {z.shape}")
    count = len(z) + 1
    parts = z[:, :2]
    known = (parts >= 0) & (parts < count + np.arange(count - 1)[:, None]) & (parts == np.floor(parts))
    if not known.all():
        row = int(np.argmin(known.all(1)))
        raise ValueError(f"row {row} joins {parts[row].tolist()}, expected two clusters below {count + row}")
    joined = parts.astype(np.int64).ravel()
    _, where, times = np.unique(joined, return_index=True, return_counts=True)
    if (times > 1).any():
        twice = int(joined[where[times > 1][0]])
        rows = (np.flatnonzero(joined == twice) // 2).tolist()
        raise ValueError(f"rows {rows[0]} and {rows[1]} both join cluster {twice}")
    above = np.full(2 * count - 1, -1, dtype=np.int64)
    above[joined] = np.repeat(np.arange(count, 2 * count - 1), 2)
    heights = np.concatenate([np.zeros(count), z[:, 2]])
    labels = [str(node) for node in range(2 * count - 1)]
    if names is not None and len(names) != count:
        raise ValueError(f"names must be one for each of {count} leaves, got {len(names)}")
    called = None if names is None else [*names, *[""] * (count - 1)]
    return assemble(labels, above, heights=heights, names=called)
