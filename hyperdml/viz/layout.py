"""Places in the Poincaré disk: the radius is the learned one, the angle keeps neighbours together."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hyperdml.geometry import pairwise_distance


@torch.no_grad()
def disk_layout(points: Tensor, proxies: Tensor, c: float, neighbors: int = 5) -> tuple[np.ndarray, np.ndarray]:
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


def geodesic(start: np.ndarray, end: np.ndarray, steps: int = 24) -> np.ndarray:
    """Points along the geodesics of the unit disk.

    With the Möbius map that moves `start` to 0 the geodesic is a straight ray; its points are moved back.

    Args:
        start: (E,) complex numbers of modulus below 1.
        end: (E,) complex numbers of modulus below 1.
        steps: points per geodesic.

    Returns:
        (E, steps) complex numbers, from start to end at equal hyperbolic distances.
    """
    start, end = start[:, None], end[:, None]
    target = (end - start) / (1 - np.conj(start) * end)
    length = np.arctanh(np.abs(target))
    direction = np.where(length > 0, target / np.maximum(np.abs(target), 1e-300), 0)
    ray = np.tanh(length * np.linspace(0, 1, steps)) * direction
    return (ray + start) / (1 + np.conj(start) * ray)


def _radius(x: Tensor, c: float) -> np.ndarray:
    radius: np.ndarray = (math.sqrt(c) * x.double().norm(dim=1)).numpy()
    return radius
