"""Hierarchical proxies by clustering: k-means at several resolutions, every centre the centroid of its members."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of
from hyperdml.geometry.curvature import Curvature
from hyperdml.geometry.maps import upcast
from hyperdml.hier.spaces import Hyperbolic, Space

LEVELS = (8, 32, 128, 512)
_ITERATIONS = 20


def fit_proxies(embeddings: Tensor, levels: Sequence[int] = LEVELS, *, c: Curvature = 0.1, seed: int = 0) -> Tensor:
    """Proxies of a hierarchy, read off trained embeddings: spherical k-means per level, Lorentz centroids.

    Directions are clustered by k-means (FAISS, cosine); a cluster's proxy is the Lorentz centroid of its members, the
    mean of their lifts to the hyperboloid scaled back to it. The wider a cluster, the nearer its centroid lies to
    the origin, so coarse levels come to lie inside of fine ones by themselves. Works for embeddings of any model, needs
    no training, and is what learned proxies have to be compared with.

    Args:
        embeddings: (N, d) points of the ball, N at least the size of the largest level.
        levels: numbers of proxies from coarse to fine, increasing.
        c: curvature magnitude.
        seed: of the k-means starts.

    Returns:
        (sum(levels), d) points of the ball, coarsest level first, float32 or float64 as the embeddings are.

    Raises:
        ValueError: levels are not increasing positive numbers, there are too few embeddings, some are not finite, or
            some lie outside the ball.
    """
    levels = check_levels(levels)
    c = curvature_of(c)
    check_embeddings(embeddings, levels)
    norm = float(upcast(embeddings.detach()).norm(dim=1).max())
    if norm >= c**-0.5:
        raise ValueError(
            f"an embedding has norm {norm:.4g}, outside the ball of radius {c**-0.5:.4g} (c={c:g}); map features with "
            "ToPoincare first"
        )
    return level_centroids(embeddings, levels, Hyperbolic(c, 1.0), seed)


@torch.no_grad()
def level_centroids(points: Tensor, levels: Sequence[int], space: Space, seed: int) -> Tensor:
    """(sum(levels), d) centres in a space of k-means clusters of directions, one clustering a level."""
    points = points.detach()
    directions = torch.nn.functional.normalize(points.float(), dim=1).cpu()
    found = []
    for count in levels:
        cluster = _spherical_kmeans(directions, count, seed).to(points.device)
        found.append(space.centroids(points, cluster, count))
    return torch.cat(found)


def check_embeddings(embeddings: Tensor, levels: Sequence[int]) -> None:
    """Raise a ValueError unless there are as many finite (N, d) embeddings as the finest level has proxies."""
    if embeddings.ndim != 2 or len(embeddings) < levels[-1]:
        raise ValueError(
            f"fitting {levels[-1]} proxies needs (N, d) embeddings with N >= {levels[-1]}, "
            f"got {tuple(embeddings.shape)}"
        )
    if not embeddings.isfinite().all():
        raise ValueError("embeddings must be finite")


def check_levels(levels: Sequence[int]) -> tuple[int, ...]:
    """The level sizes as a tuple; a ValueError unless they are positive whole numbers and increase."""
    found = tuple(levels) if isinstance(levels, list | tuple) else ()
    whole = all(isinstance(size, int) and size >= 1 for size in found)
    if not found or not whole or any(a >= b for a, b in pairwise(found)):
        raise ValueError(f"levels must be increasing positive numbers of proxies, coarse to fine, got {levels!r}")
    return found


def _spherical_kmeans(directions: Tensor, count: int, seed: int) -> Tensor:
    """(N,) cluster of every unit vector; no cluster is empty."""
    import faiss

    kmeans = faiss.Kmeans(
        directions.shape[1],
        count,
        niter=_ITERATIONS,
        spherical=True,
        seed=seed % 2**31,
        min_points_per_centroid=1,
        max_points_per_centroid=len(directions),
    )
    kmeans.train(directions.numpy())
    centres = torch.from_numpy(kmeans.centroids)
    similarity = directions @ centres.T
    cluster = similarity.argmax(1)
    size = torch.bincount(cluster, minlength=count)
    for empty in (size == 0).nonzero()[:, 0]:
        # coincident points leave centres without members: take the worst served point of a cluster that has several
        fit = similarity.gather(1, cluster[:, None])[:, 0].masked_fill(size[cluster] < 2, torch.inf)
        moved = fit.argmin()
        size[cluster[moved]] -= 1
        cluster[moved] = empty
        size[empty] = 1
    return cluster
