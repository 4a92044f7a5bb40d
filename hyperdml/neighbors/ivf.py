"""Approximate pools from an inverted file: settings, and when its lists are made."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.neighbors.lists import Lists
from hyperdml.neighbors.spaces import Space

_FEWEST = 20_000  # points below which searching all of them is as fast
_GROWTH = 2
_LARGEST_POOL = 0.1  # of all points


@dataclass(frozen=True)
class IVF:
    """Settings of the approximate search.

    Args:
        lists: number of lists. None: ``4 sqrt(N)``, and below 20,000 points none: they are searched exactly, as is
            every set of no more points than `lists`.
        probes: lists that a query visits. None: as many as hold 99.5 % of the ten nearest neighbours of 400 of the
            points, found exactly when the lists are made. Queries that are distributed otherwise than the points may
            need more.
        seed: of the k-means and of the choice of the 400.

    Raises:
        ValueError: a number is below 1, or there are more probes than lists.
    """

    lists: int | None = None
    probes: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in (("lists", self.lists), ("probes", self.probes)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.lists is not None and self.probes is not None and self.probes > self.lists:
            raise ValueError(f"probes must not exceed lists={self.lists}, got {self.probes}")

    def lists_for(self, points: int) -> int:
        """Lists for a number of points; 0 where all of them are to be searched."""
        if self.lists is not None:
            return self.lists if points > self.lists else 0
        return 0 if points < _FEWEST else round(4 * math.sqrt(points))


class InvertedFile:
    """Pools from the lists near a query; see `hyperdml.neighbors.lists`.

    The lists are made when the first points come, and anew when the set has doubled since; in between, points that
    are added go to the lists that are there.

    Args:
        space: the distance.
        settings: of the lists.

    Attributes:
        lists: of the points so far.
    """

    lists: Lists

    def __init__(self, space: Space, settings: IVF) -> None:
        self.space, self.settings = space, settings
        self._made_of = 0  # points there were when the lists were made

    def extend(self, points: Tensor, start: int) -> None:
        """Index (N, d) points, of which the first `start` are indexed already; enough for lists when they begin."""
        if len(points) < _GROWTH * self._made_of:
            self.lists.extend(points, start)
            return
        count = self.settings.lists_for(len(points))
        self.lists = Lists(self.space, points, count, self.settings.probes, self.settings.seed)
        self._made_of = len(points)

    def search(self, query: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """(N, d) queries to (N, size) candidate rows and the (N,) bounds.

        A bound is minus infinity where the lists gave enough, for there is no saying what the other lists hold; and
        infinity for queries that are to be searched exactly: those whose lists hold fewer than `size` points, and all
        of them where `size` is a tenth of the points or more.
        """
        if size > _LARGEST_POOL * len(self.lists.points):
            rows = torch.zeros(len(query), size, dtype=torch.int64, device=query.device)
            return rows, torch.full((len(query),), torch.inf, dtype=torch.float64, device=query.device)
        rows, enough = self.lists.search(query, size)
        return rows, torch.where(enough, -torch.inf, torch.inf).double()
