"""Reachability: for every node all that lies onward from it, with the distance."""

from __future__ import annotations

import numpy as np

from hyperdml.taxonomy.csr import CSR, Ints, offsets


def closure(onward: CSR, levels: Ints, counted: np.ndarray) -> tuple[CSR, Ints]:
    """The counted nodes that are reached from each node, itself included, with the edges of the shortest path to each.

    Work and memory are proportional to the number of pairs.

    Args:
        onward: (N rows) parents for what is above every node, children for what is below.
        levels: (N,) numbers that grow along every path walked backward: depths with parents, heights with children.
        counted: (N,) bool, which nodes are to be listed.

    Returns:
        N rows, ascending, and (V,) int64 distances of their values.
    """
    count = len(levels)
    # rounds by level: the rows of all nodes onward are there when a round begins
    order = np.argsort(levels, kind="stable")
    start, length = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    values, steps = np.empty(4 * count, dtype=np.int64), np.empty(4 * count, dtype=np.int64)
    used = 0
    for nodes in np.split(order, np.flatnonzero(np.diff(levels[order])) + 1):
        near = onward.rows(nodes)
        sizes = length[near.values]
        take = _places(start[near.values], sizes)
        own = np.flatnonzero(counted[nodes])
        row, found, away = _once(
            np.concatenate([own, np.repeat(near.row_of_values, sizes)]),
            np.concatenate([nodes[own], values[take]]),
            np.concatenate([np.zeros(len(own), dtype=np.int64), steps[take] + 1]),
        )
        length[nodes] = np.bincount(row, minlength=len(nodes))
        start[nodes] = used + offsets(length[nodes])[:-1]
        end = used + len(found)
        if end > len(values):
            values, steps = (np.concatenate([part, np.empty(end, dtype=np.int64)]) for part in (values, steps))
        values[used:end], steps[used:end] = found, away
        used = end
    take = _places(start, length)
    return CSR(offsets(length), values[take]), steps[take]


def _places(start: Ints, length: Ints) -> Ints:
    """Where the values of rows stand, row after row."""
    ends = offsets(length)
    return np.arange(ends[-1]) + np.repeat(start - ends[:-1], length)


def _once(row: Ints, found: Ints, away: Ints) -> tuple[Ints, Ints, Ints]:
    """Triples by row and node, each node once in a row, with its shortest distance."""
    order = np.lexsort((away, found, row))
    row, found, away = row[order], found[order], away[order]
    first = np.ones(len(row), dtype=bool)
    first[1:] = (row[1:] != row[:-1]) | (found[1:] != found[:-1])
    return row[first], found[first], away[first]
