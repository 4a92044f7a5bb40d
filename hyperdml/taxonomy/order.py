"""Heights, and the order of the nodes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperdml.taxonomy.csr import CSR, Ints


def longest_paths(onward: CSR, waiting: Ints) -> Ints:
    """Longest path, in edges, that ends at each node when edges are walked onward.

    Args:
        onward: (N rows) neighbours of every node in the direction of walking.
        waiting: (N,) edges that lead to each node in that direction.

    Returns:
        (N,) int64, -1 for the nodes of cycles and those that are reached from cycles.
    """
    level = np.full(len(waiting), -1, dtype=np.int64)
    waiting = waiting.copy()
    nodes = np.flatnonzero(waiting == 0)
    step = 0
    while len(nodes):
        level[nodes] = step
        reached, times = np.unique(onward.rows(nodes).values, return_counts=True)
        waiting[reached] -= times
        nodes = reached[waiting[reached] == 0]
        step += 1
    return level


def node_heights(parents: CSR) -> Ints:
    """(N,) edges of the longest path from each node down to a leaf, 0 for leaves; -1 on and above cycles."""
    return longest_paths(parents, np.bincount(parents.values, minlength=len(parents.offsets) - 1))


def node_order(names: Sequence[str], parents: CSR, leaves: Ints) -> Ints:
    """Order of the nodes: leaves as given, then inner nodes by height, by their first leaf, by name.

    Every node comes after all its children, every height is a run of nodes, and nothing depends on the order in which
    edges were given.

    Args:
        names: N names, all different.
        parents: (N rows) of an acyclic graph.
        leaves: (C,) all nodes without children.

    Returns:
        (N,) the nodes, in their order.
    """
    height = node_heights(parents)
    first = np.full(len(names), len(leaves), dtype=np.int64)
    first[leaves] = np.arange(len(leaves))
    below, above = parents.row_of_values, parents.values
    edges = np.argsort(height[below], kind="stable")
    # edges of lower children first, one height at a time: a node is complete before it is passed on
    for part in np.split(edges, np.flatnonzero(np.diff(height[below[edges]])) + 1):
        np.minimum.at(first, above[part], first[below[part]])
    by_name = np.empty(len(names), dtype=np.int64)
    by_name[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return np.lexsort((by_name, first, height))
