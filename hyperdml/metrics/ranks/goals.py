"""What each query's other items are compared with: its nearest positive, and how sure a product is about it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.ranks.nearest_positive import NONE, Items
from hyperdml.metrics.ranks.symmetric_score import SymmetricScore


@dataclass(frozen=True)
class Goal:
    """What the items are compared with; (N,) each, in the order of the items.

    Attributes:
        distance: float64 distance of the nearest positive.
        index: int64 index of the nearest positive, `NONE` without one.
        score: float64 score of the nearest positive, infinite without one.
        tie: int64; an item at distance 0 is nearer if its index is below this.
        begin: int64, where the item's class begins among the reference items.
        end: int64, where it ends.
    """

    distance: Tensor
    index: Tensor
    score: Tensor
    tie: Tensor
    begin: Tensor
    end: Tensor

    @classmethod
    def of(cls, score: SymmetricScore, query: Items, reference: Items, distance: Tensor, position: Tensor) -> Goal:
        """From what `nearest_positives` returned."""
        there = position >= 0
        index = torch.full_like(position, NONE)
        index[there] = reference.index[position[there]]
        goal = torch.full_like(distance, torch.inf)
        for rows in there.nonzero().squeeze(1).split(1024):
            goal[rows] = score.of_pairs(query.at(rows), reference.at(position[rows]))
        tie = torch.where(there, torch.where(distance > 0, NONE, index), -1)
        begin = torch.searchsorted(reference.label, query.label)
        return cls(distance, index, goal, tie, begin, torch.searchsorted(reference.label, query.label, right=True))


@dataclass(frozen=True)
class Bounds:
    """Thresholds widened by rounding, for products of one type; (N,) each.

    An entry (i, j) with product p and error e = reach_i reach_j is certainly nearer than the goal of i if
    p - e > high_i, and certainly not if p + e < low_i.
    """

    reach: Tensor
    high: Tensor
    low: Tensor

    @classmethod
    def of(cls, score: SymmetricScore, items: Items, goal: Tensor | None, dtype: torch.dtype) -> Bounds:
        """For items with (N,) scores of their goals, or with none (thresholds that nothing reaches)."""
        share, apart = score.tolerance(dtype, items.z.shape[1])
        goal = torch.full_like(items.norm, torch.inf) if goal is None else goal
        width = torch.where(goal.isinf(), 0.0, apart * goal.abs())
        return cls(*((x.to(dtype)) for x in (share**0.5 * items.norm, goal + width, goal - width)))

    def at(self, part: slice) -> Bounds:
        """Of some items."""
        return Bounds(self.reach[part], self.high[part], self.low[part])
