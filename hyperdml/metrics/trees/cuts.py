"""Cuts: the tree opened from the top into as many parts as there are labels, and compared with them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from hyperdml.metrics.labels import Labels, integers
from hyperdml.metrics.partition import normalized_mutual_information
from hyperdml.metrics.trees.leaf_tree import Tree, leaf_tree
from hyperdml.taxonomy.csr import CSR, Ints


@dataclass(frozen=True)
class CutScores:
    """How far the parts of a cut and the labels tell the same.

    Attributes:
        parts: number of parts; fewer than labels where the tree has no such cut.
        nmi: normalised mutual information (arithmetic mean of the entropies), in [0, 1]; it grows with the number of
            parts even where they mean nothing.
        ari: adjusted Rand index (Hubert and Arabie, 1985), at most 1; 0 is what random parts of these sizes give.
    """

    parts: int
    nmi: float
    ari: float


def cut_labels(parents: Tree, heights: ArrayLike, leaves: int, parts: int) -> Ints:
    """Parts that remain when the highest nodes are taken away, one after the other, the last of equal ones first.

    A node is taken away only after its parent, so heights may rise on the way down. A node with several children leaves
    as many parts at once: where the next one would leave too many, there are fewer than asked for.

    Args:
        parents: (M,) parents, leaves first; see `leaf_tree`.
        heights: (M,) height of every node; those of leaves are not read.
        leaves: N.
        parts: parts at most, 1 to N.

    Returns:
        (N,) int64 parts, numbered by their first leaf from 0.

    Raises:
        ValueError: see `leaf_tree`; heights are not one finite number per node or the root has none; or parts is not 1
            to N.

    Example:
        >>> cut_labels([4, 4, 5, 5, 6, 6, -1], [0, 0, 0, 0, 1, 2, 3], 4, 3).tolist()
        [0, 0, 1, 2]
    """
    if not 1 <= parts <= leaves:
        raise ValueError(f"a tree of {leaves} leaves can be cut into 1 to {leaves} parts, got {parts}")
    tree = leaf_tree(parents, leaves)
    high = tree.values(heights, "heights")
    children = CSR.from_pairs(tree.parent[:-1], np.arange(len(tree.parent) - 1), len(tree.parent))
    counts, root = children.counts, len(high) - 1
    waiting, whole = [(-high[root], -tree.given[root], root)], 1
    out = np.arange(leaves)
    while waiting and whole - 1 + counts[waiting[0][2]] <= parts:
        node = heapq.heappop(waiting)[2]
        whole += int(counts[node]) - 1
        for child in children.row(node).tolist():
            if child >= leaves:
                heapq.heappush(waiting, (-high[child], -tree.given[child], child))
    for _, _, node in waiting:
        below = tree.order[tree.start[node] : tree.start[node] + tree.sizes[node]]
        out[below] = below.min()
    return np.unique(out, return_inverse=True)[1]


def cut_scores(parents: Tree, heights: ArrayLike, labels: Labels) -> CutScores:
    """Compare labels with the cut into as many parts as there are labels; see `cut_labels`.

    Args:
        parents: (M,) parents, leaves first; see `leaf_tree`.
        heights: (M,) height of every node; those of leaves are not read.
        labels: (N,) integer labels of the leaves.

    Raises:
        ValueError: see `cut_labels`; or labels are not integers.
    """
    truth = integers(labels, "labels").numpy()
    return agreement(cut_labels(parents, heights, len(truth), max(1, len(np.unique(truth)))), truth)


def agreement(parts: Ints, labels: Ints) -> CutScores:
    """`cut_scores` of the (N,) parts that `cut_labels` gave."""
    from sklearn.metrics import adjusted_rand_score

    nmi = normalized_mutual_information(torch.from_numpy(parts), torch.from_numpy(labels))
    return CutScores(int(parts.max()) + 1, nmi, float(adjusted_rand_score(labels, parts)))
