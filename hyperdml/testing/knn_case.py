"""What the laws of a nearest-neighbour search look at: the function, and sets of points that tell metrics apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hyperdml.testing.points import SCALE_C, at_norm, directions, spread_points, true_distance

KNN = Callable[[Tensor, int, Tensor, bool], tuple[Tensor, Tensor]]
Metric = Literal["hyperbolic", "cosine", "euclidean"]

METRICS: tuple[Metric, ...] = ("hyperbolic", "cosine", "euclidean")
TELLING = 0.02
"""Least share of queries whose neighbours another metric orders otherwise, without which a check could not fail."""


@dataclass(frozen=True)
class KNNCase:
    """A search and the points on which it is tried, all float32 values.

    Attributes:
        knn: the search.
        metric: the metric that it claims.
        c: curvature magnitude of the ball in which all points lie.
        k: neighbours asked for.
        device: device of the points.
        spread: (N, d) points of mixed radii.
        doubled: (M, d) every point three times, one copy of the set after another.
        dense: (L, d) clusters of 3 k points within a few thousandths, which float32 products cannot order.
    """

    knn: KNN
    metric: Metric
    c: float
    k: int
    device: torch.device
    spread: Tensor
    doubled: Tensor
    dense: Tensor

    def truth(self, query: Tensor, reference: Tensor, without_self: bool, metric: Metric | None = None) -> Tensor:
        """(N, M) float64 distances, infinite between query i and reference row i if it is to be left out."""
        d = true_distance(query, reference, metric or self.metric, self.c)
        if without_self:
            d.fill_diagonal_(torch.inf)
        return d

    def search(self, query: Tensor, reference: Tensor, without_self: bool, k: int) -> tuple[Tensor, Tensor]:
        """What the search finds, on the CPU."""
        query, reference = (x.to(self.device, copy=True) for x in (query, reference))
        distances, indices = self.knn(query, k, reference, without_self)
        return torch.as_tensor(distances).cpu(), torch.as_tensor(indices).cpu()


def knn_case(
    knn: KNN,
    metric: Metric,
    c: float | None,
    k: int,
    points: Tensor | None,
    dim: int,
    device: torch.device,
    generator: torch.Generator,
) -> KNNCase:
    """The case of given points, or of made-up ones.

    Raises:
        ValueError: an argument is out of range, or other metrics have the same neighbours on the points.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(map(repr, METRICS))}, got {metric!r}")
    if metric == "hyperbolic" and c is None:
        raise ValueError("metric='hyperbolic' needs the curvature magnitude c of the points' ball, got c=None")
    c = SCALE_C if c is None else c
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if points is None:
        points = spread_points(12 * k + 120, dim, c, generator)
    if points.ndim != 2 or len(points) < 3 * k or not points.isfinite().all():
        raise ValueError(f"points must be (N, d), finite, N at least 3 k = {3 * k}, got shape {tuple(points.shape)}")
    points = points.detach().cpu().float()
    if not points.norm(dim=1).max() < c**-0.5:
        raise ValueError(f"points must lie in the ball of radius {c**-0.5:.4g} (c={c:g})")
    centres = at_norm(directions(4, points.shape[1], generator), 1.6, c).repeat_interleave(3 * k, 0)
    dense = centres + 1e-3 * c**-0.5 * directions(len(centres), points.shape[1], generator)
    found = KNNCase(knn, metric, c, k, device, points, points[:40].repeat(3, 1), dense.float())
    _check_that_metrics_differ(found)
    return found


def _check_that_metrics_differ(case: KNNCase) -> None:
    own = neighbours(case.truth(case.spread, case.spread, True), case.k)
    for other in METRICS:
        theirs = neighbours(case.truth(case.spread, case.spread, True, other), case.k)
        share = float((own != theirs).any(1).double().mean())
        if other != case.metric and share < TELLING:
            raise ValueError(
                f"on these points the {case.k} nearest by {other} distance are the {case.metric} ones for all but "
                f"{share:.0%} of the queries, so a search by the wrong metric would pass; use points "
                "of mixed radii, a larger dim or a larger k"
            )


def neighbours(truth: Tensor, k: int) -> Tensor:
    """(N, k) nearest columns, equal distances by index."""
    return truth.sort(dim=1, stable=True).indices[:, :k]
