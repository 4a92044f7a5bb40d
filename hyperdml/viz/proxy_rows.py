"""Proxies near the rim and the images around them: which are shown, and how alike these are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hyperdml.data import EmbeddingSet
from hyperdml.geometry import dist0
from hyperdml.metrics.trees.nulls import Score, compare, random_directions
from hyperdml.neighbors import HyperbolicKNN
from hyperdml.seeds import derive_seed
from hyperdml.viz.groups import Groups

_DRAWS = 20  # of proxies in random directions


@dataclass(frozen=True, eq=False)
class ProxyRows:
    """Proxies with their nearest images.

    Attributes:
        proxies: (Q,) int64 rows of the proxies, by falling radius; no image is nearest to two of them.
        radii: (Q,) their hyperbolic radii.
        found: (Q, k) int64 rows of the images, nearest first.
        commonest: for each proxy the id of the commonest class among its images and how many are of it; None without
            classes.
        alike: mean over all proxies of the share of the commonest class among the k nearest images, beside the same of
            proxies in random directions at the same radii; None without classes.
    """

    proxies: np.ndarray
    radii: np.ndarray
    found: np.ndarray
    commonest: tuple[tuple[int, int], ...] | None
    alike: Score | None


def proxy_rows(
    embeddings: EmbeddingSet, proxies: Tensor, classes: Groups | None, *, count: int = 8, k: int = 4, seed: int = 0
) -> ProxyRows:
    """The proxies of the largest radii, one a region: those that share an image with one already taken are passed over.

    Args:
        embeddings: the images as points.
        proxies: (P, d) points of the ball.
        classes: what the images are of, or None.
        count: how many proxies, at most.
        k: nearest images a proxy.
        seed: of the random directions.

    Raises:
        ValueError: `count` below 1, or k not between 1 and the number of images.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if not 1 <= k <= len(embeddings):
        raise ValueError(f"k={k} nearest images were asked for, expected 1 to {len(embeddings)}")
    knn = HyperbolicKNN(embeddings.c)
    knn.add(embeddings.points.cpu())
    radii = dist0(proxies.double(), embeddings.c)
    near = knn(proxies, k)[1].numpy()
    taken: set[int] = set()
    shown: list[int] = []
    for proxy in radii.argsort(descending=True, stable=True).tolist():
        images = set(near[proxy].tolist())
        if len(shown) < count and not images & taken:
            shown.append(proxy)
            taken |= images
    rows = np.array(shown, dtype=np.int64)
    found = near[rows]
    if classes is None:
        return ProxyRows(rows, radii.numpy()[rows], found, None, None)
    share = _commonest(classes.ids[near])[1].mean() / k
    generator = torch.Generator().manual_seed(derive_seed(seed, "proxies in random directions"))
    draws = []
    for _ in range(_DRAWS):
        random = random_directions(proxies.double(), generator).to(proxies.dtype)
        draws.append(float(_commonest(classes.ids[knn(random, k)[1].numpy()])[1].mean()) / k)
    alike = Score(float(share), {"random directions": compare(float(share), draws)})
    ids, times = _commonest(classes.ids[found])
    return ProxyRows(rows, radii.numpy()[rows], found, tuple(zip(ids.tolist(), times.tolist(), strict=True)), alike)


def _commonest(classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(Q,) commonest class of each row of (Q, k), of equal ones that of the nearer image, and how often it occurs."""
    times = (classes[:, :, None] == classes[:, None, :]).sum(2)
    first = times.argmax(1)
    rows = np.arange(len(classes))
    return classes[rows, first], times[rows, first]
