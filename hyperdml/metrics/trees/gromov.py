"""Gromov's delta: how far the distances of points are from those of a tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from hyperdml.geometry import curvature_of, pairwise_distance
from hyperdml.metrics.trees.nulls import permutation

_BLOCK = 2_000_000  # float64 minima at once, 16 MB


@dataclass(frozen=True)
class GromovDelta:
    """What `gromov_delta` found.

    Attributes:
        delta: delta at the base point, in the unit of the distances; 0 for a tree. Whatever the base point, the delta
            of the four-point condition is at most twice this.
        diameter: largest distance.
    """

    delta: float
    diameter: float

    @property
    def relative(self) -> float:
        """``2 delta / diameter`` (Khrulkov et al., CVPR 2020): 0 for a tree, at most 1."""
        return 2 * self.delta / self.diameter if self.diameter > 0 else 0.0


def gromov_delta(distances: Tensor | ArrayLike, base: int = 0) -> GromovDelta:
    """``max over i, j, k of min((i|k), (k|j)) - (i|j)`` with ``(i|j) = (d(i, w) + d(j, w) - d(i, j)) / 2``.

    The four-point condition with one point held at w, as in Fournier, Ismail and Vigneron (2015). O(n^3) time in blocks
    of rows, O(n^2) memory.

    Args:
        distances: (n, n) distances, symmetric with zeros on the diagonal.
        base: the point w.

    Raises:
        ValueError: distances are not square, symmetric, finite and 0 on the diagonal; or base is not a point.

    Example:
        >>> square = [[0.0, 1.0, 2.0, 1.0], [1.0, 0.0, 1.0, 2.0], [2.0, 1.0, 0.0, 1.0], [1.0, 2.0, 1.0, 0.0]]
        >>> gromov_delta(square), gromov_delta(square).relative
        (GromovDelta(delta=1.0, diameter=2.0), 1.0)
    """
    given = distances.detach().cpu() if isinstance(distances, Tensor) else torch.from_numpy(np.asarray(distances))
    d = given.double()
    if d.ndim != 2 or d.shape[0] != d.shape[1] or len(d) == 0:
        raise ValueError(f"distances must be (n, n), got {tuple(d.shape)}")
    if not d.isfinite().all():
        raise ValueError("distances must be finite")
    diameter = float(d.max())
    if float((d - d.T).abs().max()) > 1e-6 * diameter or float(d.diagonal().abs().max()) > 1e-6 * diameter:
        raise ValueError("distances must be symmetric, with zeros on the diagonal")
    if not 0 <= base < len(d):
        raise ValueError(f"base must be a point, 0 to {len(d) - 1}, got {base}")
    product = (d[base][:, None] + d[base][None] - d) / 2
    product = (product + product.T) / 2
    most = torch.zeros((), dtype=torch.float64)
    step = max(1, _BLOCK // len(d) ** 2)
    for first in range(0, len(d), step):
        rows = product[first : first + step]
        # j from the first row of the block: the rest is symmetric
        best = torch.minimum(rows[:, None], product[None, first:]).amax(2)
        most = torch.maximum(most, (best - rows[:, first:]).amax())
    return GromovDelta(float(most), diameter)


@torch.no_grad()
def sampled_gromov_delta(
    points: Tensor, *, c: float, sample: int = 500, tries: int = 4, generator: torch.Generator | None = None
) -> float:
    """Mean relative delta of random subsets of points of the ball, each with a random base point.

    Delta grows a little with the number of points, so values are compared at one sample size only.

    Args:
        points: (N, d) points of the ball.
        c: curvature magnitude.
        sample: points of a subset; all of them if there are fewer.
        tries: subsets.
        generator: source of the draw; None draws from torch's global one.

    Raises:
        ValueError: no points, or sample or tries below 1.
    """
    if points.ndim != 2 or len(points) == 0 or sample < 1 or tries < 1:
        raise ValueError(
            f"expected (N, d) points, sample and tries of at least 1, got {tuple(points.shape)}, {sample} and {tries}"
        )
    c = curvature_of(c)
    x = points.detach().cpu().double()
    found = []
    for _ in range(tries):
        some = x[permutation(len(x), generator)[:sample]]
        distance = pairwise_distance(some, some, c).fill_diagonal_(0)
        found.append(gromov_delta(distance).relative)
    return sum(found) / len(found)
