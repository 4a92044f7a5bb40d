"""The Klein model, where geodesics are straight lines: to and from the Poincaré ball and the hyperboloid.

A point at distance r from the origin has norm ``tanh(sqrt(c) r) / sqrt(c)`` here and ``tanh(sqrt(c) r / 2) / sqrt(c)``
in the Poincaré ball, so Klein coordinates crowd at the rim twice as fast. Everything is computed and returned in
float64, where a round trip moves a point by at most ``1e-16 exp(2 sqrt(c) r) / sqrt(c)``; float32 coordinates would
hold no point beyond ``sqrt(c) r = 8``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry.curvature import Curvature, curvature, root
from hyperdml.geometry.maps import margin, project, safe_norm


def ball_to_klein(x: Tensor, c: Curvature) -> Tensor:
    """Poincaré ball to Klein ball, ``2x / (1 + c|x|^2)``.

    Args:
        x: (..., d) points; those at or beyond the rim are projected first, with the margin of float64.
        c: curvature magnitude.

    Returns:
        (..., d) points of the Klein ball of radius 1 / sqrt(c), in float64.
    """
    c = curvature(c, torch.float64)
    x = project(x.double(), c)
    return 2 * x / (1 + c * (x * x).sum(-1, keepdim=True))


def klein_to_ball(k: Tensor, c: Curvature) -> Tensor:
    """Klein ball to Poincaré ball, ``k / (1 + sqrt(1 - c|k|^2))``: the inverse of `ball_to_klein`.

    Args:
        k: (..., d) points of the Klein ball; those beyond its rim are scaled back to it.
        c: curvature magnitude.

    Returns:
        (..., d) points of the Poincaré ball, projected, in float64.
    """
    c = curvature(c, torch.float64)
    k, slack = _slack(k, c)
    return project(k / (1 + slack), c)


def lorentz_to_klein(z: Tensor, c: Curvature) -> Tensor:
    """Hyperboloid to Klein ball, ``s / (sqrt(c) t)`` for a point (s, t) as `lift` gives it.

    Args:
        z: (..., d + 1) points, time coordinate last.
        c: curvature magnitude.

    Returns:
        (..., d) points of the Klein ball, in float64.
    """
    z = z.double()
    return z[..., :-1] / (root(curvature(c, torch.float64)) * z[..., -1:])


def klein_to_lorentz(k: Tensor, c: Curvature) -> Tensor:
    """Klein ball to hyperboloid, ``(k, 1 / sqrt(c)) / sqrt(1 - c|k|^2)``: the inverse of `lorentz_to_klein`.

    Args:
        k: (..., d) points of the Klein ball; those beyond its rim are scaled back to it.
        c: curvature magnitude.

    Returns:
        (..., d + 1) points in float64, time coordinate last.
    """
    c = curvature(c, torch.float64)
    k, slack = _slack(k, c)
    return torch.cat([k, (1 / root(c)) * torch.ones_like(slack)], -1) / slack


def _slack(k: Tensor, c: float | Tensor) -> tuple[Tensor, Tensor]:
    """K in the closed Klein ball, and ``sqrt(1 - c|k|^2)``, at least its value at the margin of the Poincaré ball."""
    k = k.double()
    k = k * (1 / (root(c) * safe_norm(k))).clamp_max(1.0)
    slack = (1 - c * (k * k).sum(-1, keepdim=True)).clamp_min(margin(torch.float64) ** 2).sqrt()
    return k, slack
