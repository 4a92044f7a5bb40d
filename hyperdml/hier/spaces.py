"""The space in which HIER measures: the Poincaré ball, and the sphere and the flat space as controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from hyperdml.geometry import clip_norm, dist0, expmap0, logmap0, lorentz_centroids, pairwise_distance
from hyperdml.geometry.curvature import Curvature
from hyperdml.geometry.maps import upcast
from hyperdml.hier import released

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


@dataclass(frozen=True)
class Hyperbolic:
    """The Poincaré ball of curvature -c; vectors are tangent at the origin and clipped to clip_r."""

    c: Curvature
    clip_r: float

    def points(self, vectors: Tensor) -> Tensor:
        return expmap0(clip_norm(vectors, self.clip_r), self.c)

    def vectors(self, points: Tensor) -> Tensor:
        return logmap0(points, self.c)

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, self.c)

    def to_origin(self, x: Tensor) -> Tensor:
        return dist0(x, self.c)

    def centroids(self, x: Tensor, cluster: Tensor, count: int) -> Tensor:
        return lorentz_centroids(x, cluster, count, self.c)[0]


class Released(Hyperbolic):
    """The ball with the epsilons of the released implementation, for `mode="official"`."""

    def points(self, vectors: Tensor) -> Tensor:
        return released.to_ball(vectors, self.c, self.clip_r)

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        return released.pairwise_distance(x, y, self.c)


class Spherical:
    """The unit sphere with ``2 - 2 cos`` (HIER_sph in the paper's Table 2): directions alone, no radii.

    It is the squared chord, so the origin is at distance 1 of every point.
    """

    def points(self, vectors: Tensor) -> Tensor:
        return torch.nn.functional.normalize(upcast(vectors), dim=-1)

    def vectors(self, points: Tensor) -> Tensor:
        return points

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return (2 - 2 * self.points(x) @ self.points(y).T).clamp_min(0)

    def to_origin(self, x: Tensor) -> Tensor:
        return torch.ones_like(x[:, 0])

    def centroids(self, x: Tensor, cluster: Tensor, count: int) -> Tensor:
        return self.points(_means(self.points(x), cluster, count))


class Euclidean:
    """Vectors as they are, with ``|x - y|``."""

    def points(self, vectors: Tensor) -> Tensor:
        return upcast(vectors)

    def vectors(self, points: Tensor) -> Tensor:
        return points

    def pairwise(self, x: Tensor, y: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return torch.cdist(upcast(x), upcast(y), compute_mode="donot_use_mm_for_euclid_dist")

    def to_origin(self, x: Tensor) -> Tensor:
        return torch.linalg.vector_norm(upcast(x), dim=-1)

    def centroids(self, x: Tensor, cluster: Tensor, count: int) -> Tensor:
        return _means(upcast(x), cluster, count)


def _means(x: Tensor, cluster: Tensor, count: int) -> Tensor:
    size = torch.bincount(cluster, minlength=count)
    return x.new_zeros(count, x.shape[1]).index_add_(0, cluster, x) / size[:, None]
