"""Trees as parent arrays: M inner nodes with the index of their parent, -1 for the root, a node besides these."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.metrics.labels import Labels, integers

ROOT = -1


def subtree_sizes(parents: Labels, leaf_parents: Labels) -> Tensor:
    """Number of leaves below every inner node.

    Args:
        parents: (M,) as for `hyperdml.metrics.dendrogram_purity`.
        leaf_parents: (N,) as for `hyperdml.metrics.dendrogram_purity`.

    Returns:
        (M,) int64.

    Raises:
        ValueError: an index is out of range, or the parents form a cycle.
    """
    parent = node_indices(parents, "parents", None)
    home = node_indices(leaf_parents, "leaf_parents", len(parent))
    sizes = torch.bincount(torch.where(home < 0, len(parent), home), minlength=len(parent) + 1)
    upward = torch.where(parent < 0, len(parent), parent)
    for nodes in children_first(parent):
        sizes.index_add_(0, upward[nodes], sizes[nodes])
    return sizes[:-1]


def node_depths(parents: Labels) -> Tensor:
    """Edges between every inner node and the root.

    Args:
        parents: (M,) as for `hyperdml.metrics.dendrogram_purity`.

    Returns:
        (M,) int64, 1 for the children of the root.

    Raises:
        ValueError: an index is out of range, or the parents form a cycle.
    """
    parent = node_indices(parents, "parents", None)
    count = len(parent)
    # every node jumps to its ancestor and then twice as far, so that chains take as few rounds as bushes
    up = torch.cat([torch.where(parent < 0, count, parent), torch.tensor([count])])
    depth = (torch.arange(count + 1) < count).long()
    for _ in range(count.bit_length()):
        depth += depth[up]
        up = up[up]
    if (up < count).any():
        node = int((up < count).nonzero()[0])
        for _ in range(count):  # enough steps up from any node that never reaches the root to be on the cycle
            node = int(parent[node])
        raise ValueError(f"parents form a cycle: node {node} is its own ancestor")
    return depth[:-1]


def children_first(parents: Tensor) -> tuple[Tensor, ...]:
    """Rounds of nodes, together all of them, in which every node comes later than its children: the deepest first.

    Args:
        parents: (M,) int64 indices, -1 for the root.

    Returns:
        Index tensors; as many as the tree is high.

    Raises:
        ValueError: an index is out of range, or the parents form a cycle.
    """
    depth = node_depths(parents)
    counts = depth.bincount()[1:].flip(0)
    return depth.argsort(descending=True, stable=True).split(counts.tolist()) if len(depth) else ()


def node_indices(values: Labels, name: str, nodes: int | None) -> Tensor:
    """(n,) int64 indices of nodes, -1 for the root; their own number is the number of nodes if that is None."""
    out = integers(values, name)
    if out.ndim != 1:
        raise ValueError(f"{name} must be a list of indices, got shape {tuple(out.shape)}")
    count = len(out) if nodes is None else nodes
    wrong = (out < -1) | (out >= count)
    if wrong.any():
        place = int(wrong.nonzero()[0])
        raise ValueError(f"{name}[{place}] is {int(out[place])}, but nodes are 0 to {count - 1} and the root is -1")
    return out
