"""Where in a tree the members of groups meet, counted for all pairs without visiting them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperdml.metrics.trees.leaf_tree import Floats, LeafTree
from hyperdml.taxonomy.csr import Ints


@dataclass(frozen=True, eq=False)
class Meetings:
    """Every node that is the lowest common ancestor of two members of a group, by group, then by node.

    Attributes:
        ids: (K,) int64 ids of the groups, ascending.
        members: (K,) int64 leaves of every group.
        group: (m,) int64 place in `ids`.
        node: (m,) int64 node of the tree.
        count: (m,) int64 members of the group below the node, at least 2.
        pairs: (m,) float64 pairs of members whose lowest common ancestor the node is; whole numbers.
    """

    ids: Ints
    members: Ints
    group: Ints
    node: Ints
    count: Ints
    pairs: Floats


def meetings(tree: LeafTree, ids: Ints) -> Meetings:
    """Where the members of every group meet.

    In depth-first order the common ancestors of neighbouring members are all common ancestors that a group has, at most
    one fewer than members, and the next one above each is the deeper of those at its two ends. O(N log N) for N leaves,
    whatever the number of groups and the height of the tree.

    Args:
        tree: the tree.
        ids: (N,) group of every leaf, -1 for none.
    """
    members = np.flatnonzero(ids >= 0)
    names, group = np.unique(ids[members], return_inverse=True)
    order = np.lexsort((tree.rank[members], group))
    members, group = members[order], group[order]
    gap = neighbour_ancestors(tree, members, group)
    n = len(tree.parent)
    inside = np.flatnonzero(gap >= 0)
    keys = np.unique(group[inside] * n + gap[inside])
    which, node = keys // n, keys % n
    places = group * tree.leaves + tree.rank[members]
    first = np.searchsorted(places, which * tree.leaves + tree.start[node])
    last = np.searchsorted(places, which * tree.leaves + tree.start[node] + tree.sizes[node])
    above = next_above(tree, gap, first, last)
    together = (last - first) * (last - first - 1.0) / 2
    inner = above >= 0
    into = np.searchsorted(keys, which[inner] * n + above[inner])
    pairs = together - np.bincount(into, weights=together[inner], minlength=len(keys))
    return Meetings(names, np.bincount(group, minlength=len(names)), which, node, last - first, pairs)


def neighbour_ancestors(tree: LeafTree, members: Ints, group: Ints) -> Ints:
    """(m + 1,) common ancestors of the neighbours among m leaves, -1 at both ends and between groups.

    Args:
        tree: the tree.
        members: (m,) leaves, group by group, in depth-first order.
        group: (m,) their groups.
    """
    out = np.full(len(members) + 1, -1, dtype=np.int64)
    same = np.flatnonzero(group[1:] == group[:-1])
    out[same + 1] = tree.lca(members[same], members[same + 1])
    return out


def next_above(tree: LeafTree, gap: Ints, first: Ints, last: Ints) -> Ints:
    """The lowest common ancestor of members that lies above each run of them, -1 where there is none.

    Args:
        tree: the tree.
        gap: (m + 1,) see `neighbour_ancestors`; `gap[i]` stands before member i.
        first: (r,) first member of every run, all the members below some node.
        last: (r,) one after its last member.
    """
    before, after = gap[first], gap[last]
    depth = np.append(tree.depths, -1)  # the last entry is read where there is no ancestor
    return np.where(depth[before] >= depth[after], before, after)
