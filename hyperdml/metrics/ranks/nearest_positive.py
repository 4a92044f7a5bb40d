"""The nearest item of a query's own class, exactly: the threshold that all other items are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.ranks.symmetric_score import SymmetricScore

_BLOCK = 500_000  # float64 coordinates whose differences are taken at once: 4 MB, of which a distance makes a few
_ROWS, _COLUMNS = 256, 1024  # of a block of scores within classes
_DENSE = 8  # a block of which more than 1 / _DENSE is undecided is computed again in float64
NONE = torch.iinfo(torch.int64).max  # index where there is no item


@dataclass(frozen=True)
class Items:
    """Points in the order of their labels; equal labels by coincidence, then by index.

    Attributes:
        points: (N, d) as they came.
        index: (N,) int64 rows of `points`, in order; the others follow this order.
        label: (N,) int64.
        spot: (N,) int64, see `coincidences`.
        z: (N, w) float32 lifts.
        norm: (N,) float64 norms of the lifts.
    """

    points: Tensor
    index: Tensor
    label: Tensor
    spot: Tensor
    z: Tensor
    norm: Tensor

    @classmethod
    def of(cls, score: SymmetricScore, points: Tensor, labels: Tensor, spots: Tensor) -> Items:
        """Sort and lift."""
        order = spots.argsort(stable=True)
        order = order[labels[order].argsort(stable=True)]
        z = points.new_empty(len(points), points.shape[1] + 2, dtype=torch.float32)
        norm = torch.empty(len(points), dtype=torch.float64, device=points.device)
        for rows in torch.arange(len(points), device=points.device).split(1024):
            lifted = score.lift(points[order[rows]])
            z[rows], norm[rows] = lifted.float(), torch.linalg.vector_norm(lifted, dim=1)
        return cls(points, order, labels[order], spots[order], z, norm)

    def __len__(self) -> int:
        """Number of items."""
        return len(self.index)

    def at(self, positions: Tensor) -> Tensor:
        """The points at positions of the order."""
        return self.points[self.index[positions]]

    def lifted(self, score: SymmetricScore, positions: Tensor, dtype: torch.dtype) -> Tensor:
        """Lifts at positions of the order."""
        return self.z[positions] if dtype == torch.float32 else score.lift(self.at(positions))


def pair_distances(score: SymmetricScore, query: Items, reference: Items, pairs: Tensor) -> Tensor:
    """(P,) float64 distances, by direct differences, of (P, 2) positions of queries and references."""
    step = max(1, _BLOCK // query.points.shape[1])
    found = [
        score.space.distance(query.at(part[:, 0]).double(), reference.at(part[:, 1]).double())
        for part in pairs.split(step)
    ]
    return torch.cat(found) if found else query.norm.new_empty(0)


def nearest_positives(score: SymmetricScore, query: Items, reference: Items, own: bool) -> tuple[Tensor, Tensor]:
    """The nearest reference item of each query's label, by float64 distance and then by index.

    Of items that coincide and share their label only the two of smallest index are looked at: no other can be the
    nearest, also if one of the two is the query itself. Memory: a few blocks of `_ROWS` x `_COLUMNS`.

    Args:
        score: the distance.
        query: Q items.
        reference: M items.
        own: query i is reference row i, and that row is left out.

    Returns:
        (Q,) float64 distances, infinite without such an item, and (Q,) positions of the items in the reference, -1
        without one; both in the order of `query`.
    """
    spot, label = reference.spot, reference.label
    looked_at = torch.ones(len(reference), dtype=torch.bool, device=label.device)
    looked_at[2:] = (label[2:] != label[:-2]) | (spot[2:] != spot[:-2])
    columns = looked_at.nonzero().squeeze(1)
    begin = torch.searchsorted(label[columns], query.label).tolist()
    end = torch.searchsorted(label[columns], query.label, right=True).tolist()
    distance = torch.full((len(query),), torch.inf, dtype=torch.float64, device=label.device)
    index = torch.full((len(query),), NONE, device=label.device)
    for top in range(0, len(query), _ROWS):
        stop = min(top + _ROWS, len(query))
        rows = torch.arange(top, stop, device=label.device)
        for start in range(begin[top], end[stop - 1], _COLUMNS):
            block = columns[start : min(start + _COLUMNS, end[stop - 1])]
            pairs = _candidates(score, query, reference, rows, block, own)
            found = pair_distances(score, query, reference, pairs)
            _improve(distance[top:stop], index[top:stop], pairs[:, 0] - top, found, reference.index[pairs[:, 1]])
    position = torch.full_like(index, -1)
    place = torch.empty_like(reference.index)
    place[reference.index] = torch.arange(len(reference), device=label.device)
    there = index != NONE
    position[there] = place[index[there]]
    return distance, position


def _candidates(
    score: SymmetricScore, query: Items, reference: Items, rows: Tensor, columns: Tensor, own: bool
) -> Tensor:
    """(P, 2) positions of the pairs in a block that may be a query's nearest."""
    other = query.label[rows, None] != reference.label[columns]
    if own:
        other |= query.index[rows, None] == reference.index[columns]
    pairs = columns.new_empty(0, 2)
    for dtype in (torch.float32, torch.float64):
        left = query.lifted(score, rows, dtype)
        right = reference.lifted(score, columns, dtype)
        share, apart = score.tolerance(dtype, left.shape[1])
        reach, reaches = (share * query.norm[rows]).to(dtype), reference.norm[columns].to(dtype)
        scores = (score.flipped(left) @ right.T).masked_fill_(other, -torch.inf)
        lowest = torch.addr(scores, reach, reaches, alpha=-1).amax(1, keepdim=True)
        # scores are negative: what lies `apart` below the best one may still be as near
        limit = torch.where(lowest.isinf(), torch.inf, lowest - apart * lowest.abs())
        pairs = (scores.addr_(reach, reaches) >= limit).nonzero()
        if len(pairs) * _DENSE <= scores.numel():
            break
    return torch.stack([rows[pairs[:, 0]], columns[pairs[:, 1]]], 1)


def _improve(distance: Tensor, index: Tensor, row: Tensor, found: Tensor, name: Tensor) -> None:
    """Take over, in place, what is nearer than before, or as near with a smaller index."""
    before = distance.clone()
    distance.scatter_reduce_(0, row, found, "amin")
    index[distance < before] = NONE
    best = found == distance[row]
    index.scatter_reduce_(0, row[best], name[best], "amin")
