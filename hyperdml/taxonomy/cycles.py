"""A short cycle of a graph that has one."""

from __future__ import annotations

from collections import deque

import numpy as np

from hyperdml.taxonomy.csr import CSR, Ints
from hyperdml.taxonomy.order import longest_paths

_STARTS = 100


def on_cycles(above: Ints, below: Ints, count: int) -> Ints:
    """Nodes that lie on cycles or on a path from one to another.

    Args:
        above: (E,) parent of every edge.
        below: (E,) child of every edge.
        count: number of nodes.
    """
    up = longest_paths(CSR.from_pairs(below, above, count), np.bincount(above, minlength=count))
    down = longest_paths(CSR.from_pairs(above, below, count), np.bincount(below, minlength=count))
    return np.flatnonzero((up < 0) & (down < 0))


def shortest_cycle(above: Ints, below: Ints, count: int) -> list[int]:
    """The shortest cycle through the first hundred nodes that lie on one; the shortest of all where no more do.

    Args:
        above: (E,) parent of every edge.
        below: (E,) child of every edge.
        count: number of nodes.

    Returns:
        Nodes in the order of the edges, the first again at the end; empty if there is no cycle.
    """
    best: list[int] = []
    for _ in range(_STARTS):
        nodes = on_cycles(above, below, count)
        if not len(nodes):
            break
        inside = np.zeros(count, dtype=bool)
        inside[nodes] = True
        kept = inside[above] & inside[below]
        above, below = above[kept], below[kept]
        start = int(nodes[0])
        best = _cycle_through(start, CSR.from_pairs(above, below, count), len(best) - 2 if best else count) or best
        # all cycles through this node are known now, so the next search may do without it
        others = (above != start) & (below != start)
        above, below = above[others], below[others]
    return best


def _cycle_through(start: int, children: CSR, limit: int) -> list[int]:
    """Shortest cycle through a node with at most `limit` edges, by breadth-first search; empty if there is none."""
    came_from = {start: start}
    queue = deque([(start, 0)])
    while queue:
        node, depth = queue.popleft()
        if depth >= limit:
            return []
        for child in children.row(node).tolist():
            if child == start:
                path = [start, node]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if child not in came_from:
                came_from[child] = node
                queue.append((child, depth + 1))
    return []
