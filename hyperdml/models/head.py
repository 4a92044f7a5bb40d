"""The embedding head: norm, linear, clip, exponential map."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hyperdml.geometry import ToPoincare

HeadKind = Literal["released", "scaled", "plain"]


@dataclass(frozen=True)
class HeadConfig:
    """Settings of `EmbeddingHead`.

    Attributes:
        kind: "released": LayerNorm without parameters, orthogonal linear, so that features leave the linear layer with
            a norm of about sqrt(embedding_size), five times the clipping radius, and every image is clipped to one
            sphere. "scaled": the same features brought to a radius, whatever the size of the weights, to study radii.
            "plain": no LayerNorm (Hyp-ViT; Proxy Anchor, brought to the ball), so that the norm of the features counts.
        embedding_size: dimension d of the embedding.
        c: curvature magnitude; the ball has curvature -c.
        clip_r: clipping radius in the tangent space.
        riemannian_gradient: scale gradients by the inverse metric of the ball (as released).
        init_radius: "scaled" only: root mean square of the tangent norms (for white features), at the start.
        learn_scale: "scaled" only: that radius is a parameter.
        soft_clip: "scaled" only: approach clip_r smoothly, so that norms keep a gradient.
    """

    kind: HeadKind = "released"
    embedding_size: int = 128
    c: float = 0.1
    clip_r: float = 2.3
    riemannian_gradient: bool = True
    init_radius: float = 0.7
    learn_scale: bool = True
    soft_clip: bool = False


class EmbeddingHead(nn.Module):
    """Backbone features to points of the Poincaré ball, in float32 also under autocast.

    ``x = expmap0(clip(s (W LayerNorm(f) + b)))`` with W orthogonal and b = 0 at the start. The released head has s = 1,
    the scaled one ``s = radius / |(W, b)|_F``: an optimiser that moves every entry of W by its learning rate would
    otherwise drive all norms past the clip within a few steps. The plain head is ``x = expmap0(clip(W f + b))``.

    Args:
        in_features: width of the backbone features.
        config: settings.

    Raises:
        ValueError: an unknown kind, or an option of the scaled head given with another.
    """

    def __init__(self, in_features: int, config: HeadConfig) -> None:
        super().__init__()
        if config.kind not in get_args(HeadKind):
            raise ValueError(f"head.kind must be one of {', '.join(get_args(HeadKind))}, got {config.kind!r}")
        for name in ("init_radius", "learn_scale", "soft_clip"):
            if config.kind != "scaled" and getattr(config, name) != getattr(HeadConfig, name):
                raise ValueError(
                    f"head.{name} needs head.kind 'scaled': the {config.kind} head has no scale, and clips hard"
                )
        if not 0 < config.init_radius < math.inf:
            raise ValueError(f"head.init_radius must be positive and finite, got {config.init_radius}")
        if config.embedding_size < 1:
            raise ValueError(f"head.embedding_size must be at least 1, got {config.embedding_size}")
        self.config = config
        plain = config.kind == "plain"
        self.norm = nn.Identity() if plain else nn.LayerNorm(in_features, elementwise_affine=False)
        self.linear = nn.Linear(in_features, config.embedding_size)
        nn.init.orthogonal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.log_radius: nn.Parameter | None = None
        if config.kind == "scaled":
            self.log_radius = nn.Parameter(torch.tensor(config.init_radius).log(), requires_grad=config.learn_scale)
        self.to_poincare = ToPoincare(
            config.c, config.clip_r, soft_clip=config.soft_clip, riemannian_gradient=config.riemannian_gradient
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, in_features) features to (N, embedding_size) points of the ball."""
        with torch.autocast(features.device.type, enabled=False):
            u = self.linear(self.norm(features.float()))
            if self.log_radius is not None:
                # root mean square norm of W f + b for white f
                size2 = self.linear.weight.square().sum() + self.linear.bias.square().sum()
                u = u * (self.log_radius.exp() / size2.clamp_min(torch.finfo(size2.dtype).tiny).sqrt())
            return self.to_poincare(u)
