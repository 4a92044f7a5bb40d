"""The hyperboloid model: where nearest neighbours become an inner-product search."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry.curvature import Curvature, curvature, root
from hyperdml.geometry.maps import margin, upcast


def lift(x: Tensor, c: Curvature) -> Tensor:
    """Poincaré ball to hyperboloid ``{(s, t): t^2 - |s|^2 = 1/c, t > 0}``, the time coordinate t last.

    ``s = 2x / (1 - c|x|^2)`` and ``t = (1 + c|x|^2) / ((1 - c|x|^2) sqrt(c))``. With the time coordinate of one side
    negated, the inner product of two lifts is ``-cosh(sqrt(c) d) / c``: the nearest point has the largest one.

    Args:
        x: (..., d) points; those at or beyond the rim are projected first, with the margin of float64.
        c: curvature magnitude.

    Returns:
        (..., d + 1) points in float64 (float32 products would lose close neighbours).
    """
    c = curvature(c, torch.float64)
    x = x.double()
    cx2 = c * (x * x).sum(-1, keepdim=True)
    # like `project`, but a point that lies at the margin already stays: the lift multiplies each rounding there
    limit = 1 - margin(torch.float64)
    return lift_inside(x * torch.where(1 - cx2 < 1 - limit, limit / cx2.clamp_min(0.5).sqrt(), 1.0), c)


def lift_inside(x: Tensor, c: float | Tensor) -> Tensor:
    """`lift` of float64 points that are known to lie in the ball."""
    cx2 = c * (x * x).sum(-1, keepdim=True)
    return torch.cat([2 * x, (1 + cx2) / root(c)], -1) / (1 - cx2)


def unlift(z: Tensor, c: Curvature) -> Tensor:
    """Hyperboloid to Poincaré ball, ``s / (1 + sqrt(c) t)``: the inverse of `lift`.

    Args:
        z: (..., d + 1) points, time coordinate last.
        c: curvature magnitude.

    Returns:
        (..., d) points of the ball, in at least float32.
    """
    z = upcast(z)
    return z[..., :-1] / (1 + root(curvature(c, z.dtype)) * z[..., -1:])
