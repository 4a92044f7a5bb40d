"""Robinson-Foulds distance: the groups of leaves that only one of two trees has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperdml.metrics.trees.leaf_tree import LeafTree, Tree, leaf_tree
from hyperdml.metrics.trees.meetings import neighbour_ancestors, next_above
from hyperdml.taxonomy.csr import Ints


@dataclass(frozen=True)
class RobinsonFoulds:
    """Groups of two rooted trees over the same leaves; a group is the leaves below a node, at least two but not all.

    Attributes:
        shared: groups of both.
        left: groups of the first tree.
        right: groups of the second.
    """

    shared: int
    left: int
    right: int

    @property
    def distance(self) -> float:
        """Normalised distance ``(left + right - 2 shared) / (left + right)``: 0 for equal trees; 0 if none has groups.

        A binary tree has N - 2 groups, so against a coarser one it stays near 1 even if it holds all of its groups.
        """
        total = self.left + self.right
        return (total - 2 * self.shared) / total if total else 0.0

    @property
    def recovered(self) -> float | None:
        """Share of the second tree's groups that the first has, ``shared / right``; None if the second has none."""
        return self.shared / self.right if self.right else None


def robinson_foulds(left: Tree, right: Tree, leaves: int) -> RobinsonFoulds:
    """Compare the groups of two rooted trees, of any number of children (Robinson and Foulds, 1981; Day, 1985).

    A group of the second tree is one of the first if its places in the first tree's depth-first order have no gap and
    are those below the common ancestor of the first and the last of them. Exact, O(N log N).

    Args:
        left: (M,) parents, leaves first; see `leaf_tree`.
        right: the same of the other tree.
        leaves: N, of both.

    Raises:
        ValueError: see `leaf_tree`.

    Example:
        >>> robinson_foulds([4, 4, 5, 5, 6, 6, -1], [4, 4, 4, 5, 5, -1], 4)
        RobinsonFoulds(shared=0, left=2, right=1)
    """
    one, other = leaf_tree(left, leaves), leaf_tree(right, leaves)
    mine, theirs = _groups(one), _groups(other)
    places = one.rank[other.order]
    first = _least(places, other.start[theirs], other.sizes[theirs])
    last = leaves - 1 - _least(leaves - 1 - places, other.start[theirs], other.sizes[theirs])
    above = one.lca(one.order[first], one.order[last])
    same = (last - first + 1 == other.sizes[theirs]) & (one.sizes[above] == other.sizes[theirs])
    return RobinsonFoulds(int(same.sum()), len(mine), len(theirs))


def induced(tree: LeafTree, members: Ints) -> LeafTree:
    """The tree of some leaves: their common ancestors alone, leaf i of it being `members[i]`.

    Args:
        tree: the tree.
        members: (C,) different leaves.
    """
    order = np.argsort(tree.rank[members])
    gap = neighbour_ancestors(tree, members[order], np.zeros(len(members), dtype=np.int64))
    nodes = np.unique(gap[1:-1])
    place = tree.rank[members[order]]
    first = np.r_[np.arange(len(members)), np.searchsorted(place, tree.start[nodes])]
    last = np.r_[np.arange(len(members)) + 1, np.searchsorted(place, tree.start[nodes] + tree.sizes[nodes])]
    above = next_above(tree, gap, first, last)
    parent = np.where(above < 0, -1, len(members) + np.searchsorted(nodes, above))
    parent[order] = parent[: len(members)].copy()
    return leaf_tree(parent, len(members))


def _groups(tree: LeafTree) -> Ints:
    """Nodes of at least two leaves but not all, one for every group (of nodes with the same leaves the topmost)."""
    inner = np.arange(tree.leaves, len(tree.parent) - 1)
    size = tree.sizes[inner]
    return inner[(size > 1) & (size < tree.sizes[tree.parent[inner]])]


def _least(values: Ints, start: Ints, width: Ints) -> Ints:
    """(m,) least of each run of values, from minima over runs of powers of two."""
    level = np.frexp(width)[1] - 1
    out = np.empty_like(start)
    table = values
    for size in range(int(level.max(initial=-1)) + 1):
        at = np.flatnonzero(level == size)
        out[at] = np.minimum(table[start[at]], table[start[at] + width[at] - (1 << size)])
        table = np.minimum(table[: -(1 << size)], table[1 << size :])
    return out
