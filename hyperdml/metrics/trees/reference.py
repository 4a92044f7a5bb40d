"""The tree that a tree is compared with: the items below their classes, the classes below a taxonomy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hyperdml.metrics.labels import Labels, integers
from hyperdml.metrics.trees.leaf_tree import LeafTree
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints


def reference_parents(labels: Labels, taxonomy: Taxonomy | None = None) -> Ints:
    """Parent array with the N items as leaves, each below its class.

    Args:
        labels: (N,) integer label of every item; with a taxonomy one of its C leaves.
        taxonomy: tree or forest of classes; None for classes side by side below the root.

    Returns:
        (N + nodes,) int64 parents, -1 at the roots; item i is node i. With a taxonomy its node v is node N + v.

    Raises:
        ValueError: labels are not integers or not one row, there are none, one is not a leaf of the taxonomy, or a node
            of the taxonomy has several parents.

    Example:
        >>> reference_parents([7, 7, 9]).tolist()
        [3, 3, 4, -1, -1]
    """
    found = integers(labels, "labels").numpy()
    if found.ndim != 1 or not len(found):
        raise ValueError(f"labels must be one integer per leaf of the tree, (N,), got shape {found.shape}")
    if taxonomy is None:
        names, place = np.unique(found, return_inverse=True)
        return np.r_[place + len(found), np.full(len(names), -1)]
    wrong = np.flatnonzero((found < 0) | (found >= taxonomy.num_leaves))
    if len(wrong):
        raise ValueError(
            f"labels[{wrong[0]}] is {found[wrong[0]]}, but the taxonomy has leaves 0 to {taxonomy.num_leaves - 1}"
        )
    above = taxonomy.parent
    return np.r_[found + len(found), np.where(above < 0, -1, above + len(found))]


def groups_by_depth(tree: LeafTree) -> Iterator[Ints]:
    """The groups that the inner nodes make of the leaves, for every depth (N,) int64 the node above each leaf or -1.

    Left out are groups of a single leaf and of all leaves, and nodes with one child (whose group is the child's).
    """
    nodes = np.arange(len(tree.parent))
    kept = (tree.sizes > 1) & (tree.sizes < tree.leaves)
    several = np.zeros(len(nodes), dtype=bool)
    several[tree.parent[:-1][tree.sizes[:-1] < tree.sizes[tree.parent[:-1]]]] = True
    nodes = nodes[kept & several]
    for depth in np.unique(tree.depths[nodes]):
        here = nodes[tree.depths[nodes] == depth]
        sizes = tree.sizes[here]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        ids = np.full(tree.leaves, -1, dtype=np.int64)
        ids[tree.order[np.repeat(tree.start[here], sizes) + offsets]] = np.repeat(here, sizes)
        yield ids
