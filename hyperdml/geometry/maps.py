"""Maps between the tangent space at the origin and the Poincaré ball, point by point.

All functions work on the last dimension, compute in at least float32 and keep float64. They agree with geoopt's
`expmap0`, `logmap0` and `dist0` (tests/geometry/test_maps.py); they are written out here because geoopt's are
TorchScript functions with data-dependent branches, clamp artanh at 1 - 1e-7 in every precision and round c.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperdml.geometry.curvature import Curvature, curvature, root

_MARGIN = {torch.float32: 1e-4, torch.float64: 1e-10}


def upcast(x: Tensor) -> Tensor:
    """Input in float32, or unchanged when it is float64."""
    return x if x.dtype == torch.float64 else x.float()


def margin(dtype: torch.dtype) -> float:
    """Relative distance kept from the rim: points satisfy ``sqrt(c) |x| <= 1 - margin``.

    1e-4 in float32 and 1e-10 in float64 (hyperbolic radius 9.9 and 23.7 at c = 1): up to there the rounding of a
    point's coordinates moves its distances by less than one part in ten thousand.
    """
    return _MARGIN[dtype]


def safe_norm(x: Tensor) -> Tensor:
    """|x| over the last dimension, kept; at least 1e-15, with gradient 0 (not NaN) there; squares cannot overflow."""
    largest = x.detach().abs().amax(-1, keepdim=True).clamp_min(1e-15)
    # divided by the largest entry the squares sum to 1 or more, except at the origin
    return largest * ((x / largest) ** 2).sum(-1, keepdim=True).clamp_min(1).sqrt()


def clip_norm(u: Tensor, clip_r: float) -> Tensor:
    """Feature clipping: ``u * min(1, clip_r / |u|)`` (Guo et al., CVPR 2022; HIER Sec. 4.1).

    Beyond the radius the radial part of the gradient is exactly 0.

    Args:
        u: (..., d) tangent vectors at the origin.
        clip_r: largest norm, positive.

    Returns:
        (..., d) vectors of norm at most clip_r.

    Raises:
        ValueError: clip_r is not positive.
    """
    check_clip_radius(clip_r)
    u = upcast(u)
    return u * (clip_r / safe_norm(u)).clamp_max(1.0)


def soft_clip_norm(u: Tensor, clip_r: float) -> Tensor:
    """Smooth clipping ``u * clip_r tanh(|u| / clip_r) / |u|``: norms stay ordered and keep a radial gradient.

    Args:
        u: (..., d) tangent vectors at the origin.
        clip_r: bound that norms approach, positive.

    Returns:
        (..., d) vectors of norm below clip_r.

    Raises:
        ValueError: clip_r is not positive.
    """
    check_clip_radius(clip_r)
    u = upcast(u)
    ratio = safe_norm(u) / clip_r
    return u * (torch.tanh(ratio) / ratio)


def project(x: Tensor, c: Curvature) -> Tensor:
    """Pull points at or beyond the rim back to ``sqrt(c) |x| = 1 - margin``; others are returned unchanged.

    Args:
        x: (..., d) points.
        c: curvature magnitude.

    Returns:
        (..., d) points inside the ball.
    """
    x = upcast(x)
    limit = (1 - margin(x.dtype)) / root(curvature(c, x.dtype))
    return x * (limit / safe_norm(x)).clamp_max(1.0)


def expmap0(u: Tensor, c: Curvature) -> Tensor:
    """Exponential map at the origin, ``tanh(sqrt(c) |u|) u / (sqrt(c) |u|)``, then `project`.

    The distance from the origin to the image is ``2 |u|``, whatever c is.

    Args:
        u: (..., d) tangent vectors at the origin.
        c: curvature magnitude.

    Returns:
        (..., d) points of the ball; gradient 1 at u = 0.
    """
    u = upcast(u)
    c = curvature(c, u.dtype)
    s = root(c) * safe_norm(u)
    return project(u * (torch.tanh(s) / s), c)


def logmap0(x: Tensor, c: Curvature) -> Tensor:
    """Logarithmic map at the origin, ``artanh(sqrt(c) |x|) x / (sqrt(c) |x|)``, the inverse of `expmap0`.

    Args:
        x: (..., d) points; those at or beyond the rim are projected first.
        c: curvature magnitude.

    Returns:
        (..., d) tangent vectors at the origin.
    """
    x = upcast(x)
    c = curvature(c, x.dtype)
    x = project(x, c)
    s = root(c) * safe_norm(x)
    return x * (torch.atanh(s) / s)


def dist0(x: Tensor, c: Curvature) -> Tensor:
    """Distance to the origin, ``(2 / sqrt(c)) artanh(sqrt(c) |x|)``.

    Args:
        x: (..., d) points; those at or beyond the rim are projected first.
        c: curvature magnitude.

    Returns:
        (...) distances, the hyperbolic radius of each point.
    """
    x = upcast(x)
    c = curvature(c, x.dtype)
    return 2 / root(c) * torch.atanh(root(c) * torch.linalg.vector_norm(project(x, c), dim=-1))


def conformal_factor(x: Tensor, c: Curvature) -> Tensor:
    """Conformal factor ``lambda = 2 / (1 - c |x|^2)`` of the ball's metric at x.

    Args:
        x: (..., d) points; those at or beyond the rim are projected first.
        c: curvature magnitude.

    Returns:
        (...) factors, at least 2.
    """
    x = upcast(x)
    c = curvature(c, x.dtype)
    x = project(x, c)
    return 2 / (1 - c * (x * x).sum(-1))


def check_clip_radius(clip_r: float) -> None:
    """Raise a ValueError unless clip_r is positive and finite."""
    if not (clip_r > 0 and math.isfinite(clip_r)):
        raise ValueError(f"clip_r must be positive and finite, got {clip_r!r}")
