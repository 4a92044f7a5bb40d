"""Möbius addition, and the translations of the ball that it gives."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry.curvature import Curvature, curvature
from hyperdml.geometry.maps import project, upcast


def mobius_add(x: Tensor, y: Tensor, c: Curvature) -> Tensor:
    """Möbius addition ``x (+) y`` (Ungar 2008), where the straight line from 0 to y is carried when 0 is carried to x.

    With ``p = 1 - c|x|^2``, ``q = 1 - c|y|^2`` and ``z = x + y`` it is ``(p z + c|z|^2 x) / (p q + c|z|^2)``: the
    textbook fraction, rearranged into sums of positive terms so that nothing cancels near the rim. Its distances,
    ``d(x, y) = (2 / sqrt(c)) artanh(sqrt(c) |(-x) (+) y|)``, its left inverse -x and its gyrations are in
    tests/laws/.

    Args:
        x: (..., d) points of the ball.
        y: (..., d) points of the ball; leading dimensions broadcast. Points at or beyond the rim are projected first.
        c: curvature magnitude.

    Returns:
        (..., d) points of the ball, projected, in float64 if an input is, else in float32. With x and y at distances r
        and s from the origin they are at most ``eps exp(sqrt(c) (r + s)) / sqrt(c)`` from the true point, which is
        what the rounding of coordinates comes to out there.
    """
    dtype = torch.promote_types(upcast(x).dtype, upcast(y).dtype)
    c = curvature(c, dtype)
    x, y = project(x.to(dtype), c), project(y.to(dtype), c)
    z = x + y
    p, q, r = 1 - c * _square(x), 1 - c * _square(y), c * _square(z)
    return project((p * z + r * x) / (p * q + r), c)


def translate(x: Tensor, by: Tensor, c: Curvature) -> Tensor:
    """Left Möbius translation ``by (+) x``: the isometry of the ball that carries the origin to `by`.

    Its inverse is the translation by ``-by``, which carries `by` to the origin. Points that would end beyond the
    margin of `project` stop there, and keep their distances no longer.

    Args:
        x: (..., d) points to move.
        by: (..., d) where the origin goes; leading dimensions broadcast.
        c: curvature magnitude.

    Returns:
        (..., d) moved points.
    """
    return mobius_add(by, x, c)


def _square(x: Tensor) -> Tensor:
    return (x * x).sum(-1, keepdim=True)
