"""Lowest common ancestors of many pairs at once."""

from __future__ import annotations

import numpy as np

from hyperdml.taxonomy.csr import CSR, Ints

NONE = -1
_BLOCK = 2_000_000  # ancestors gathered at once


class ForestLCA:
    """Lowest common ancestors in trees and forests: O(N log N) once, O(1) a pair.

    In preorder the lowest common ancestor of u before v is the parent of the shallowest node after u up to v, which a
    table of minima over power-of-two ranges finds (Bender and Farach-Colton, LATIN 2000, in the form without the
    doubled Euler tour).

    Args:
        parent: (N,) parent of every node, -1 for roots, in an order in which every node comes after its children.
        depths: (N,) edges from the root.

    Attributes:
        position: (N,) place of every node in preorder, where children keep their order.
    """

    def __init__(self, parent: Ints, depths: Ints) -> None:
        self.position = preorder(parent)
        nodes = np.argsort(self.position)
        # minima of one number that orders by depth and then tells the parent
        count = len(parent)
        keys = depths[nodes] * (count + 1) + parent[nodes] + 1
        self._table = [keys]
        width = 1
        while 2 * width <= count:
            last = self._table[-1]
            self._table.append(np.minimum(last[:-width], last[width:]))
            width *= 2
        self._count = count

    def __call__(self, a: Ints, b: Ints) -> Ints:
        """(n,) lowest common ancestor of every pair, -1 where there is none."""
        first = np.minimum(self.position[a], self.position[b]) + 1
        last = np.maximum(self.position[a], self.position[b])
        out = np.where(a == b, a, NONE)
        level = np.frexp(np.maximum(last - first + 1, 1))[1] - 1
        for size in np.unique(level[a != b]).tolist():
            at = np.flatnonzero((level == size) & (a != b))
            row = self._table[size]
            best = np.minimum(row[first[at]], row[last[at] + 1 - (1 << size)])
            out[at] = best % (self._count + 1) - 1
        return out


def preorder(parent: Ints) -> Ints:
    """(N,) place of every node when each stands before its descendants, roots and siblings in ascending order."""
    sizes = [1] * len(parent)
    above = parent.tolist()
    for node, up in enumerate(above):
        if up >= 0:
            sizes[up] += sizes[node]
    before = _siblings_before(parent, np.array(sizes, dtype=np.int64)).tolist()
    place = [0] * len(above)
    for node in range(len(above) - 1, -1, -1):  # parents first
        place[node] = before[node] + (place[above[node]] + 1 if above[node] >= 0 else 0)
    return np.array(place, dtype=np.int64)


def _siblings_before(parent: Ints, sizes: Ints) -> Ints:
    """(N,) nodes in the subtrees of the siblings of lower index."""
    order = np.argsort(parent, kind="stable")
    total = np.cumsum(sizes[order]) - sizes[order]
    group = parent[order]
    first = np.maximum.accumulate(np.where(np.r_[True, group[1:] != group[:-1]], np.arange(len(group)), 0))
    out = np.empty_like(sizes)
    out[order] = total - total[first]
    return out


def graph_lca(a: Ints, b: Ints, closure: CSR) -> Ints:
    """Common ancestor of least index of every pair, in graphs where nodes may have several parents.

    With nodes in order of height it is a common ancestor of least height, so that no other common ancestor lies below.

    Args:
        a: (n,) nodes.
        b: (n,) nodes.
        closure: (N rows) each node and its ancestors, ascending.

    Returns:
        (n,) nodes, -1 where there is no common ancestor.
    """
    out = np.full(len(a), NONE, dtype=np.int64)
    weight = np.cumsum(closure.counts[a] + closure.counts[b])
    cuts = np.searchsorted(weight, np.arange(_BLOCK, weight[-1] if len(a) else 0, _BLOCK))
    nodes = len(closure.offsets) - 1
    for part in np.split(np.arange(len(a)), cuts):
        left, right = closure.rows(a[part]), closure.rows(b[part])
        # sorted by pair, then by ancestor
        common = np.intersect1d(
            left.row_of_values * nodes + left.values, right.row_of_values * nodes + right.values, assume_unique=True
        )
        pair, place = np.unique(common // nodes, return_index=True)
        out[part[pair]] = common[place] % nodes
    return out
