"""Dendrogram purity: whether a tree gathers the leaves of a label before it mixes them with others."""

from __future__ import annotations

import math

import numpy as np

from hyperdml.metrics.labels import Labels, integers
from hyperdml.metrics.trees.leaf_tree import LeafTree, leaf_tree
from hyperdml.metrics.trees.meetings import Meetings, meetings
from hyperdml.metrics.trees.parent_array import node_depths, node_indices


def dendrogram_purity(parents: Labels, leaf_parents: Labels, labels: Labels) -> float:
    """Expected purity of the lowest common ancestor of two leaves of one label (Heller and Ghahramani, ICML 2005).

    ``DP = mean over pairs of leaves i < j of one label k of n_k(v) / n(v)`` with v the pair's lowest common ancestor,
    n(v) the leaves below v and n_k(v) those of label k. Exact, without visiting pairs (see `meetings`): O(N log N) for
    N leaves, whatever the number of labels and the height of the tree.

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
    parent = node_indices(parents, "parents", None).numpy()
    home = node_indices(leaf_parents, "leaf_parents", len(parent)).numpy()
    label = integers(labels, "labels").numpy()
    if label.shape != home.shape:
        raise ValueError(f"labels must be one per leaf, ({len(home)},), got {label.shape}")
    node_depths(parents)  # a cycle is named by the caller's numbers
    ids = np.unique(label, return_inverse=True)[1]
    above = np.r_[home, parent]
    if len(np.unique(ids)) == len(ids):
        raise ValueError("dendrogram purity is not defined: no two leaves share a label")
    tree = leaf_tree(np.where(above < 0, -1, above + len(home)), len(home))
    return purity(tree, meetings(tree, ids))


def purity(tree: LeafTree, found: Meetings) -> float:
    """`dendrogram_purity` of the labels whose meetings these are, at least one."""
    # summed without rounding: what shuffled labels give does not vary with the order of the terms
    return math.fsum(found.pairs * found.count / tree.sizes[found.node]) / math.fsum(found.pairs)
