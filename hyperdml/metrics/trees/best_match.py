"""Best-match F1: for every node of a taxonomy, how well the best subtree holds its items."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hyperdml.metrics.trees.leaf_tree import Floats, LeafTree, Tree, leaf_tree
from hyperdml.metrics.trees.meetings import meetings
from hyperdml.metrics.trees.reference import groups_by_depth
from hyperdml.taxonomy.csr import Ints


@dataclass(frozen=True, eq=False)
class BestMatch:
    """What `best_match_f1` found, node by node of the reference.

    Attributes:
        nodes: (G,) int64 indices in the reference's parent array.
        sizes: (G,) int64 leaves below each of them.
        f1: (G,) float64 best F1.
    """

    nodes: Ints
    sizes: Ints
    f1: Floats

    @property
    def macro(self) -> float:
        """Mean over the nodes."""
        return float(self.f1.mean())

    @property
    def micro(self) -> float:
        """Mean over the nodes, weighted by their leaves."""
        return float(np.average(self.f1, weights=self.sizes))


def best_match_f1(parents: Tree, reference: Tree, leaves: int) -> BestMatch:
    """For every node g of the reference ``max over nodes v of the tree of 2 |L(g) & L(v)| / (|L(g)| + |L(v)|)``.

    L(v) are the leaves below v. Only common ancestors of g's leaves, and these leaves themselves, can be best, since
    every other node holds more strangers and no more of g: O(N log N) for each level of the reference. Nodes of the
    reference with one leaf or all leaves are left out (every tree has them), and so are nodes with a single child.

    Args:
        parents: (M,) parents, leaves first; see `leaf_tree`.
        reference: the same of the tree to find, as `reference_parents` of labels and a taxonomy.
        leaves: N, of both.

    Raises:
        ValueError: see `leaf_tree`; or the reference has no group of leaves to find.

    Example:
        >>> found = best_match_f1([4, 5, 4, 5, 6, 6, -1], [4, 4, 4, 5, 6, 6, -1], 4)
        >>> found.nodes.tolist(), found.f1.round(3).tolist()  # node 4: leaves 0, 1, 2 against 0, 2
        ([4], [0.857])
    """
    tree, truth = leaf_tree(parents, leaves), leaf_tree(reference, leaves)
    groups = list(groups_by_depth(truth))
    if not groups:
        raise ValueError("best-match F1 is not defined: the reference has no group of two or more leaves but not all")
    found = best_matches(tree, groups)
    return replace(found, nodes=truth.given[found.nodes])


def best_matches(tree: LeafTree, groups: list[Ints]) -> BestMatch:
    """`best_match_f1` of groups of at least two leaves each.

    Args:
        tree: the tree.
        groups: one or more (N,) ids of a group for every leaf, -1 for none, no id in two of them.

    Returns:
        The match, `nodes` being the ids.
    """
    parts = []
    for ids in groups:
        found = meetings(tree, ids)
        best = 2 / (found.members + 1)  # of a leaf
        size = found.members[found.group] + tree.sizes[found.node]
        np.maximum.at(best, found.group, 2 * found.count / size)
        parts.append((found.ids, found.members, best))
    return BestMatch(*(np.concatenate(column) for column in zip(*parts, strict=True)))
