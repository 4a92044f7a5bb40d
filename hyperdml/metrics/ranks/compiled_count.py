"""The counting of `hyperdml.metrics.ranks.counting` on a CPU, compiled by numba; imported only where it is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

_RUN = 256  # entries after which undecided ones are looked for


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function compiled by numba when it is first called, kept on disk where there is a place."""
    try:
        return njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba finds no folder that it may write its cache to
        return njit(nogil=True)(function)


@compiled
def _scan(scores, first, last, reach, high, low, reaches, highs, lows, counts):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """A run of one row: its count, what it adds to the columns' counts, and whether any entry is undecided."""
    count = np.int32(0)
    near = np.int32(0)
    # numba counts signed positions from the end where they are negative, which would keep this loop from vectorising
    for b in range(np.uint64(first), np.uint64(last)):
        error = reach * reaches[b]
        lowest, highest = scores[b] - error, scores[b] + error
        row, column = lowest > high, lowest > highs[b]
        count += np.int32(row)
        counts[b] += np.int32(column)
        # written so that NaN is undecided
        near |= np.int32(not (row | (highest < low))) | np.int32(not (column | (highest < lows[b])))
    return count, near


@compiled
def count_block(scores, top, left, row_bounds, row_items, bounds, items, row_counts, counts, pairs):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201
    """Count, in both directions, the entries of a block that are certainly above a threshold.

    Args:
        scores: (B, W) float32, C-contiguous.
        top: position of the first row among the row items.
        left: position of the first column among the column items.
        row_bounds: (3, N) float32: reach, upper and lower threshold of the row items.
        row_items: (5, N) int64: begin and end of the item's class among the columns, spot, index, tie.
        bounds: (3, M) float32 of the column items; infinite thresholds where columns are not to be counted for.
        items: (5, M) int64 of the column items.
        row_counts: (B,) int32, added to.
        counts: (W,) int32, added to.
        pairs: (P, 2) int64, gets the positions (who counts, who is counted or not) of undecided entries.

    Returns:
        Number of undecided entries; where it exceeds P, not all of them are in `pairs`.
    """
    found = 0
    width = scores.shape[1]
    reaches, highs, lows = (
        bounds[0, left : left + width],
        bounds[1, left : left + width],
        bounds[2, left : left + width],
    )
    spots, indices, ties = items[2, left : left + width], items[3, left : left + width], items[4, left : left + width]
    for a in range(scores.shape[0]):
        own, line = top + a, scores[a]
        reach, high, low = row_bounds[0, own], row_bounds[1, own], row_bounds[2, own]
        spot, index, tie = row_items[2, own], row_items[3, own], row_items[4, own]
        begin = min(max(row_items[0, own] - left, 0), width)
        end = max(min(row_items[1, own] - left, width), begin)
        start = 0
        while start < width:
            if begin <= start < end:  # the item's own class is passed over
                start = end
                continue
            stop = min(start + _RUN, begin if start < begin else width)
            count, near = _scan(line, start, stop, reach, high, low, reaches, highs, lows, counts)
            row_counts[a] += count
            if near != 0:
                for b in range(start, stop):
                    error = reach * reaches[b]
                    lowest, highest = line[b] - error, line[b] + error
                    together = spot == spots[b]  # coincident points: the distance is 0
                    if not (lowest > high or highest < low):
                        if together:
                            row_counts[a] += np.int32(indices[b] < tie)
                        else:
                            if found < pairs.shape[0]:
                                pairs[found, 0], pairs[found, 1] = own, left + b
                            found += 1
                    if not (lowest > highs[b] or highest < lows[b]):
                        if together:
                            counts[b] += np.int32(index < ties[b])
                        else:
                            if found < pairs.shape[0]:
                                pairs[found, 0], pairs[found, 1] = left + b, own
                            found += 1
            start = stop
    return found
