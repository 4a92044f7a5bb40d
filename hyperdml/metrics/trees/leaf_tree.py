"""A tree over the items that are scored: its leaves in depth-first order, and the lowest common ancestors of pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hyperdml.metrics.labels import Labels
from hyperdml.metrics.trees.parent_array import ROOT, node_depths, node_indices
from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.lca import ForestLCA

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LeafTree:
    """N leaves, then the inner nodes that have any, each after its children; the root is last. Made by `leaf_tree`.

    Attributes:
        parent: (n,) int64 parent of every node, -1 for the root.
        leaves: N.
        nodes: M, length of the array that the tree was made from.
        given: (n,) int64 index of every node in that array; -1 for a root that was put above several nodes.
        depths: (n,) int64 edges from the root.
        sizes: (n,) int64 leaves below every node, 1 for a leaf.
        order: (N,) int64 leaves in depth-first order.
        start: (n,) int64; the leaves below node v are `order[start[v] : start[v] + sizes[v]]`.
        lca: takes two (m,) int64 arrays of nodes to their (m,) lowest common ancestors, in O(1) a pair.
    """

    parent: Ints
    leaves: int
    nodes: int
    given: Ints
    depths: Ints
    sizes: Ints
    order: Ints
    start: Ints
    lca: ForestLCA

    @property
    def rank(self) -> Ints:
        """(N,) int64 place of every leaf in `order`."""
        return self.start[: self.leaves]

    @property
    def inner(self) -> slice:
        """The inner nodes."""
        return slice(self.leaves, None)

    def values(self, of_given: ArrayLike, name: str) -> Floats:
        """(n,) float64 numbers of the nodes, from (M,) numbers in the order of the array that the tree was made from.

        Raises:
            ValueError: not one finite number per node, or several nodes have parent -1, so that the root has none.
        """
        found = np.asarray(of_given, dtype=np.float64)
        if found.shape != (self.nodes,):
            raise ValueError(f"{name} must hold one number per node, ({self.nodes},), got {found.shape}")
        if not np.isfinite(found).all():
            row = int(np.flatnonzero(~np.isfinite(found))[0])
            raise ValueError(f"{name}[{row}] is {found[row]}, expected finite numbers")
        if self.given[-1] == ROOT:
            raise ValueError(f"{name} has no entry for the root: several nodes have parent -1, make the root a node")
        return found[self.given]


Tree = LeafTree | Labels


def leaf_tree(parents: Tree, leaves: int) -> LeafTree:
    """A tree from a parent array; one that is a `LeafTree` already is returned as it is.

    Args:
        parents: (M,) integer index of every node's parent, -1 for the root; nodes 0, ..., N - 1 are the leaves. Where
            several nodes have parent -1, they meet in a root above them. Inner nodes without leaves are left out.
        leaves: N.

    Raises:
        ValueError: an index is out of range, a leaf is a parent, the parents form a cycle, there is no leaf, or a
            given `LeafTree` has another number of leaves.
    """
    if isinstance(parents, LeafTree):
        if parents.leaves != leaves:
            raise ValueError(f"the tree has {parents.leaves} leaves, expected {leaves}")
        return parents
    above = node_indices(parents, "parents", None).numpy()
    if not 0 < leaves <= len(above):
        raise ValueError(f"a tree needs 1 or more leaves among its {len(above)} nodes, got {leaves}")
    wrong = np.flatnonzero((above >= 0) & (above < leaves))
    if len(wrong):
        raise ValueError(
            f"parents[{wrong[0]}] is {above[wrong[0]]}, a leaf: nodes 0 to {leaves - 1} are leaves and have no children"
        )
    return _built(above, node_depths(above).numpy(), leaves)


def _built(above: Ints, depths: Ints, leaves: int) -> LeafTree:
    inner = leaves + np.argsort(-depths[leaves:], kind="stable")
    counts = [1] * leaves + [0] * len(inner)
    up = above.tolist()
    for node in [*range(leaves), *inner.tolist()]:
        if up[node] >= 0:
            counts[up[node]] += counts[node]
    sizes = np.array(counts, dtype=np.int64)
    given = np.r_[np.arange(leaves), inner[sizes[inner] > 0]]
    if sizes[given[-1]] < leaves or len(given) == leaves:  # no node has all leaves below it
        given, sizes = np.r_[given, ROOT], np.r_[sizes, leaves]
        depths = np.r_[depths, 0]
    else:
        depths = depths - 1
    place = np.full(len(above) + 1, len(given) - 1, dtype=np.int64)  # the last entry is read where the parent is -1
    place[given] = np.arange(len(given))
    parent = place[above[given]]
    parent[-1] = ROOT
    lca = ForestLCA(parent, depths[given])
    order = np.argsort(lca.position[:leaves])
    start = np.searchsorted(lca.position[order], lca.position)
    return LeafTree(parent, leaves, len(above), given, depths[given], sizes[given], order, start, lca)
