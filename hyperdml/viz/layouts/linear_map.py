"""Two directions of the ball, found once and shown for any points: tangent PCA and its horospherical kin."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.geometry import curvature_of, einstein_midpoint, logmap0, mobius_add
from hyperdml.geometry.curvature import Curvature
from hyperdml.viz.layouts.align import centroid

Kind = Literal["tangent-pca", "horospherical"]
_SAMPLE, _STEPS, _RATE = 5000, 200, 0.05  # of the search for horospherical directions
_QUANTILE, _REACH = 0.99, 0.95  # so many of the points lie within this radius of the disk


@dataclass(frozen=True, eq=False)
class LinearMap:
    """A map from the ball to the disk that is fitted once and applied to every epoch.

    Attributes:
        directions: (d, 2) orthonormal, float64.
        centre: (d,) point of the ball that is moved to 0 first.
        c: curvature magnitude.
        kind: "tangent-pca" or "horospherical".
        middle: place of the disk that is moved to 0 then; 0 for "tangent-pca".
        scale: factor of the radii in the disk.
        share: part of the variance, of tangent vectors or of Busemann coordinates, that the two directions hold.
    """

    directions: Tensor
    centre: Tensor
    c: float
    kind: Kind
    middle: complex
    scale: float
    share: float

    @classmethod
    def fit(cls, points: Tensor, *, c: Curvature, kind: Kind = "tangent-pca") -> LinearMap:
        """Find the directions.

        The points are first moved by the Möbius translation that takes their Einstein midpoint m to 0, ``(-m) + x``.
        *tangent-pca*: the two first singular directions of the tangent vectors at 0. *horospherical*: orthonormal
        directions p, q of the rim, one after the other those of the largest variance of the Busemann coordinate
        ``B_p(x) = log(|p - x|^2 / (1 - |x|^2))`` of the unit ball (after HoroPCA, Chami et al., ICML 2021), by 200
        steps of gradient ascent from the tangent ones on at most 5,000 points. What the points hold in other directions
        pushes them away from both rim points, so the centroid of their places is moved to 0 once more.

        Args:
            points: (N, d) points of the ball, d >= 2.
            c: curvature magnitude.
            kind: which of them.

        Raises:
            ValueError: an unknown kind, fewer than two points or dimensions.
        """
        if kind not in ("tangent-pca", "horospherical"):
            raise ValueError(f"kind must be 'tangent-pca' or 'horospherical', got {kind!r}")
        if points.ndim != 2 or len(points) < 2 or points.shape[1] < 2:
            raise ValueError(f"points must be (N, d) with N and d at least 2, got {tuple(points.shape)}")
        c = curvature_of(c)
        centre = einstein_midpoint(points.detach().cpu().double(), c=c)
        x = _moved(points, centre, c)
        u = logmap0(x, c)
        values, vectors = torch.linalg.eigh(u.T @ u)
        directions = vectors[:, [-1, -2]]
        directions = directions * directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()
        share = float(values[-2:].sum() / values.sum().clamp_min(1e-300))
        if kind == "horospherical":
            directions, share = _busemann_directions(math.sqrt(c) * x, directions)
        bare = cls(directions, centre, c, kind, 0j, 1.0, share)
        if kind == "horospherical":
            bare = replace(bare, middle=centroid(bare(points)))
        reach = float(np.quantile(np.arctanh(np.abs(bare(points))), _QUANTILE))
        return replace(bare, scale=math.atanh(_REACH) / reach if reach > 0 else 1.0)

    @torch.no_grad()
    def __call__(self, points: Tensor) -> NDArray[np.complex128]:
        """(N,) places of (N, d) points of the ball, at hyperbolic radius 14 at most."""
        x = _moved(points, self.centre, self.c)
        if self.kind == "tangent-pca":
            flat = (logmap0(x, self.c) @ self.directions).numpy() @ np.array([1, 1j])
            half = math.sqrt(self.c) * np.abs(flat)  # half the hyperbolic radius, in units of 1 / sqrt(c)
        else:
            unit = math.sqrt(self.c) * x
            square = (unit * unit).sum(1)
            time = ((1 + square) / (1 - square)).numpy()
            flat = _from_busemann(_busemann(unit, self.directions).numpy(), time)
            flat = (flat - self.middle) / (1 - np.conj(self.middle) * flat)
            half = np.arctanh(np.minimum(np.abs(flat), 1 - 1e-12))
        turn = np.where(np.abs(flat) > 0, flat / np.maximum(np.abs(flat), 1e-300), 0)
        out: NDArray[np.complex128] = np.tanh(np.minimum(self.scale * half, 7.0)) * turn
        return out


def _moved(points: Tensor, centre: Tensor, c: float) -> Tensor:
    return mobius_add(-centre[None], points.detach().cpu().double(), c)


def _busemann(x: Tensor, directions: Tensor) -> Tensor:
    """(N, k) Busemann coordinates of points of the unit ball; 0 at the origin, falling towards the direction."""
    square = (x * x).sum(1, keepdim=True)
    return torch.log((1 + square - 2 * x @ directions) / (1 - square))


def _from_busemann(coordinates: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Points of the disk with the Busemann coordinates (N, 2) towards 1 and i.

    On the hyperboloid ``a = exp(B) = t - s``, so in the plane ``t^2 = 1 + (t - a)^2 + (t - b)^2``: two points, mirrored
    in the geodesic from 1 to i, where ``t = a + b``. The one is taken on whose side the point of the ball is, by its
    own time (N,), so that a point of the plane of the two directions stays where it is.
    """
    a, b = np.exp(coordinates).T
    side = np.where(times > a + b, 1.0, -1.0)
    time = a + b + side * np.sqrt(np.maximum(2 * a * b - 1, 0))
    found: NDArray[np.complex128] = ((time - a) + 1j * (time - b)) / (1 + time)
    return found


def _busemann_directions(x: Tensor, start: Tensor) -> tuple[Tensor, float]:
    """(d, 2) orthonormal directions of large variance, and their share of the variance over all axes."""
    step = max(1, len(x) // _SAMPLE)
    sample, found = x[::step], start.new_zeros(start.shape[0], 0)
    for column in start.T:
        p = (column if _spread(sample, column) >= _spread(sample, -column) else -column).clone().requires_grad_()
        optimizer = torch.optim.Adam([p], lr=_RATE)
        with torch.enable_grad():
            for _ in range(_STEPS):
                optimizer.zero_grad()
                (-_spread(sample, _unit(p, found))).backward()
                optimizer.step()
        found = torch.cat([found, _unit(p.detach(), found)[:, None]], 1)
    axes = torch.linalg.svd(found, full_matrices=True).U  # the two, and what is orthogonal to them
    whole = _busemann(sample, axes).var(0)
    own = _busemann(sample, found).var(0).sum()
    return found, float(own / (own + whole[2:].sum()).clamp_min(1e-300))


def _spread(x: Tensor, p: Tensor) -> Tensor:
    return _busemann(x, p[:, None]).var()


def _unit(p: Tensor, others: Tensor) -> Tensor:
    """The direction orthogonal to those found, of length 1."""
    return torch.nn.functional.normalize(p - others @ (others.T @ p), dim=0)
