"""The layer that turns Euclidean features into points of the Poincaré ball."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hyperdml.geometry.curvature import curvature_of, poincare_ball
from hyperdml.geometry.maps import check_clip_radius, clip_norm, expmap0, soft_clip_norm

if TYPE_CHECKING:
    import geoopt


def scale_gradient(x: Tensor, c: float) -> Tensor:
    """Identity whose gradient is multiplied by ``(1 - c|x|^2)^2 / 4``, the inverse metric of the ball.

    The released HIER applies it to images and proxies (its paper does not mention it).

    Args:
        x: (..., d) points of the ball.
        c: curvature magnitude.

    Returns:
        (..., d) the same points.
    """
    scaled: Tensor = _ScaledGradient.apply(x, curvature_of(c))
    return scaled


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, c: float) -> Tensor:
        ctx.c = c
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        return grad * (1 - ctx.c * (x * x).sum(-1, keepdim=True)) ** 2 / 4, None


class ToPoincare(nn.Module):
    """Clip, then exponential map at the origin: Euclidean features to points of the ball of curvature -c.

    ``x = expmap0(u * min(1, clip_r / |u|))``. Computed in at least float32, also under autocast; float64 stays
    float64. A point is at distance ``2 min(|u|, clip_r)`` from the origin.

    Args:
        c: curvature magnitude (0.1 in HIER and Hyp-ViT), or a `geoopt.PoincareBall`.
        clip_r: clipping radius in the tangent space (2.3 there); None for no clipping.
        soft_clip: approach clip_r smoothly instead (`soft_clip_norm`), so that norms keep a gradient.
        riemannian_gradient: multiply the gradient by the inverse metric (`scale_gradient`).

    Raises:
        ValueError: c or clip_r is not positive.
    """

    def __init__(
        self,
        c: float | geoopt.PoincareBall = 0.1,
        clip_r: float | None = 2.3,
        *,
        soft_clip: bool = False,
        riemannian_gradient: bool = False,
    ) -> None:
        super().__init__()
        if clip_r is not None:
            check_clip_radius(clip_r)
        self.c = curvature_of(c)
        self.clip_r = clip_r
        self.soft_clip = soft_clip
        self.riemannian_gradient = riemannian_gradient

    @property
    def manifold(self) -> geoopt.PoincareBall:
        """The ball as geoopt's manifold object, in float64."""
        return poincare_ball(self.c)

    def forward(self, u: Tensor) -> Tensor:
        """Map (..., d) features to (..., d) points of the ball."""
        if self.clip_r is not None:
            u = (soft_clip_norm if self.soft_clip else clip_norm)(u, self.clip_r)
        x = expmap0(u, self.c)
        if self.riemannian_gradient:
            x = scale_gradient(x, self.c)
        return x

    def extra_repr(self) -> str:
        """Constructor arguments, for print(module)."""
        text = f"c={self.c}, clip_r={self.clip_r}"
        text += ", soft_clip=True" if self.soft_clip else ""
        return text + (", riemannian_gradient=True" if self.riemannian_gradient else "")
