"""The Poincaré ball of curvature -c: maps at the origin, distances, Lorentz lift and the `ToPoincare` layer.

Everywhere in hyperdml `c > 0` means sectional curvature ``-c`` and a ball of radius ``1 / sqrt(c)``.
"""

from hyperdml.geometry.curvature import curvature_of, poincare_ball
from hyperdml.geometry.distance import distance, pairwise_distance
from hyperdml.geometry.lorentz import lift, unlift
from hyperdml.geometry.maps import (
    clip_norm,
    conformal_factor,
    dist0,
    expmap0,
    logmap0,
    project,
    soft_clip_norm,
)
from hyperdml.geometry.to_poincare import ToPoincare, scale_gradient

__all__ = [
    "ToPoincare",
    "clip_norm",
    "conformal_factor",
    "curvature_of",
    "dist0",
    "distance",
    "expmap0",
    "lift",
    "logmap0",
    "pairwise_distance",
    "poincare_ball",
    "project",
    "scale_gradient",
    "soft_clip_norm",
    "unlift",
]
