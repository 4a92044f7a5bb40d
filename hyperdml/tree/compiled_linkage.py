"""Agglomeration on a condensed matrix, compiled by numba; imported only where it is used."""

from __future__ import annotations

import numpy as np

from hyperdml.metrics.ranks.compiled_count import compiled


@compiled
def _at(row, column, n):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Place of a pair in the upper triangle, row by row."""
    low, high = min(row, column), max(row, column)
    return low * (2 * n - low - 1) // 2 + high - low - 1


@compiled
def merge_all(distances, sizes, single, first, second, heights):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Merge until one cluster is left, by chains of nearest neighbours.

    Both rules are reducible: merging two clusters brings neither nearer to a third. A mean is kept from falling below
    the smaller of its two distances, which only rounding can do, so that no chain ever closes on itself.

    Args:
        distances: (n (n - 1) / 2,) float64, overwritten.
        sizes: (n,) float64 weights of the items, overwritten.
        single: the distance of clusters is that of their nearest members, else their mean.
        first: (n - 1,) int64, gets an item of one side of every merge.
        second: (n - 1,) int64, gets an item of the other side.
        heights: (n - 1,) float64, gets the distance of the sides; merges come after those of their parts.
    """
    n = len(sizes)
    chain = np.empty(n, np.int64)
    length = 0
    begin = 0
    for merge in range(n - 1):
        if length == 0:
            while sizes[begin] == 0:
                begin += 1
            chain[0] = begin
            length = 1
        while True:
            x = chain[length - 1]
            best = np.inf
            y = -1
            if length > 1:  # of equal distances the one that the chain came by
                y = chain[length - 2]
                best = distances[_at(x, y, n)]
            place = x - 1
            for other in range(x):
                if sizes[other] > 0 and distances[place] < best:
                    best = distances[place]
                    y = other
                place += n - other - 2
            place = x * (2 * n - x - 1) // 2 - x - 1
            for other in range(x + 1, n):
                if sizes[other] > 0 and distances[place + other] < best:
                    best = distances[place + other]
                    y = other
            if length > 1 and y == chain[length - 2]:
                break
            chain[length] = y
            length += 1
        length -= 2
        first[merge], second[merge], heights[merge] = x, y, best
        total = sizes[x] + sizes[y]
        for other in range(n):
            if sizes[other] > 0 and other != x and other != y:
                near, at = distances[_at(x, other, n)], _at(y, other, n)
                far = distances[at]
                least = min(near, far)
                if single:
                    distances[at] = least
                else:
                    distances[at] = max(least, (sizes[x] * near + sizes[y] * far) / total)
        sizes[x], sizes[y] = 0, total


@compiled
def _root(up, node):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    while up[node] != node:
        up[node] = up[up[node]]
        node = up[node]
    return node


@compiled
def raise_heights(first, second, heights, n):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Raise the height of every merge to those of its parts, in place.

    Args:
        first: (n - 1,) items, as of `merge_all`.
        second: (n - 1,) items.
        heights: (n - 1,) float64.
        n: items.
    """
    up = np.arange(n)
    top = np.zeros(n)
    for merge in range(n - 1):
        one, other = _root(up, first[merge]), _root(up, second[merge])
        heights[merge] = max(heights[merge], top[one], top[other])
        up[one] = other
        top[other] = heights[merge]


@compiled
def number_merges(first, second, order, n):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """(2n - 1,) parents of items and merges; merge i in the given order is node n + i.

    Args:
        first: (n - 1,) items, as of `merge_all`.
        second: (n - 1,) items.
        order: (n - 1,) merges, each after those of its parts.
        n: items.
    """
    up = np.arange(n)
    node = np.arange(n)
    parents = np.full(2 * n - 1, -1, np.int64)
    for number in range(n - 1):
        one, other = _root(up, first[order[number]]), _root(up, second[order[number]])
        parents[node[one]] = n + number
        parents[node[other]] = n + number
        up[one] = other
        node[other] = n + number
    return parents
