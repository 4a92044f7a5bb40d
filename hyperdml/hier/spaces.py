"""The space in which HIER measures: the Poincaré ball, and the sphere and the flat space as controls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from hyperdml.geometry import clip_norm, dist0, expmap0, logmap0, lorentz_centroids, pairwise_distance
from hyperdml.geometry.curvature import Curvature, learnable_ball
from hyperdml.geometry.maps import upcast
from hyperdml.hier import released

_TINY = 1e-12

Geometry = Literal["hyperbolic", "spherical", "euclidean"]


class Space(Protocol):
    """What HIER asks of a space. Points are (N, d); vectors are what proxies are stored as."""

    def points(self, vectors: Tensor) -> Tensor:
        """Vectors (N, d) to points of the space."""

    def vectors(self, points: Tensor) -> Tensor:
        """Points (N, d) to vectors, the inverse of `points` within the clipping radius."""

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """(N, M) distances."""

    def to_origin(self, x: Tensor) -> Tensor:
        """(N,) distances to the origin, the root of every hierarchy."""

    def centroids(self, x: Tensor, cluster: Tensor, count: int) -> Tensor:
        """(count, d) centre of the points of every cluster; clusters must not be empty."""

    def held(self) -> Space:
        """The same space with its curvature held, if that is learned."""


@dataclass(frozen=True)
class Hyperbolic:
    """The Poincaré ball of curvature -c; vectors are tangent at the origin and clipped to clip_r."""

    c: Curvature
    clip_r: float

    def points(self, vectors: Tensor) -> Tensor:
        """Clip, then exponential map at the origin."""
        return expmap0(clip_norm(vectors, self.clip_r), self.c)

    def vectors(self, points: Tensor) -> Tensor:
        """Logarithmic map at the origin."""
        return logmap0(points, self.c)

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distances."""
        return pairwise_distance(x, y, self.c)

    def to_origin(self, x: Tensor) -> Tensor:
        """Hyperbolic radii."""
        return dist0(x, self.c)

    def centroids(self, x: Tensor, cluster: Tensor, count: int) -> Tensor:
        """Lorentz centroids."""
        return lorentz_centroids(x, cluster, count, self.c)[0]

    def held(self) -> Space:
        """The ball as it stands."""
        ball = learnable_ball(self.c)
        return self if ball is None else replace(self, c=ball.c.detach())


class Released(Hyperbolic):
    """The ball with the epsilons of the released implementation, for `mode="official"`."""

    def points(self, vectors: Tensor) -> Tensor:
        """As released, with the scaled gradient."""
        return released.to_ball(vectors, self.c, self.clip_r)

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """As released."""
        return released.pairwise_distance(x, y, self.c)


class Spherical:
    """The unit sphere with ``2 - 2 cos`` (HIER_sph in the paper's Table 2): directions alone, no radii.

    It is the squared chord, so the origin is at distance 1 of every point.
    """

    def points(self, vectors: Tensor) -> Tensor:
        """Directions; a vector at the origin stays there, with gradient 0."""
        vectors = upcast(vectors)
        norm = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
        return torch.where(norm > _TINY, vectors / norm.clamp_min(_TINY), 0 * vectors)

    def vectors(self, points: Tensor) -> Tensor:
        """The points themselves."""
        return points

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """``2 - 2 cos``."""
        dtype = torch.promote_types(x.dtype, y.dtype)
        with torch.autocast(x.device.type, enabled=False):
            return (2 - 2 * x.to(dtype) @ y.to(dtype).T).clamp_min(0)

    def to_origin(self, x: Tensor) -> Tensor:
        """1 for every point."""
        return torch.ones_like(x[:, 0])

    def centroids(self, x: Tensor, cluster: Tensor, count: int) -> Tensor:
        """Mean directions."""
        return self.points(_means(x, cluster, count))

    def held(self) -> Space:
        """This space: it has no curvature to hold."""
        return self


class Euclidean:
    """Vectors as they are, with ``|x - y|``."""

    def points(self, vectors: Tensor) -> Tensor:
        """The vectors themselves."""
        return upcast(vectors)

    def vectors(self, points: Tensor) -> Tensor:
        """The points themselves."""
        return points

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        """``|x - y|``."""
        x, y = upcast(x), upcast(y)
        with torch.autocast(x.device.type, enabled=False):
            if x.device.type == "mps":  # no float64, without which the matrix product loses near pairs
                return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
            dist = torch.cdist(x.double(), y.double(), compute_mode="use_mm_for_euclid_dist")
            return dist.to(torch.promote_types(x.dtype, y.dtype))

    def to_origin(self, x: Tensor) -> Tensor:
        """Norms."""
        return torch.linalg.vector_norm(upcast(x), dim=-1)

    def centroids(self, x: Tensor, cluster: Tensor, count: int) -> Tensor:
        """Means."""
        return _means(upcast(x), cluster, count)

    def held(self) -> Space:
        """This space: it has no curvature to hold."""
        return self


def create_space(geometry: Geometry, c: Curvature, clip_r: float, as_released: bool) -> Space:
    """The space of a geometry; the ball with the released epsilons if asked for."""
    if geometry == "spherical":
        return Spherical()
    if geometry == "euclidean":
        return Euclidean()
    return (Released if as_released else Hyperbolic)(c, clip_r)


def _means(x: Tensor, cluster: Tensor, count: int) -> Tensor:
    size = torch.bincount(cluster, minlength=count)
    return x.new_zeros(count, x.shape[1]).index_add_(0, cluster, x) / size[:, None]
