"""The layer that turns Euclidean features into points of the Poincaré ball."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hyperdml.geometry.curvature import Curvature, curvature, curvature_of, kept_curvature, poincare_ball
from hyperdml.geometry.maps import check_clip_radius, clip_norm, expmap0, soft_clip_norm, upcast

if TYPE_CHECKING:
    import geoopt


def scale_gradient(x: Tensor, c: Curvature) -> Tensor:
    """Identity whose gradient is multiplied by ``(1 - c|x|^2)^2 / 4``, the inverse metric of the ball.

    The released HIER applies it to images and proxies (its paper does not mention it). The values do not depend on
    c, so c gets no gradient here; where x itself was computed from a learned c, what flows on to c is scaled too.

    Args:
        x: (..., d) points of the ball.
        c: curvature magnitude.

    Returns:
        (..., d) the same points.
    """
    # detached: torch.compile takes no tensor twice
    return _scale_gradient(x, x.detach(), curvature(c, upcast(x).dtype))


def _scale_gradient(value: Tensor, point: Tensor, c: float | Tensor) -> Tensor:
    """Identity in value; its gradient is multiplied by the inverse metric at the point."""
    scaled: Tensor = _ScaledGradient.apply(value, point, c.detach() if isinstance(c, Tensor) else c)
    return scaled


class _ScaledGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, point: Tensor, c: float | Tensor) -> Tensor:
        ctx.c = c
        ctx.save_for_backward(point)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (x,) = map(upcast, ctx.saved_tensors)
        return grad * (1 - ctx.c * (x * x).sum(-1, keepdim=True)) ** 2 / 4, None, None


class ToPoincare(nn.Module):
    """Clip, then exponential map at the origin: Euclidean features to points of the ball of curvature -c.

    ``x = expmap0(u * min(1, clip_r / |u|))``. Computed in at least float32, also under autocast; float64 stays
    float64. A point is at distance ``2 min(|u|, clip_r)`` from the origin.

    Args:
        c: curvature magnitude (0.1 in HIER and Hyp-ViT), or a `geoopt.PoincareBall`. A learnable ball is kept as a
            submodule, so that its curvature is trained; `manifold` hands it on to other modules.
        clip_r: clipping radius in the tangent space (2.3 there); None for no clipping.
        riemannian_gradient: multiply the gradient of the features by the inverse metric (`scale_gradient`); a learned
            curvature keeps its own gradient.
        soft_clip: approach clip_r smoothly instead (`soft_clip_norm`), so that norms keep a gradient.
        learn_curvature: c is where a learnable ball of this layer's own starts.

    Attributes:
        ball: the learnable ball (parameter ``ball.isp_c``, an inverse softplus of c in float64), or None.

    Raises:
        ValueError: c or clip_r is not positive, or c is a bare tensor under training.
    """

    def __init__(
        self,
        c: Curvature = 0.1,
        clip_r: float | None = 2.3,
        riemannian_gradient: bool = False,
        *,
        soft_clip: bool = False,
        learn_curvature: bool = False,
    ) -> None:
        super().__init__()
        if clip_r is not None:
            check_clip_radius(clip_r)
        self._c, self.ball = kept_curvature(c)
        if learn_curvature and self.ball is None:
            self.ball = poincare_ball(c, learnable=True)
        self.clip_r = clip_r
        self.soft_clip = soft_clip
        self.riemannian_gradient = riemannian_gradient

    @property
    def c(self) -> float | Tensor:
        """The curvature magnitude: a float, or the differentiable 0-dim tensor that is learned."""
        return self._c if self.ball is None else self.ball.c

    @property
    def manifold(self) -> geoopt.PoincareBall:
        """The ball as geoopt's manifold object: the layer's own where c is learned, else a new one in float64."""
        return poincare_ball(self._c) if self.ball is None else self.ball

    def forward(self, u: Tensor) -> Tensor:
        """Map (..., d) features to (..., d) points of the ball."""
        if self.clip_r is not None:
            u = (soft_clip_norm if self.soft_clip else clip_norm)(u, self.clip_r)
        u = upcast(u)
        c = curvature(self.c, u.dtype)
        if not self.riemannian_gradient:
            return expmap0(u, c)
        if isinstance(c, Tensor):
            # scaled before the map, row by row the same for u: after it, the gradient of c would be scaled too
            with torch.no_grad():
                point = expmap0(u, c)
            return expmap0(_scale_gradient(u, point, c), c)
        return scale_gradient(expmap0(u, c), c)

    def extra_repr(self) -> str:
        """Constructor arguments, for print(module)."""
        text = f"c={self._c if self.ball is None else curvature_of(self.ball)}, clip_r={self.clip_r}"
        text += ", soft_clip=True" if self.soft_clip else ""
        text += ", riemannian_gradient=True" if self.riemannian_gradient else ""
        return text + (", learn_curvature=True" if self.ball is not None else "")
