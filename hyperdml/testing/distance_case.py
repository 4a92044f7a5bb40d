"""What the laws of a distance look at: the function, and sets of points by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.testing.contract import Report
from hyperdml.testing.points import at_norm, directions, spread_points

Pairwise = Callable[[Tensor, Tensor], Tensor]

RTOL = {torch.float32: 1e-5, torch.float64: 1e-9}
"""Relative errors that a distance may have between ordinary points."""

NEAR = 1e-3
"""How far near pairs are apart, as a share of the farthest norm."""


@dataclass(frozen=True)
class DistanceCase:
    """A distance and the points on which it is tried; all sets are float64 values that `dtype` holds exactly.

    Attributes:
        pairwise: the function, (N, d) and (M, d) to (N, M).
        c: curvature magnitude, or None for a metric of another space.
        dtype: precision of the inputs.
        device: device of the inputs.
        rtol: allowed relative error between ordinary points.
        ordinary: (N, d) points of mixed radii.
        near: (N, d) for every ordinary point one close to it.
        generator: source of the points.
    """

    pairwise: Pairwise
    c: float | None
    dtype: torch.dtype
    device: torch.device
    rtol: float
    ordinary: Tensor
    near: Tensor
    generator: torch.Generator

    @property
    def dim(self) -> int:
        """Dimension d."""
        return self.ordinary.shape[1]

    def halves(self, dtype: torch.dtype | None = None) -> tuple[Tensor, Tensor]:
        """The ordinary points as two sets of different size."""
        cut = len(self.ordinary) * 3 // 5
        return self.given(self.ordinary[:cut], dtype), self.given(self.ordinary[cut:], dtype)

    def few(self) -> tuple[Tensor, Tensor]:
        """Two sets of two points in at most five dimensions of their own, in float64, for numerical derivatives."""
        x = spread_points(4, min(self.dim, 5), self.c, self.generator).to(self.device)
        return x[:2], x[2:]

    def agree(self, what: str, found: Tensor, expected: Tensor, report: Report, times: float = 1) -> None:
        """A finding unless distances agree to `times` rtol, where short ones count as a tenth of the longest."""
        rtol = times * self.rtol
        report.compare(what, found, expected, rtol, atol=rtol * float(expected.detach().abs().max()) / 10)

    def given(self, points: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Points as the function gets them: a new tensor in the precision of the check, or in another one."""
        return points.to(self.device, dtype or self.dtype, copy=True)


def distance_case(
    pairwise: Pairwise,
    c: float | None,
    dtype: torch.dtype,
    device: torch.device,
    rtol: float | None,
    points: Tensor | None,
    dim: int,
    generator: torch.Generator,
) -> DistanceCase:
    """The case of given points, or of 20 made-up ones.

    Raises:
        ValueError: the dtype is neither float32 nor float64, or the points are not five or more different ones of the
            space.
    """
    if dtype not in RTOL:
        raise ValueError(f"dtype must be torch.float32 or torch.float64, got {dtype}")
    if points is None:
        points = spread_points(20, dim, c, generator)
    if points.ndim != 2 or len(points) < 5 or not points.isfinite().all():
        raise ValueError(f"points must be (N, d), finite, N at least 5, got shape {tuple(points.shape)}")
    ordinary = points.detach().cpu().to(dtype).double()
    if len(ordinary.unique(dim=0)) < len(ordinary):
        raise ValueError(f"points must differ, but only {len(ordinary.unique(dim=0))} of {len(ordinary)} do")
    norms = torch.linalg.vector_norm(ordinary, dim=1)
    if c is not None and not norms.max() < c**-0.5:
        raise ValueError(
            f"a point has norm {float(norms.max()):.4g}, outside the ball of radius {c**-0.5:.4g} (c={c:g})"
        )
    offset = NEAR * norms.max() * directions(len(ordinary), ordinary.shape[1], generator)
    inward = torch.where((offset * ordinary).sum(1, keepdim=True) > 0, -1.0, 1.0)  # stays in the ball
    near = (ordinary + offset * inward).to(dtype).double()
    return DistanceCase(pairwise, c, dtype, device, RTOL[dtype] if rtol is None else rtol, ordinary, near, generator)


def rim_points(dim: int, c: float, shares: tuple[float, ...], generator: torch.Generator) -> Tensor:
    """(len(shares), dim) points at the given shares of the ball's radius, in random directions."""
    return directions(len(shares), dim, generator) * torch.tensor(shares, dtype=torch.float64)[:, None] / c**0.5


def translations(dim: int, c: float, generator: torch.Generator) -> Tensor:
    """(3, dim) points to carry the origin to, near and far."""
    return at_norm(directions(3, dim, generator), torch.tensor([[0.1], [0.5], [1.0]], dtype=torch.float64), c)
