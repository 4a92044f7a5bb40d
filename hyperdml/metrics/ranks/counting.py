"""How many items are nearer than each query's nearest positive: blocks of one matrix product, compared and counted.

A float32 product says of almost every entry on which side of a threshold it lies, although rounding moves it; the few
entries that it leaves undecided are decided by float64 distances and indices. A block that leaves many undecided is
computed again in float64 first.
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from hyperdml.metrics.ranks.goals import Bounds, Goal
from hyperdml.metrics.ranks.nearest_positive import Items, pair_distances
from hyperdml.metrics.ranks.shared_setting import SharedSetting
from hyperdml.metrics.ranks.symmetric_score import SymmetricScore

_DENSE = 32  # a block of which more than 1 / _DENSE is undecided is computed again in float64
_LARGE = 50_000_000  # entries from which loading numba costs less than it saves
_KERNEL = "hyperdml.metrics.ranks.compiled_count"


class Counter:
    """Counts the reference items that are nearer than each query's nearest positive.

    Memory beyond the items: per thread a block of `rows` x `columns` float32 (4 MB on a CPU), three such with
    torch's operations, undecided pairs up to a quarter of its entries, and some 4 MB of float64 differences.

    Args:
        score: the distance.
        query: Q items.
        reference: M items; the same object as `query` for a set compared with itself, which takes half the products.
        goal: what to compare with.
        engine: "auto" (numba on a CPU where there is enough to do), "numba" or "torch".
        block: (rows, columns) of a block of the product; by default what suits the device.
    """

    def __init__(
        self,
        score: SymmetricScore,
        query: Items,
        reference: Items,
        goal: Goal,
        engine: str = "auto",
        block: tuple[int, int] | None = None,
    ) -> None:
        self.score, self.query, self.reference, self.goal = score, query, reference, goal
        self.both = query is reference
        on_cpu = query.z.device.type == "cpu"
        self.rows, self.columns = block or ((512, 2048) if on_cpu else (4096, 8192))
        self.bounds = Bounds.of(score, query, goal.score, torch.float32)
        self.quiet = Bounds.of(score, reference, None, torch.float32)
        self.counts = torch.zeros(len(query), dtype=torch.int64, device=query.z.device)
        self.lock = threading.Lock()
        entries = len(query) * len(reference) // (1 + self.both)
        self.compiled = _load(engine, entries) if on_cpu else None

    def run(self) -> Tensor:
        """(Q,) counts in the order of `query`."""
        stripes = [slice(i, min(i + self.rows, len(self.query))) for i in range(0, len(self.query), self.rows)]
        if self.compiled is None:
            for rows in stripes:
                self._stripe(rows)
            return self.counts
        # stripes shorten where the set is compared with itself: the long ones come first
        with _ONE_THREAD.held(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
            list(pool.map(self._compiled_stripe(self.compiled), stripes))
        return self.counts

    def _blocks(self, rows: slice) -> Iterator[tuple[slice, bool]]:
        """Columns of the blocks of some rows, and whether they count for their columns too."""
        if self.both:
            yield rows, False
        start = rows.stop if self.both else 0
        for left in range(start, len(self.reference), self.columns):
            yield slice(left, min(left + self.columns, len(self.reference))), self.both

    @torch.no_grad()
    def _stripe(self, rows: slice) -> None:
        flipped = self.score.flipped(self.query.z[rows])
        for columns, both in self._blocks(rows):
            scores = flipped @ self.reference.z[columns].T
            side = (self.bounds if both else self.quiet).at(columns)
            if not self._count(scores, rows, columns, self.bounds.at(rows), side, both, scores.numel() // _DENSE):
                self._again(rows, columns, both)

    def _compiled_stripe(self, count_block: Any) -> Any:
        import numpy as np

        def floats(bounds: Bounds) -> Any:
            return torch.stack([bounds.reach, bounds.high, bounds.low]).numpy()

        def integers(items: Items, goal: Goal | None) -> Any:
            extra = [torch.zeros_like(items.index)] * 3 if goal is None else [goal.begin, goal.end, goal.tie]
            return torch.stack([*extra[:2], items.spot, items.index, extra[2]]).numpy()

        own, quiet = floats(self.bounds), floats(self.quiet)
        own_items = integers(self.query, self.goal)
        items = own_items if self.both else integers(self.reference, None)
        z = self.reference.z.numpy()

        @torch.no_grad()
        def stripe(rows: slice) -> None:
            flipped = self.score.flipped(self.query.z[rows]).numpy()
            height = len(flipped)
            buffer = np.empty(height * max(self.columns, height), np.float32)
            pairs, used = np.empty((2 * (len(buffer) // _DENSE) + 1, 2), np.int64), 0
            for columns, both in self._blocks(rows):
                width = columns.stop - columns.start
                scores = np.matmul(flipped, z[columns].T, out=buffer[: height * width].reshape(height, width))
                per_row, per_column = np.zeros(height, np.int32), np.zeros(width, np.int32)
                side, place = own if both else quiet, (rows.start, columns.start)
                most = scores.size // _DENSE
                if used + most > len(pairs):
                    self._decide(torch.from_numpy(pairs[:used]))
                    used = 0
                room = pairs[used : used + most]
                found = count_block(scores, *place, own, own_items, side, items, per_row, per_column, room)
                if found > most:
                    self._again(rows, columns, both)
                    continue
                used += found
                self._add(rows, torch.from_numpy(per_row))
                if both:
                    self._add(columns, torch.from_numpy(per_column))
            self._decide(torch.from_numpy(pairs[:used]))

        return stripe

    def _again(self, rows: slice, columns: slice, both: bool) -> None:
        """A block in float64."""
        width = columns.stop - columns.start
        step = max(1, self.rows * self.columns // (8 * width))
        every = torch.arange(len(self.reference), device=self.counts.device)[columns]
        right = self.reference.lifted(self.score, every, torch.float64)
        column_goal = self.goal.score if both else None
        side = Bounds.of(self.score, self.reference, column_goal, torch.float64).at(columns)
        whole = Bounds.of(self.score, self.query, self.goal.score, torch.float64)
        for top in range(rows.start, rows.stop, step):
            part = slice(top, min(top + step, rows.stop))
            here = torch.arange(part.start, part.stop, device=self.counts.device)
            scores = self.score.flipped(self.query.lifted(self.score, here, torch.float64)) @ right.T
            self._count(scores, part, columns, whole.at(part), side, both, scores.numel() * 2)

    def _count(
        self, scores: Tensor, rows: slice, columns: slice, bounds: Bounds, side: Bounds, both: bool, most: int
    ) -> bool:
        """Count a block with torch's operations, unless more than `most` of its entries are undecided."""
        begin, end = self.goal.begin[rows], self.goal.end[rows]
        if int(begin[0]) < columns.stop and int(end[-1]) > columns.start:  # labels ascend
            place = torch.arange(columns.start, columns.stop, device=scores.device)
            scores.masked_fill_((place >= begin[:, None]) & (place < end[:, None]), -torch.inf)
        lowest = torch.addr(scores, bounds.reach, side.reach, alpha=-1)
        highest = scores.addr_(bounds.reach, side.reach)
        buffer = torch.empty_like(scores)  # 0 and 1 as floats: sums of booleans are slow on CPUs
        views = [(bounds, lowest, highest, rows, columns, 1)]
        if both:
            views.append((side, lowest.T, highest.T, columns, rows, 0))
        counted, masks = [], []
        for limit, low, high, who, whom, axis in views:
            sums = buffer if axis else buffer.T
            nearer = torch.gt(low, limit.high[:, None], out=sums).sum(1).long()
            left = low.shape[1] - nearer - torch.lt(high, limit.low[:, None], out=sums).sum(1).long()
            few = left.nonzero().squeeze(1)
            # written so that NaN is undecided
            near = ~((low[few] > limit.high[few, None]) | (high[few] < limit.low[few, None]))
            if len(few):
                items, others = (self.query, self.reference) if axis else (self.reference, self.query)
                together = near & (items.spot[who][few, None] == others.spot[whom])
                first = others.index[whom] < self.goal.tie[who][few, None]
                nearer[few] += (together & first).sum(1)  # coincident points: the distance is 0
                near &= ~together
            counted.append(nearer)
            masks.append((few, near))
        if sum(int(near.sum()) for _, near in masks) > most:
            return False
        for (_, _, _, who, whom, _), count, (few, near) in zip(views, counted, masks, strict=True):
            self._add(who, count)
            row, column = near.nonzero().unbind(1)
            self._decide(torch.stack([few[row] + who.start, column + whom.start], 1))
        return True

    def _decide(self, pairs: Tensor) -> None:
        """Count, of undecided (P, 2) pairs of a query and a reference item, those that are nearer."""
        if len(pairs) == 0:
            return
        row = pairs[:, 0]
        distance, goal = pair_distances(self.score, self.query, self.reference, pairs), self.goal.distance[row]
        nearer = (distance < goal) | ((distance == goal) & (self.reference.index[pairs[:, 1]] < self.goal.index[row]))
        with self.lock:
            self.counts.index_add_(0, row, nearer.long())

    def _add(self, items: slice, counts: Tensor) -> None:
        with self.lock:
            self.counts[items] += counts


def _load(engine: str, entries: int) -> Any:
    """The compiled kernel, or None where torch's operations are to be used."""
    if engine == "torch" or (engine == "auto" and entries < _LARGE and _KERNEL not in sys.modules):
        return None
    try:
        return importlib.import_module(_KERNEL).count_block
    except ImportError:
        if engine == "numba":
            raise
        return None


def _single_threaded_blas() -> Callable[[], None]:
    limits = importlib.import_module("threadpoolctl").threadpool_limits(1, "blas")
    return limits.restore_original_limits


_ONE_THREAD = SharedSetting(_single_threaded_blas)  # every stripe multiplies on its own thread
