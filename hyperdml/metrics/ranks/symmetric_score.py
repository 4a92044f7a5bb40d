"""One symmetric score for three distances, by one matrix product whose block serves its rows and its columns."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperdml.geometry.maps import margin
from hyperdml.neighbors.spaces import Cosine, Hyperbolic, Space

_ROWS = 1024  # points taken to float64 at once


class SymmetricScore:
    """``score(x, y) = -2 a_x a_y |x - y|^2 / scale^2``: the larger, the nearer.

    a = 1 / (1 - c|x|^2) in the Poincaré ball, where ``d = (2 / sqrt(c)) arsinh(sqrt(c a_x a_y) |x - y|)``; a = 1 for
    Euclidean distance, and for cosine after normalisation. Differences do not change when all points are moved, so the
    points are centred first, for which rounding has less to spoil, and divided by their root mean square norm. With
    ``z = (2ax, sqrt(2) a |x|^2, sqrt(2) a)`` the score is the product of one z with the other's ``flipped``.

    Args:
        space: the distance.
        sets: (N, d) points of all sets that will be compared.
    """

    def __init__(self, space: Space, *sets: Tensor) -> None:
        self.space = space
        parts = [part for points in sets for part in points.split(_ROWS)]
        count = sum(len(part) for part in parts)
        self.mean = torch.stack([self.canonical(part).sum(0) for part in parts]).sum(0) / count
        self.scale = 1.0
        square = torch.stack([(self.canonical(part) - self.mean).square().sum() for part in parts]).sum() / count
        self.scale = math.sqrt(float(square)) or 1.0

    def canonical(self, points: Tensor) -> Tensor:
        """The float64 points whose differences count: unit vectors for cosine."""
        return self.space.lift_query(points.double()) if isinstance(self.space, Cosine) else points.double()

    def lift(self, points: Tensor) -> Tensor:
        """(N, d) points to (N, d + 2) float64 vectors z."""
        x, a = (self.canonical(points) - self.mean) / self.scale, self._weight(points)
        return torch.cat([2 * a * x, math.sqrt(2) * a * (x * x).sum(-1, keepdim=True), math.sqrt(2) * a], -1)

    @staticmethod
    def flipped(z: Tensor) -> Tensor:
        """The other side of the product: the last two coordinates exchanged and negated."""
        return torch.cat([z[:, :-2], -z[:, -1:], -z[:, -2:-1]], -1)

    def of_pairs(self, x: Tensor, y: Tensor) -> Tensor:
        """(N,) scores of corresponding points, by direct differences in float64."""
        gap = (self.canonical(x) - self.canonical(y)) / self.scale
        return -2 * (self._weight(x) * self._weight(y)).squeeze(-1) * (gap * gap).sum(-1)

    def tolerance(self, dtype: torch.dtype, width: int) -> tuple[float, float]:
        """How far rounding may move what is compared.

        Args:
            dtype: of the product.
            width: of z.

        Returns:
            (share of |z_x||z_y| by which a product may be off, share of a score within which the computed distances
            need not be ordered as the scores are).

        The product of z stored in its type is off by at most ``(w + 2) u |z||z'| / (1 - w u)`` in any order of
        summation (Higham, Accuracy and Stability of Numerical Algorithms, Sec. 3.1); the rest is room for the few
        operations of the comparison, and in float64 for the lift itself, whose squared norms are sums of d terms. A
        distance is rounded to 2^-53 of at most ``48 / sqrt(c)``, which is 100 units of its score; its sum of d squares
        adds d.
        """
        unit = torch.finfo(dtype).eps / 2
        terms = width + 12 if dtype == torch.float32 else 4 * width + 256
        apart = 1024 + 4 * width
        return terms * unit / (1 - terms * unit), apart * 2.0**-53 + (4 * unit)

    def _weight(self, points: Tensor) -> Tensor:
        x = points.double()
        if not isinstance(self.space, Hyperbolic):
            return torch.ones_like(x[:, :1])
        # as `hyperdml.geometry.distance` has it, to the bit
        lowest = margin(torch.float64) * (2 - margin(torch.float64))
        return 1 / (1 - self.space.c * (x * x).sum(-1, keepdim=True)).clamp_min(lowest)


def coincidences(score: SymmetricScore, points: Tensor) -> Tensor:
    """(N,) int64 numbers that only points with the same coordinates share.

    Rows are sorted by a hash of their bits and compared with the row before. Should two different rows have one hash,
    equal rows may get two numbers, which costs time where they are compared and nothing else.
    """
    generator = torch.Generator().manual_seed(0)
    odd = torch.randint(-(2**62), 2**62, (points.shape[1],), generator=generator).mul_(2).add_(1).to(points.device)
    hashes = []
    for part in points.split(_ROWS):
        bits = (score.canonical(part) + 0.0).view(torch.int64)  # + 0.0: -0.0 equals 0.0
        hashes.append(((bits ^ (bits >> 29)) * odd).sum(1))
    ordered, order = torch.cat(hashes).sort()
    new = torch.ones(len(points), dtype=torch.bool, device=points.device)
    for rows in (ordered[1:] == ordered[:-1]).nonzero().squeeze(1).split(_ROWS):
        here, before = (score.canonical(points[order[rows + shift]]) for shift in (1, 0))
        new[rows + 1] = (here != before).any(1)
    numbers = torch.empty_like(order)
    numbers[order] = new.cumsum(0)
    return numbers
