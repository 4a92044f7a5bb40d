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
    return leaf_counts(parent, home, children_first(parent), torch.zeros_like(home), 1)[:-1, 0].long()


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
    depth = torch.zeros(len(parent) + 1, dtype=torch.int64)
    for nodes in reversed(children_first(parent)):
        depth[nodes] = depth[parent[nodes]] + 1
    return depth[:-1]


def children_first(parents: Tensor) -> list[Tensor]:
    """Rounds of nodes, together all of them, in which every node comes later than its children.

    Args:
        parents: (M,) int64 indices, -1 for the root.

    Returns:
        Index tensors; as many as the tree is high.

    Raises:
        ValueError: the parents form a cycle.
    """
    waiting = torch.bincount(parents[parents >= 0], minlength=len(parents))
    rounds, done = [], 0
    nodes = (waiting == 0).nonzero().squeeze(1)
    while len(nodes):
        rounds.append(nodes)
        done += len(nodes)
        above, times = parents[nodes].unique(return_counts=True)
        above, times = above[above >= 0], times[above >= 0]
        waiting[above] -= times
        nodes = above[waiting[above] == 0]
    if done < len(parents):
        node = int((waiting > 0).nonzero()[0])
        for _ in range(len(parents)):  # enough steps up from any node that waits to be on the cycle
            node = int(parents[node])
        raise ValueError(f"parents form a cycle: node {node} is its own ancestor")
    return rounds


def leaf_counts(parents: Tensor, homes: Tensor, rounds: list[Tensor], ids: Tensor, columns: int) -> Tensor:
    """(M + 1, columns) leaves of every id below every node, the root last."""
    counts = torch.zeros(len(parents) + 1, columns, dtype=torch.float64)
    row = torch.where(homes < 0, len(parents), homes)
    counts.index_put_((row, ids), torch.ones(len(ids), dtype=torch.float64), accumulate=True)
    upward = torch.where(parents < 0, len(parents), parents)
    for nodes in rounds:
        counts.index_add_(0, upward[nodes], counts[nodes])
    return counts


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
