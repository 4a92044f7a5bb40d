"""Inverted lists: points by nearest centre, of which a query visits only the nearest.

Lists are made by k-means of the points' flat coordinates (hyperbolic: the tangent space at the origin), and a query
visits those whose centres are nearest to it by the space's own distance. Points are scored by the inner product of the
same lifts as in the exact search. The lifts themselves must not be clustered by inner product: on points of mixed radii
most neighbours are then missed.

A batch is searched list by list, not query by query: all queries that visit a list are multiplied with it at once, so
that each list is read from memory once a batch. A batch of thousands is therefore much faster than single queries.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hyperdml.neighbors.best import BestFound
from hyperdml.neighbors.kmeans import kmeans, nearest_centre
from hyperdml.neighbors.pool import float64_pool
from hyperdml.neighbors.spaces import Space
from hyperdml.seeds import derive_seed

_TRAINED_ON, _ROUNDS = 64, 6  # points a list, and rounds, of k-means
_TRIAL, _NEAREST, _SHARE = 400, 10, 0.995
_FIRST = 2  # lists that set a query's floor before it visits the others
_QUERIES, _POOLED = 16_384, 8_000_000  # queries searched together, and candidates of all of them
_BLOCK = 4_000_000  # scores of a block, 16 MB
_ROWS = 8_192  # points mapped or lifted at once
_Pairs = tuple[Tensor, Tensor]


class Lists:
    """Points in lists, on the device of the points.

    Args:
        space: the distance.
        points: (N, d).
        count: lists, below N.
        probes: lists that a query visits; None finds out how many it takes, see `IVF`.
        seed: of k-means and trial.

    Attributes:
        centres: (count, d) float64 points.
        probes: lists that a query visits.
    """

    def __init__(self, space: Space, points: Tensor, count: int, probes: int | None, seed: int) -> None:
        self.space, self.points = space, points
        generator = torch.Generator().manual_seed(derive_seed(seed, "inverted lists"))
        # the first are for k-means, the last for the trial: in large sets no centre was drawn to a query of the trial
        order = torch.randperm(len(points), generator=generator).to(points.device)
        self._flat = kmeans(self._flattened(points[order[: _TRAINED_ON * count]]), count, _ROUNDS, generator)
        self.centres = space.point(self._flat.double())
        self._heads = space.lift_reference(self.centres).float()
        self._owner = self._owners(points)
        self._sort()
        self.probes = min(count, probes or self._probes_needed(order[-_TRIAL:]))

    def extend(self, points: Tensor, start: int) -> None:
        """Put the points from row `start` on into the lists."""
        self.points, self._sorted = points, False
        self._owner = torch.cat([self._owner, self._owners(points[start:])])

    def search(self, query: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """The best of the visited lists.

        Args:
            query: (N, d) points, on any device.
            size: candidates per query.

        Returns:
            (N, size) rows of the points, and (N,) whether there were as many; both on the query's device.
        """
        if not self._sorted:
            self._sort()
        step = max(1, min(_QUERIES, _POOLED // size))
        places = torch.cat([self._search(part.to(self.points.device), size) for part in query.split(step)])
        enough = places[:, -1] >= 0
        return self._rows[places.clamp_min(0)].to(query.device), enough.to(query.device)

    def _search(self, query: Tensor, size: int) -> Tensor:
        """Places in `_lifts`, -1 where there are no more."""
        lifted = self.space.lift_query(query.double()).float()
        best = BestFound(len(query), size, lifted.device)
        for pairs, beats_floor in zip(self._visits(lifted), (False, True), strict=True):
            who, where = pairs
            visited, queries = where.unique_consecutive(return_counts=True)
            for number, queue in zip(visited.tolist(), who.split(queries.tolist()), strict=True):
                low, high = self._ends[number : number + 2]
                if low < high:
                    for rows in queue.split(max(1, _BLOCK // (high - low))):
                        best.offer(rows, lifted[rows] @ self._lifts[low:high].T, low, beats_floor)
            best.settle()
        return best.places

    def _visits(self, lifted: Tensor) -> tuple[_Pairs, _Pairs]:
        """Pairs (queries, lists) in the order of the lists: the first visits of each query, and the later ones."""
        first: list[Tensor] = []
        later: list[Tensor] = []
        step = max(1, _BLOCK // len(self._heads))
        for start in range(0, max(1, len(lifted)), step):  # once if there are no queries
            scores = lifted[start : start + step] @ self._heads.T
            nearest = torch.zeros_like(scores, dtype=torch.bool)
            nearest.scatter_(1, scores.topk(min(_FIRST, self.probes), dim=1).indices, True)
            others = (scores >= _kth_largest(scores, self.probes)[:, None]) & ~nearest
            for pairs, mask in ((first, nearest), (later, others)):
                pairs.append(mask.nonzero() + torch.tensor([start, 0], device=mask.device))
        return _by_list(first), _by_list(later)

    def _flattened(self, points: Tensor) -> Tensor:
        return torch.cat([self.space.flat(rows.double()).float() for rows in points.split(_ROWS)])

    def _owners(self, points: Tensor) -> Tensor:
        """(N,) list of each point."""
        return nearest_centre(self._flattened(points), self._flat)

    def _probes_needed(self, trial: Tensor) -> int:
        """Lists that hold `_SHARE` of the nearest neighbours of some of the points."""
        query = self.points[trial]
        near, _ = float64_pool(self.space, query, self.points, min(_NEAREST + 1, len(self.points)))
        scores = self.space.lift_query(query.double()) @ self.space.lift_reference(self.centres).T
        reached = scores.gather(1, self._owner[near])
        place = torch.searchsorted(scores.sort(dim=1).values, reached, right=True)
        nearer = (len(self.centres) - place)[near != trial[:, None]]
        return 1 + int(nearer.double().quantile(_SHARE).ceil())

    def _sort(self) -> None:
        """Lift the points in the order of the lists."""
        self._rows = self._owner.argsort(stable=True)
        self._ends = [0, *torch.bincount(self._owner, minlength=len(self.centres)).cumsum(0).tolist()]
        blocks = self._rows.split(_ROWS)
        self._lifts = torch.cat([self.space.lift_reference(self.points[rows].double()).float() for rows in blocks])
        self._sorted = True


def _by_list(parts: list[Tensor]) -> _Pairs:
    pairs = torch.cat(parts)
    pairs = pairs[pairs[:, 1].argsort(stable=True)]
    return pairs[:, 0].contiguous(), pairs[:, 1].contiguous()


def _kth_largest(scores: Tensor, k: int) -> Tensor:
    """(N,) k-th largest of each row; NumPy's partition takes a tenth of the time of torch's topk."""
    if scores.device.type != "cpu":
        return scores.topk(k, dim=1).values[:, -1]
    place = scores.shape[1] - k
    return torch.from_numpy(np.partition(scores.numpy(), place, axis=1)[:, place])
