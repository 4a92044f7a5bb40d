"""Dasgupta's cost: similar leaves should meet low in a tree, below few others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hyperdml.metrics.labels import Labels, integers
from hyperdml.metrics.trees.leaf_tree import Floats, LeafTree, Tree, leaf_tree
from hyperdml.metrics.trees.meetings import meetings
from hyperdml.taxonomy.csr import Ints

if TYPE_CHECKING:
    from scipy.sparse import sparray


@dataclass(frozen=True)
class DasguptaCost:
    """What `dasgupta_cost` found.

    Attributes:
        cost: ``sum over i < j of s_ij n(lca(i, j))``, n(v) the leaves below v (Dasgupta, STOC 2016).
        revenue: ``sum over i < j of s_ij (N - n(lca(i, j)))`` (Moseley and Wang, NeurIPS 2017).
        score: ``revenue / (N sum over i < j of s_ij)``, so 1 - cost / (N sum s): the share of the leaves that a similar
            pair is set apart from, from 0 (every pair meets at the root) to below 1.
    """

    cost: float
    revenue: float
    score: float


def dasgupta_cost(parents: Tree, similarities: Labels | sparray) -> DasguptaCost:
    """Dasgupta's cost of a tree, and the revenue of Moseley and Wang, for labels or a sparse graph of similarities.

    Args:
        parents: (M,) parents, leaves first; see `leaf_tree`.
        similarities: (N,) integer labels, s_ij = 1 for leaves of one label and 0 for others, in O(N log N) without
            visiting pairs; or an (N, N) SciPy sparse array S, s_ij = (S_ij + S_ji) / 2, in O(1) an entry, as the
            `to_scipy()` of a `NeighborGraph`. Its diagonal does not count.

    Raises:
        ValueError: see `leaf_tree`; similarities of another shape, negative or not finite; or all of them 0.

    Example:
        >>> dasgupta_cost([4, 4, 5, 5, 6, 6, -1], [0, 0, 1, 1])
        DasguptaCost(cost=4.0, revenue=4.0, score=0.5)
    """
    if hasattr(similarities, "tocoo"):
        table = similarities.tocoo()
        if table.ndim != 2 or table.shape[0] != table.shape[1]:
            raise ValueError(f"similarities must be (N, N), got {table.shape}")
        apart = table.row != table.col
        row, column, weight = (part[apart] for part in (table.row, table.col, table.data.astype(np.float64) / 2))
        wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
        if len(wrong):
            at = wrong[0]
            raise ValueError(
                f"similarities[{row[at]}, {column[at]}] is {2 * weight[at]}, expected a finite number of at least 0"
            )
        tree = leaf_tree(parents, table.shape[0])
        node = tree.lca(row.astype(np.int64), column.astype(np.int64))
    else:
        labels = integers(similarities, "similarities").numpy()
        if labels.ndim != 1 or not len(labels):
            raise ValueError(f"similarities must be (N,) labels or an (N, N) sparse array, got shape {labels.shape}")
        tree = leaf_tree(parents, len(labels))
        found = meetings(tree, np.unique(labels, return_inverse=True)[1])
        node, weight = found.node, found.pairs
    if not weight.any():
        raise ValueError("Dasgupta's cost says nothing: no two leaves are similar")
    return cost_of(tree, node, weight)


def cost_of(tree: LeafTree, node: Ints, weight: Floats) -> DasguptaCost:
    """`dasgupta_cost` of similarities that add up to `weight` at each (m,) node, not all of them 0."""
    total = tree.leaves * math.fsum(weight)
    cost = math.fsum(weight * tree.sizes[node])
    return DasguptaCost(cost, total - cost, 1 - cost / total)
