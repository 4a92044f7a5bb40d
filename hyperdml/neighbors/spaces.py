"""Three distances, each with the pair of lifts that turns its nearest neighbour into the largest inner product."""

from __future__ import annotations

import math
import warnings
from typing import Protocol

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of, distance, expmap0, lift, logmap0


class Space(Protocol):
    """What a search needs to know about a distance; every tensor comes and goes as float64.

    Attributes:
        name: of the metric.
    """

    name: str

    @property
    def c(self) -> float | None:
        """Curvature magnitude of the ball; None for spaces that are none."""

    def check(self, x: Tensor, name: str, first: int = 0) -> None:
        """Raise ValueError for points that do not belong to the space; `first` is the number of the first row."""

    def lift_query(self, x: Tensor) -> Tensor:
        """(N, d) points to (N, w) vectors, to be multiplied with lifted references."""

    def lift_reference(self, x: Tensor) -> Tensor:
        """(N, d) points to (N, w) vectors."""

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Row-wise distances by direct differences; leading dimensions broadcast."""

    def score(self, distances: Tensor, query: Tensor) -> Tensor:
        """The inner product of the lifts that belongs to each query's distance: (N,) and (N, d) to (N,)."""

    def flat(self, x: Tensor) -> Tensor:
        """(N, d) points to vectors of which Euclidean means can be taken, for clustering."""

    def point(self, z: Tensor) -> Tensor:
        """Points of which `flat` gives (N, d) vectors, for the centres of clusters."""


class Hyperbolic:
    """Poincaré ball of curvature -c; the inner product of the lifts is ``-cosh(sqrt(c) d) / c``."""

    name = "hyperbolic"

    def __init__(self, c: float) -> None:
        self.c: float = curvature_of(c)
        self._warned = False

    def check(self, x: Tensor, name: str, first: int = 0) -> None:
        """Points inside the ball; warns once when all of them look L2-normalised."""
        norm = torch.linalg.vector_norm(x, dim=-1)
        radius = 1 / math.sqrt(self.c)
        outside = norm >= radius
        if outside.any():
            row = int(outside.nonzero()[0])
            raise ValueError(
                f"{name} row {first + row} has norm {float(norm[row]):.6g}, outside the ball of radius {radius:.6g} "
                f"(1/sqrt(c), c={self.c:g}); map features with ToPoincare first"
            )
        if not self._warned and len(x) > 1 and bool(((norm - 1).abs() < 1e-4).all()):
            self._warned = True
            warnings.warn(
                f"every {name} point has norm 1: the points were probably L2-normalised before or instead of the map "
                "into the ball, and hyperbolic distance then ranks exactly like cosine",
                UserWarning,
                stacklevel=6,  # the caller of the search
            )

    def lift_query(self, x: Tensor) -> Tensor:
        """Lorentz lift with the time coordinate negated."""
        z = lift(x, self.c)
        z[:, -1].neg_()
        return z

    def lift_reference(self, x: Tensor) -> Tensor:
        """Lorentz lift."""
        return lift(x, self.c)

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distance."""
        return distance(x, y, self.c)

    def score(self, distances: Tensor, query: Tensor) -> Tensor:
        """``-cosh(sqrt(c) d) / c``."""
        return -torch.cosh(math.sqrt(self.c) * distances) / self.c

    def flat(self, x: Tensor) -> Tensor:
        """Logarithmic map at the origin."""
        return logmap0(x, self.c)

    def point(self, z: Tensor) -> Tensor:
        """Exponential map at the origin."""
        return expmap0(z, self.c)


class Cosine:
    """Distance ``1 - cos``; the inner product of the normalised vectors is ``1 - d``."""

    name = "cosine"
    c = None

    def check(self, x: Tensor, name: str, first: int = 0) -> None:
        """No zero vector."""
        zero = (x == 0).all(-1)
        if zero.any():
            raise ValueError(f"{name} row {first + int(zero.nonzero()[0])} is the zero vector, which has no direction")

    def lift_query(self, x: Tensor) -> Tensor:
        """Unit vectors."""
        return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)

    def lift_reference(self, x: Tensor) -> Tensor:
        """Unit vectors."""
        return self.lift_query(x)

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """``|x/|x| - y/|y||^2 / 2``, which equals 1 - cos and keeps its digits for near-duplicates."""
        gap = self.lift_query(x) - self.lift_query(y)
        return (gap * gap).sum(-1) / 2

    def score(self, distances: Tensor, query: Tensor) -> Tensor:
        """``1 - d``."""
        return 1 - distances

    def flat(self, x: Tensor) -> Tensor:
        """Unit vectors."""
        return self.lift_query(x)

    def point(self, z: Tensor) -> Tensor:
        """The vectors themselves, and for the mean of opposite points, which has no direction, any vector."""
        return torch.where((z == 0).all(-1, keepdim=True), torch.ones_like(z), z)


class Euclidean:
    """Distance ``|x - y|``; the inner product of ``(2x, -1)`` and ``(y, |y|^2)`` is ``|x|^2 - d^2``."""

    name = "euclidean"
    c = None

    def check(self, x: Tensor, name: str, first: int = 0) -> None:
        """Every finite vector will do."""

    def lift_query(self, x: Tensor) -> Tensor:
        """``(2x, -1)``."""
        return torch.cat([2 * x, -torch.ones_like(x[:, :1])], -1)

    def lift_reference(self, x: Tensor) -> Tensor:
        """``(y, |y|^2)``."""
        return torch.cat([x, (x * x).sum(-1, keepdim=True)], -1)

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """``|x - y|``."""
        return torch.linalg.vector_norm(x - y, dim=-1)

    def score(self, distances: Tensor, query: Tensor) -> Tensor:
        """``|x|^2 - d^2``."""
        return (query * query).sum(-1) - distances * distances

    def flat(self, x: Tensor) -> Tensor:
        """The points themselves."""
        return x

    def point(self, z: Tensor) -> Tensor:
        """The vectors themselves."""
        return z
