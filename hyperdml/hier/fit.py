"""Hierarchical proxies by clustering: k-means at several resolutions, every centre the centroid of its members."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of
from hyperdml.hier.spaces import Hyperbolic, Space

LEVELS = (8, 32, 128, 512)
_ITERATIONS = 20


@torch.no_grad()
def fit_proxies(
    embeddings: Tensor,
    levels: Sequence[int] = LEVELS,
    *,
    c: float = 0.1,
    seed: int = 0,
    space: Space | None = None,
) -> Tensor:
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
        space: another space to take centroids in; None is the ball of curvature -c.

    Returns:
        (sum(levels), d) points of the ball, coarsest level first, float32 or float64 as the embeddings are.

    Raises:
        ValueError: levels are not increasing positive numbers, there are too few embeddings, or some are not finite.
    """
    levels = check_levels(levels)
    if embeddings.ndim != 2 or len(embeddings) < levels[-1]:
        raise ValueError(
            f"fitting {levels[-1]} proxies needs (N, d) embeddings with N >= {levels[-1]}, "
            f"got {tuple(embeddings.shape)}"
        )
    if not embeddings.isfinite().all():
        raise ValueError("embeddings must be finite")
    space = space or Hyperbolic(curvature_of(c), 1.0)
    embeddings = embeddings.detach()
    directions = torch.nn.functional.normalize(embeddings.float(), dim=1).cpu()
    found = []
    for count in levels:
        cluster = _spherical_kmeans(directions, count, seed).to(embeddings.device)
        found.append(space.centroids(embeddings, cluster, count))
    return torch.cat(found)


def check_levels(levels: Sequence[int]) -> tuple[int, ...]:
    """The level sizes as a tuple; a ValueError unless they are positive and increase."""
    levels = tuple(levels)
    if not levels or levels[0] < 1 or any(a >= b for a, b in pairwise(levels)):
        raise ValueError(f"levels must be increasing positive numbers of proxies, coarse to fine, got {levels}")
    return levels


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
