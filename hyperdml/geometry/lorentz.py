"""The hyperboloid model: where nearest neighbours become an inner-product search."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperdml.geometry.curvature import curvature_of


def lift(x: Tensor, c: float) -> Tensor:
    """Poincaré ball to hyperboloid ``{(s, t): t^2 - |s|^2 = 1/c, t > 0}``, the time coordinate t last.

    ``s = 2x / (1 - c|x|^2)`` and ``t = (1 + c|x|^2) / ((1 - c|x|^2) sqrt(c))``. With the time coordinate of one side
    negated, the inner product of two lifts is ``-cosh(sqrt(c) d) / c``: the nearest point has the largest one.

    Args:
        x: (N, d) points of the ball.
        c: curvature magnitude.

    Returns:
        (N, d + 1) points in float64 (float32 products would lose close neighbours).
    """
    c = curvature_of(c)
    x = x.double()
    cx2 = c * (x * x).sum(-1, keepdim=True)
    return torch.cat([2 * x, (1 + cx2) / math.sqrt(c)], -1) / (1 - cx2)


def unlift(z: Tensor, c: float) -> Tensor:
    """Hyperboloid to Poincaré ball, ``s / (1 + sqrt(c) t)``: the inverse of `lift`.

    Args:
        z: (N, d + 1) points, time coordinate last.
        c: curvature magnitude.

    Returns:
        (N, d) points of the ball.
    """
    return z[..., :-1] / (1 + math.sqrt(curvature_of(c)) * z[..., -1:])
