"""The Poincaré ball of curvature -c: maps, distances, translations, means, other models, the `ToPoincare` layer.

Everywhere in hyperdml `c > 0` means sectional curvature ``-c`` and a ball of radius ``1 / sqrt(c)``. Every c may be a
number, a 0-dim tensor or a `geoopt.PoincareBall`; where it is learned, results are differentiable in it.
"""

from hyperdml.geometry.curvature import Curvature, curvature_of, learnable_ball, poincare_ball
from hyperdml.geometry.distance import distance, pairwise_distance
from hyperdml.geometry.frechet import frechet_mean
from hyperdml.geometry.klein import ball_to_klein, klein_to_ball, klein_to_lorentz, lorentz_to_klein
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
from hyperdml.geometry.midpoints import einstein_midpoint, lorentz_centroids
from hyperdml.geometry.mobius import mobius_add, translate
from hyperdml.geometry.to_poincare import ToPoincare, scale_gradient

__all__ = [
    "Curvature",
    "ToPoincare",
    "ball_to_klein",
    "clip_norm",
    "conformal_factor",
    "curvature_of",
    "dist0",
    "distance",
    "einstein_midpoint",
    "expmap0",
    "frechet_mean",
    "klein_to_ball",
    "klein_to_lorentz",
    "learnable_ball",
    "lift",
    "logmap0",
    "lorentz_centroids",
    "lorentz_to_klein",
    "mobius_add",
    "pairwise_distance",
    "poincare_ball",
    "project",
    "scale_gradient",
    "soft_clip_norm",
    "translate",
    "unlift",
]
