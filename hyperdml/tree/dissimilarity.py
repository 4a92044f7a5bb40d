"""How unlike two leaves are: what the linkage methods merge by."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hyperdml.geometry import dist0, pairwise_distance

Between = Callable[[Tensor, Tensor], Tensor]


def dissimilarity(method: str, points: Tensor, c: float) -> Between:
    """Dissimilarities of leaves, the first three in the unit of hyperbolic distance.

    With R the largest radius of a leaf:

    - "average": the hyperbolic distance.
    - "gromov": ``R - (x|y)`` with the Gromov product from the origin, ``(x|y) = (d(x,0) + d(y,0) - d(x,y)) / 2``.
    - "hyphc": R less the distance from the origin to the geodesic between the two leaves after both have been brought
      to radius R, ``tanh(sqrt(c) d) = tanh(sqrt(c) R) cos(angle / 2)``; this is how deep their lowest common ancestor
      lies in HypHC (Chami et al., NeurIPS 2020).
    - "cosine": ``1 - cos(x, y)``.
    - "euclidean": ``|x - y|``.

    Args:
        method: one of the five.
        points: (N, d) float64 points of the ball; for the last two any vectors.
        c: curvature magnitude.

    Returns:
        A function of (r,) and (s,) indices that gives (r, s) float64 numbers of 0 or more.
    """
    if method == "average":
        return lambda rows, columns: pairwise_distance(points[rows], points[columns], c)
    if method == "euclidean":
        return lambda rows, columns: torch.cdist(points[rows], points[columns])
    directions = torch.nn.functional.normalize(points, dim=1, eps=1e-300)
    if method == "cosine":
        return lambda rows, columns: (1 - directions[rows] @ directions[columns].T).clamp_min_(0)
    radius = dist0(points, c)
    largest = radius.max()
    if method == "gromov":

        def gromov(rows: Tensor, columns: Tensor) -> Tensor:
            product = radius[rows][:, None] + radius[columns] - pairwise_distance(points[rows], points[columns], c)
            return (largest - product / 2).clamp_min_(0)

        return gromov

    def hyphc(rows: Tensor, columns: Tensor) -> Tensor:
        half = ((1 + directions[rows] @ directions[columns].T) / 2).clamp_(0, 1).sqrt_()
        return (largest - torch.atanh((c**0.5 * largest).tanh() * half) / c**0.5).clamp_min_(0)

    return hyphc


def condensed(between: Between, members: Tensor, block: int = 2_000_000) -> Tensor:
    """(n (n - 1) / 2,) dissimilarities of all pairs of (n,) leaves on the CPU, row by row.

    Args:
        between: of `dissimilarity`.
        members: (n,) indices.
        block: entries computed at once.
    """
    n = len(members)
    out = torch.empty(n * (n - 1) // 2, dtype=torch.float64)
    step, done = max(1, block // max(1, n)), 0
    for start in range(0, n - 1, step):
        part = between(members[start : start + step], members[start:]).cpu()
        upper = torch.arange(part.shape[0])[:, None] < torch.arange(part.shape[1])
        values = part[upper]
        out[done : done + len(values)] = values
        done += len(values)
    return out
