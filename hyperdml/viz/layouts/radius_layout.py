"""Places in the Poincaré disk: the radius is the learned one, the angle keeps neighbours together."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.neighbors import HyperbolicKNN
from hyperdml.tree import extract_tree


@torch.no_grad()
def radius_layout(
    points: Tensor,
    proxies: Tensor,
    c: float,
    neighbors: int = 5,
    *,
    order: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Positions of points and proxies in the unit disk.

    The radius of every node is its radius in the learned space, ``sqrt(c) |x|``: nothing is refitted. The angle is the
    order of the leaves of an average-linkage tree over hyperbolic distances, so similar images are neighbours on the
    circle; a proxy stands at the circular mean of its nearest points.

    Args:
        points: (N, d) points of the ball, N >= 2.
        proxies: (P, d) points of the ball, P may be 0.
        c: curvature magnitude.
        neighbors: points that decide a proxy's angle.
        order: (N,) the points from left to right, where their tree is grown already (`Dendrogram.order`).

    Returns:
        (N,) and (P,) complex numbers in the unit disk.
    """
    if order is None:
        order = extract_tree(points, c=c).order
    angle = np.empty(len(points))
    angle[order] = 2 * math.pi * (np.arange(len(points)) + 0.5) / len(points)
    images = _radius(points, c) * np.exp(1j * angle)
    if not len(proxies):
        return images, images[:0]
    near = HyperbolicKNN(c=c)(proxies, min(neighbors, len(points)), points)[1].numpy()
    toward = np.exp(1j * angle[near]).mean(1)
    return images, _radius(proxies, c) * np.exp(1j * np.angle(toward))


def _radius(x: Tensor, c: float) -> NDArray[np.float64]:
    radius: NDArray[np.float64] = (math.sqrt(c) * x.double().norm(dim=1)).numpy()
    return radius
