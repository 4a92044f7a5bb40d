"""Geodesic distance in the Poincaré ball: all pairs by one matrix product, and row by row.

Both use ``d = (2 / sqrt(c)) arsinh(sqrt(s))`` with ``s = c |x-y|^2 / ((1 - c|x|^2) (1 - c|y|^2))``, which loses
nothing near the rim, and ``arsinh(sqrt(s)) = log1p(sqrt(s) + s / (1 + sqrt(1+s)))``, which torch vectorises.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hyperdml.geometry.curvature import Curvature, curvature, root
from hyperdml.geometry.maps import margin, upcast


def pairwise_distance(x: Tensor, y: Tensor, c: Curvature) -> Tensor:
    """All distances between two sets of points.

    s is one matrix product of width d + 2 accumulated in float64,
    ``s_ij = [-2 a_i x_i, a_i |x_i|^2, a_i] . [b_j y_j, b_j, b_j |y_j|^2]`` with ``a = c / (1 - c|x|^2)`` and
    ``b = 1 / (1 - c|y|^2)``; no N x M x d tensor exists. The backward is two products, written by hand. Coincident
    points have distance 0 and gradient 0. Points at or beyond the rim count as lying at the margin that
    `project` keeps, so values and gradients are always finite; where a coordinate is not, distances are NaN. Autocast
    is off inside; devices without float64 take the same formula over direct differences.

    Args:
        x: (N, d) points of the ball.
        y: (M, d) points of the ball.
        c: curvature magnitude, the ball has curvature -c.

    Returns:
        (N, M) distances, in float64 if both inputs are, else in float32. Differentiable once, also in a learned c.

    Raises:
        ValueError: an input is not a matrix, or the widths differ.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"expected (N, d) and (M, d) points, got {tuple(x.shape)} and {tuple(y.shape)}")
    x, y = upcast(x), upcast(y)
    out_dtype = torch.promote_types(x.dtype, y.dtype)
    with torch.autocast(x.device.type, enabled=False):
        if x.device.type == "mps":
            return _direct(x, y, curvature(c, out_dtype))
        c = curvature(c, torch.float64)
        lowest = margin(out_dtype) * (2 - margin(out_dtype))
        x, y = x.double(), y.double()
        x2, y2 = (x * x).sum(-1, keepdim=True), (y * y).sum(-1, keepdim=True)
        a, b = c / (1 - c * x2).clamp_min(lowest), 1 / (1 - c * y2).clamp_min(lowest)
        left = torch.cat([-2 * a * x, a * x2, a], -1)
        right = torch.cat([b * y, b, b * y2], -1)
        with torch.no_grad():
            # Rounding of s for a pair that coincides, where a = c b and |x| = |y|: below it s carries no information.
            floor = (16 * torch.finfo(torch.float64).eps / c) * a**2 * x2
            floor = torch.where(floor.isfinite(), floor, torch.nan)  # nothing is below: what is no point is to be seen
        distances: Tensor
        if isinstance(c, Tensor):
            distances = _ArsinhProduct.apply(left, right, floor, 2.0, out_dtype) / root(c)
        else:
            distances = _ArsinhProduct.apply(left, right, floor, 2 / root(c), out_dtype)
        return distances


def distance(x: Tensor, y: Tensor, c: Curvature) -> Tensor:
    """Distance between corresponding points, with |x - y| taken directly.

    Args:
        x: (..., d) points of the ball.
        y: (..., d) points of the ball; leading dimensions broadcast.
        c: curvature magnitude.

    Returns:
        (...) distances; 0 with gradient 0 where the points coincide, NaN where a coordinate is not finite.
    """
    x, y = upcast(x), upcast(y)
    diff = x - y
    c = curvature(c, diff.dtype)
    return _arsinh_root(_ratio((diff * diff).sum(-1), (x * x).sum(-1), (y * y).sum(-1), c), c)


def _direct(x: Tensor, y: Tensor, c: float | Tensor) -> Tensor:
    """`pairwise_distance` without float64: torch.cdist on differences, slower and as exact as its input."""
    gap = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    return _arsinh_root(_ratio(gap * gap, (x * x).sum(-1, keepdim=True), (y * y).sum(-1)[None], c), c)


def _ratio(gap2: Tensor, x2: Tensor, y2: Tensor, c: float | Tensor) -> Tensor:
    lowest = margin(gap2.dtype) * (2 - margin(gap2.dtype))
    return c * gap2 / ((1 - c * x2).clamp_min(lowest) * (1 - c * y2).clamp_min(lowest))


def _arsinh_root(s: Tensor, c: float | Tensor) -> Tensor:
    """(2 / sqrt(c)) arsinh(sqrt(s)), with gradient 0 instead of infinity at s = 0."""
    apart = s != 0  # NaN among them, which is to be seen
    s = torch.where(apart, s, 1.0)
    value = torch.log1p(s.sqrt() + s / (1 + (1 + s).sqrt())) * (2 / root(c))
    return torch.where(apart, value, 0.0)


class _ArsinhProduct(torch.autograd.Function):
    """scale arsinh(sqrt(L R^T)) for float64 factors; one N x M buffer is kept for the backward."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, floor: Tensor, scale: float, dtype: torch.dtype) -> Tensor:
        s = left @ right.T
        s.masked_fill_(s <= floor, 0)
        s = s.to(dtype)
        root, root1 = s.sqrt(), (s + 1).sqrt_()
        value = s.div_(root1 + 1).add_(root).log1p_().mul_(scale)
        ctx.scale = scale
        ctx.save_for_backward(left, right, root1.mul_(root))
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        left, right, q = ctx.saved_tensors  # q = sqrt(s (1 + s)), and dd/ds = scale / (2 q)
        h = (grad / q).masked_fill_(q == 0, 0).mul_(ctx.scale / 2).double()
        grad_left = h @ right if ctx.needs_input_grad[0] else None
        grad_right = h.T @ left if ctx.needs_input_grad[1] else None
        return grad_left, grad_right, None, None, None
