"""Soft labels of Bertinetto et al., made for the labels of a batch: no matrix over pairs of classes is stored."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hyperdml.hace.fixed import Constants
from hyperdml.hace.padded import PaddedRows
from hyperdml.hace.plan import graph_edges
from hyperdml.hace.rows import Root
from hyperdml.taxonomy import Taxonomy


class SoftLabels(Constants):
    """``softmax_l(-beta d(y, l))`` over the leaves l, d the LCA height over the largest between two leaves.

    Bertinetto et al. (Making Better Mistakes, CVPR 2020); heights as in `Taxonomy.lca_height`. A label at an inner
    node goes to the leaves below it in equal parts, which are at one height with it, and from there outward.

    Args:
        taxonomy: tree, forest or DAG.
        beta: positive; the larger, the nearer to one-hot. The authors use 4 to 30.

    Raises:
        ValueError: beta is not positive and finite.
    """

    child: Tensor
    place: Tensor
    score: Tensor
    part: Tensor
    ancestor: Tensor

    def __init__(self, taxonomy: Taxonomy, beta: float) -> None:
        super().__init__()
        if not (beta > 0 and np.isfinite(beta)):
            raise ValueError(f"beta must be positive and finite, got {beta!r}")
        self.nodes, self.leaves = len(taxonomy), taxonomy.num_leaves
        edges = graph_edges(taxonomy)
        self._levels = edges.levels
        self.keep("child", edges.child)
        self.keep("place", edges.place)
        heights = np.r_[taxonomy.heights, taxonomy.depth + 1]
        self.keep("score", -beta * heights / max(largest_lca_height(taxonomy), 1))
        self.keep("part", 1 / np.maximum(taxonomy.parents.counts, 1)[edges.child])
        self.rows = PaddedRows(taxonomy.ancestor_closure)
        self.keep("ancestor", np.r_[taxonomy.ancestor_closure.values, len(taxonomy)])

    def forward(self, labels: Tensor, dtype: torch.dtype) -> Tensor:
        """Soft labels of a batch.

        Args:
            labels: (B,) nodes.
            dtype: of the result.

        Returns:
            (C, B); columns sum to 1.
        """
        score = self.score.to(dtype)
        # every node takes the best score of the label's ancestors above it: from the virtual root down
        ancestors = self.ancestor[self.rows(labels)]
        best = score.new_full((self.nodes + 1, labels.shape[0]), -torch.inf)
        best[self.nodes] = score[self.nodes]
        best.scatter_(0, ancestors, score[ancestors])
        for start, end, first, last in reversed(self._levels):
            child, place = self.child[first:last], self.place[first:last]
            above = best[start:end].index_select(0, place)
            best.scatter_reduce_(0, child[:, None].expand_as(above), above, "amax")
        return best[: self.leaves].softmax(0)

    def dilute(self, leaf_mass: Tensor, dilution: float, root: Root) -> Tensor:
        """Ancestral smoothing of leaf masses, as `hyperdml.hace.rows.ancestral_rows` does it for one label.

        Args:
            leaf_mass: (C, B).
            dilution: at least 0, below 1.
            root: whether nodes without parents "absorb" what reaches them.

        Returns:
            (N, B).
        """
        mass = leaf_mass.new_zeros(self.nodes + 1, leaf_mass.shape[1])
        mass[: self.leaves] = leaf_mass
        part = (dilution * self.part.to(leaf_mass.dtype))[:, None]
        for start, end, first, last in self._levels:
            child, place = self.child[first:last], self.place[first:last]
            handed = mass.index_select(0, child).mul_(part[first:last])
            mass[start:end] = mass[start:end].index_add(0, place, handed)
        kept = torch.full_like(mass[:, :1], 1 - dilution)
        if root == "absorb":
            kept[self.child[self._levels[-1].first :]] = 1
        return mass[: self.nodes].mul_(kept[: self.nodes])


def largest_lca_height(taxonomy: Taxonomy) -> int:
    """Largest `Taxonomy.lca_height` between two leaves; 0 for one leaf.

    In a forest that of the highest node with two children. In a DAG two leaves below it may meet further down, so that
    leaves are gone through until a pair reaches that height.
    """
    if taxonomy.num_leaves == 1:
        return 0
    branching = taxonomy.children.counts > 1
    bound = int(taxonomy.heights[branching].max(initial=0))
    bound = taxonomy.depth + 1 if len(taxonomy.roots) > 1 else bound
    if taxonomy.is_forest:
        return bound
    best, leaves = 0, np.arange(taxonomy.num_leaves)
    for leaf in range(taxonomy.num_leaves):
        best = max(best, int(taxonomy.lca_height(leaf, leaves).max()))
        if best == bound:
            break
    return best
