"""Dendrogram purity: whether a tree gathers the leaves of a label before it mixes them with others."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.metrics.labels import Labels, integers
from hyperdml.metrics.trees.parent_array import children_first, leaf_counts, node_indices

_BLOCK = 4_000_000  # counts of one block of labels, 32 MB in float64


def dendrogram_purity(parents: Labels, leaf_parents: Labels, labels: Labels) -> float:
    """Expected purity of the lowest common ancestor of two leaves of one label (Heller and Ghahramani, ICML 2005).

    ``DP = mean over pairs of leaves i < j of one label k of n_k(v) / n(v)`` with v the pair's lowest common ancestor,
    n(v) the leaves below v and n_k(v) those of label k. Exact, without visiting pairs: the pairs of label k that have v
    as their ancestor number ``C(n_k(v), 2) - sum_u C(n_k(u), 2)`` over the children u of v. O(M K) time for M nodes and
    K labels.

    Args:
        parents: (M,) integer index of every inner node's parent, -1 for the root, which is a node of its own besides
            these M.
        leaf_parents: (N,) integer index of the node that every leaf hangs from, -1 for the root.
        labels: (N,) integer labels of the leaves.

    Returns:
        A number in (0, 1]; 1 if every label has a subtree of its own.

    Raises:
        ValueError: an index is out of range, the parents form a cycle, the lengths differ, or no two leaves share a
            label.

    Example:
        >>> dendrogram_purity([-1, -1], [0, 0, 1, 1], [7, 7, 7, 8])
        0.8333333333333334
    """
    parent = node_indices(parents, "parents", None)
    home = node_indices(leaf_parents, "leaf_parents", len(parent))
    label = integers(labels, "labels")
    if label.shape != home.shape:
        raise ValueError(f"labels must be one per leaf, ({len(home)},), got {tuple(label.shape)}")
    _, label, sizes = label.unique(return_inverse=True, return_counts=True)
    pairs = float(_pairs(sizes.double()).sum())
    if pairs == 0:
        raise ValueError("dendrogram purity is not defined: no two leaves share a label")
    rounds = children_first(parent)
    everything = leaf_counts(parent, home, rounds, torch.zeros_like(label), 1)[:, 0]
    step = max(1, _BLOCK // (len(parent) + 1))
    total = 0.0
    for first in range(0, len(sizes), step):
        inside = (label >= first) & (label < first + step)
        columns = min(step, len(sizes) - first)
        counts = leaf_counts(parent, home[inside], rounds, label[inside] - first, columns)
        meeting = _pairs(counts)
        meeting.index_add_(0, parent % len(counts), -_pairs(counts[:-1]))  # -1 is the last row, the root
        total += float((meeting * counts / everything.clamp_min(1)[:, None]).sum())
    return total / pairs


def _pairs(counts: Tensor) -> Tensor:
    return counts * (counts - 1) / 2
