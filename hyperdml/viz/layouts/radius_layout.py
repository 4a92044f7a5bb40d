"""Places in the Poincaré disk: the radius is the learned one, the angle keeps neighbours together."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hyperdml.geometry import pairwise_distance


@torch.no_grad()
def radius_layout(points: Tensor, proxies: Tensor, c: float, neighbors: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Positions of points and proxies in the unit disk.

    The radius of every node is its radius in the learned space, ``sqrt(c) |x|``: nothing is refitted. The angle is the
    order of the leaves of an average-linkage tree over hyperbolic distances, so similar images are neighbours on the
    circle; a proxy stands at the circular mean of its nearest points.

    Args:
        points: (N, d) points of the ball, N >= 2; takes O(N^2) memory.
        proxies: (P, d) points of the ball.
        c: curvature magnitude.
        neighbors: points that decide a proxy's angle.

    Returns:
        (N,) and (P,) complex numbers in the unit disk.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = pairwise_distance(points.double(), points.double(), c).numpy()
    distance = np.maximum(distance, distance.T)  # symmetric to the last bit, as squareform demands
    np.fill_diagonal(distance, 0)
    order = leaves_list(linkage(squareform(distance, checks=False), "average"))
    angle = np.empty(len(points))
    angle[order] = 2 * math.pi * (np.arange(len(points)) + 0.5) / len(points)
    near = pairwise_distance(proxies, points, c).topk(min(neighbors, len(points)), largest=False).indices.numpy()
    toward = np.exp(1j * angle[near]).mean(1)
    return (
        _radius(points, c) * np.exp(1j * angle),
        _radius(proxies, c) * np.exp(1j * np.angle(toward)),
    )


def _radius(x: Tensor, c: float) -> np.ndarray:
    radius: np.ndarray = (math.sqrt(c) * x.double().norm(dim=1)).numpy()
    return radius
