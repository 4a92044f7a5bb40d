"""Triplet accuracy: of three leaves, does the tree join first the two that the reference joins first?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from hyperdml.metrics.bootstrap import Interval, bootstrap_interval
from hyperdml.metrics.trees.lca import uniform
from hyperdml.metrics.trees.leaf_tree import Floats, LeafTree, Tree, leaf_tree
from hyperdml.taxonomy.csr import Ints


@dataclass(frozen=True)
class TripletAccuracy:
    """What `triplet_accuracy` found.

    Attributes:
        interval: the accuracy and its 95% interval.
        triplets: number of triplets drawn.
        unresolved: share of them that the tree joins at one node; each counts one half.
    """

    interval: Interval
    triplets: int
    unresolved: float


def triplet_accuracy(
    parents: Tree,
    reference: Tree,
    leaves: int,
    *,
    triplets: int = 100_000,
    generator: torch.Generator | None = None,
) -> TripletAccuracy:
    """Share of the reference's triplets ij|k that the tree has: 1 for ij|k, 1/2 if it does not say, 0 else.

    A tree says ij|k if lca(i, j) lies strictly below lca(i, k). Triplets are drawn uniformly, with replacement, among
    all that the reference resolves, of which there are some N^3; that adds an error of at most ``0.5 / sqrt(triplets)``
    (one standard deviation), 0.0016 by default. The interval is that of `bootstrap_interval` over whole groups, a
    triplet belonging to the lowest group of its i in the reference, its class: triplets share images, and images of a
    class are alike, so a binomial interval would be too narrow by far. Chance gives 1/3 for binary trees and 1/2 for a
    star.

    Args:
        parents: (M,) parents, leaves first; see `leaf_tree`.
        reference: the same of the tree to find, as `reference_parents` of labels and a taxonomy.
        leaves: N, of both.
        triplets: number of triplets.
        generator: source of the draw; None draws from torch's global one.

    Returns:
        The accuracy; its interval is [0, 1] where one group holds all the i, which says nothing about others.

    Raises:
        ValueError: see `leaf_tree`; triplets below 1, or the reference resolves none.
    """
    tree, truth = leaf_tree(parents, leaves), leaf_tree(reference, leaves)
    drawn = draw_triplets(truth, triplets, generator)
    return accuracy_of(triplet_scores(tree, drawn), truth.parent[drawn[:, 0]])


def accuracy_of(scores: Floats, groups: Ints) -> TripletAccuracy:
    """`triplet_accuracy` from the (T,) `triplet_scores` and the group that each triplet belongs to."""
    mean = float(scores.mean())
    alone = (groups == groups[0]).all()
    interval = Interval(mean, 0.0, 1.0) if alone else bootstrap_interval(torch.from_numpy(scores), groups)
    return TripletAccuracy(interval, len(scores), float((scores == 0.5).mean()))


def draw_triplets(reference: LeafTree, count: int, generator: torch.Generator | None) -> Ints:
    """Random triplets ij|k that a tree resolves, uniform among all of them.

    Args:
        reference: the tree.
        count: triplets to draw, with replacement.
        generator: source of the draw.

    Returns:
        (count, 3) leaves i, j, k.

    Raises:
        ValueError: count below 1, or there is no such triplet.
    """
    if count < 1:
        raise ValueError(f"triplets must be at least 1, got {count}")
    n, sizes, start = reference.leaves, reference.sizes, reference.start
    # i below a node, j below its parent but not below it, k anywhere else
    above = reference.parent[:-1]
    ways = np.cumsum(sizes[:-1] * (sizes[above] - sizes[:-1]) * (n - sizes[above]).astype(np.float64))
    if ways[-1] == 0:
        raise ValueError("triplet accuracy is not defined: the reference joins no two leaves before a third")
    unit = uniform((4, count), generator).numpy()
    node = np.searchsorted(ways, unit[0] * ways[-1], side="right")
    up = above[node]
    i = start[node] + (unit[1] * sizes[node]).astype(np.int64)
    j = start[up] + (unit[2] * (sizes[up] - sizes[node])).astype(np.int64)
    j += np.where(j >= start[node], sizes[node], 0)
    k = (unit[3] * (n - sizes[up])).astype(np.int64)
    k += np.where(k >= start[up], sizes[up], 0)
    return reference.order[np.stack([i, j, k], 1)]


def triplet_scores(tree: LeafTree, triplets: Ints) -> Floats:
    """(T,) 1 where the tree says ij|k of a row i, j, k, 1/2 where it joins the three at one node, 0 else."""
    i, j, k = triplets.T
    right, wrong, other = (tree.depths[tree.lca(*pair)] for pair in ((i, j), (i, k), (j, k)))
    return np.where(right > wrong, 1.0, np.where((right == wrong) & (wrong == other), 0.5, 0.0))
