"""The arithmetic of HIER's released implementation, with its epsilons, for `mode="official"` and parity only.

It differs from `hyperdml.geometry` by 1e-5 added to the clipped norm and to the Möbius denominator, which biases every
distance (by 1.4e-4 in the median at the clipping radius), and by an artanh clamp at 1 - 1e-5. Here the distances come
from one matrix product instead of N x P x d Möbius differences:
``|(-x) (+) y|^2 = |x - y|^2 D / (D + eps)^2`` with ``D = 1 - 2c<x,y> + c^2 |x|^2 |y|^2``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry.curvature import Curvature, curvature, root
from hyperdml.geometry.maps import upcast
from hyperdml.geometry.to_poincare import scale_gradient

EPS = 1e-5
RIM = 1e-3


def to_ball(u: Tensor, c: Curvature, clip_r: float) -> Tensor:
    """Clip, exponential map at the origin, projection and Riemannian gradient scaling, as released.

    Args:
        u: (N, d) tangent vectors.
        c: curvature magnitude.
        clip_r: clipping radius.

    Returns:
        (N, d) points of the ball.
    """
    u = upcast(u)
    sqrt_c = root(curvature(c, u.dtype))
    u = u * (clip_r / (_norm(u) + EPS)).clamp_max(1.0)
    norm = _norm(u).clamp_min(EPS)
    x = torch.tanh((sqrt_c * norm).clamp(-15, 15)) * u / (sqrt_c * norm)
    x = x * ((1 - RIM) / sqrt_c / _norm(x).clamp_min(EPS)).clamp_max(1.0)
    return scale_gradient(x, c)


def pairwise_distance(x: Tensor, y: Tensor, c: Curvature) -> Tensor:
    """``(2 / sqrt(c)) artanh(sqrt(c) |(-x) (+) y|)`` for all pairs, with the released epsilons.

    Args:
        x: (N, d) points of the ball.
        y: (M, d) points of the ball.
        c: curvature magnitude.

    Returns:
        (N, M) distances; gradient 0 where points coincide.
    """
    out_dtype = torch.promote_types(upcast(x).dtype, upcast(y).dtype)
    with torch.autocast(x.device.type, enabled=False):
        accumulate = out_dtype if x.device.type == "mps" else torch.float64
        x, y = x.to(accumulate), y.to(accumulate)
        c = curvature(c, accumulate)
        xy = x @ y.T
        x2, y2 = (x * x).sum(-1, keepdim=True), (y * y).sum(-1)[None]
        gap2 = x2 + y2 - 2 * xy
        # below the rounding of the product two points are the same point
        floor = 16 * torch.finfo(accumulate).eps * torch.maximum(x2, y2)
        apart = gap2 > floor
        denominator = 1 - 2 * c * xy + c * c * x2 * y2
        z = (c * torch.where(apart, gap2 * denominator, 1.0)).sqrt() / (denominator + EPS)
        distance = torch.atanh(z.clamp_max(1 - EPS)) * (2 / root(c))
        return torch.where(apart, distance, 0.0).to(out_dtype)


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True)
