"""Distances between all leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hyperdml.taxonomy.csr import CSR, Ints
from hyperdml.taxonomy.lca import NONE, ForestLCA

_FAR = np.iinfo(np.int64).max


def forest_distances(lca: ForestLCA, level: Ints, apart: int, leaves: int, path: bool) -> NDArray[np.signedinteger]:
    """(C, C) LCA heights or path lengths in a forest, one running maximum or minimum a row.

    In preorder the lowest common ancestor of two leaves is the highest of those of the neighbours between them.

    Args:
        lca: of the forest.
        level: (N,) heights, or depths if `path`.
        apart: level of the place where trees meet, above all heights or before all depths.
        leaves: number of leaves, the first nodes.
        path: length of the path instead of the height.
    """
    order = np.argsort(lca.position[:leaves])
    meet = lca(order[:-1], order[1:])
    between = np.where(meet == NONE, apart, level[meet])
    own = level[order]
    largest = 2 * (int(level.max()) + 1) if path else apart
    out = np.zeros((leaves, leaves), dtype=np.int16 if largest < 2**15 else np.int32)
    for row in range(leaves - 1):
        if path:
            # the shallowest ancestor met so far ends the way up from both
            values = own[row] + own[row + 1 :] - 2 * np.minimum.accumulate(between[row:])
        else:
            values = np.maximum.accumulate(between[row:])
        out[order[row], order[row + 1 :]] = values
        out[order[row + 1 :], order[row]] = values
    return out


def graph_distances(
    closure: CSR, steps: Ints, heights: Ints, leaves: int, apart: int, path: bool
) -> NDArray[np.signedinteger]:
    """(C, C) LCA heights or shortest paths over a common ancestor, where nodes may have several parents.

    Args:
        closure: (N rows) each node and its ancestors, ascending.
        steps: edges of the shortest path up to each.
        heights: (N,) heights, ascending.
        leaves: number of leaves, the first nodes.
        apart: height of the place where nodes without a common ancestor meet.
        path: length of the path instead of the height.
    """
    ends = closure.offsets[leaves]
    up = CSR(closure.offsets[: leaves + 1].copy(), closure.values[:ends].copy())
    below = up.transposed(len(heights))
    # the distances in the order of the transposed rows
    away = steps[:ends][np.argsort(up.values, kind="stable")]
    to_roots = _to_roots(up, steps[:ends], closure) if path else None
    largest = 2 * (apart + 1) if path else apart
    out = np.zeros((leaves, leaves), dtype=np.int16 if largest < 2**15 else np.int32)
    for leaf in range(leaves):
        row = np.full(leaves, _FAR)
        first = up.offsets[leaf]
        for place in range(up.offsets[leaf + 1] - 1, first - 1, -1):  # highest first, so that the lowest stays
            node = up.values[place]
            span = slice(below.offsets[node], below.offsets[node + 1])
            if path:
                shared = below.values[span]
                row[shared] = np.minimum(row[shared], steps[place] + away[span])
            else:
                row[below.values[span]] = heights[node]
        out[leaf] = np.where(row < _FAR, row, apart if to_roots is None else to_roots[leaf] + to_roots + 2)
    return out


def _to_roots(up: CSR, steps: Ints, closure: CSR) -> Ints:
    """(C,) edges of the shortest path from every leaf to a root."""
    roots = closure.counts == 1
    far = np.where(roots[up.values], steps, _FAR)
    return np.minimum.reduceat(far, up.offsets[:-1])
