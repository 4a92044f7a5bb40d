"""UMAP into the hyperbolic plane, from exact hyperbolic neighbours of the learned space."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.geometry import curvature_of
from hyperdml.geometry.curvature import Curvature
from hyperdml.neighbors import HyperbolicKNN
from hyperdml.viz.layouts.align import centred

NEIGHBOURS = 30
_DEEPEST = 14.0  # hyperbolic radius; beyond it digits of the distance to the rim are lost


@torch.no_grad()
def umap_layout(
    points: Tensor,
    *,
    c: Curvature,
    neighbors: int = NEIGHBOURS,
    seed: int = 0,
    start: NDArray[np.complex128] | None = None,
) -> NDArray[np.complex128]:
    """UMAP (McInnes et al. 2018) with hyperboloid output, the look of HIER's Figures 3 and 8.

    UMAP is given the exact neighbours in hyperbolic distance of curvature -c (`HyperbolicKNN`), not a distance of its
    own; its output (x, y) on the hyperboloid is ``(x, y) / (1 + sqrt(1 + x^2 + y^2))`` in the disk. The result is moved
    so that its centroid is at 0, which changes no distance. **Its radius is not depth**: UMAP knows neighbours, not the
    distance to the origin, and it makes clusters look cleaner than they are.

    Args:
        points: (N, d) points of the ball, images and proxies together, N >= 4.
        c: curvature magnitude.
        neighbors: of each point, itself among them.
        seed: of UMAP, which takes one thread with it.
        start: (N,) places to begin from, as those after an earlier epoch; by default UMAP's spectral start.

    Returns:
        (N,) complex numbers, at hyperbolic radius 14 at most; those of copies of a point differ by noise.

    Raises:
        ValueError: too few points or neighbours.
    """
    count = len(points)
    if count < 4 or neighbors < 2:
        raise ValueError(f"UMAP needs 4 points and 2 neighbours or more, got {count} and {neighbors}")
    k = min(neighbors, count - 1)
    x = points.detach().cpu().double()
    distances, indices = HyperbolicKNN(c=curvature_of(c))(x, k - 1, x, ref_includes_query=True)
    own = torch.arange(count)[:, None]
    known = (
        torch.cat([own, indices], 1).numpy().astype(np.int32),
        torch.cat([torch.zeros(count, 1), distances.float()], 1).numpy().astype(np.float32),
    )
    init: str | NDArray[np.float32] = "spectral" if count > 3 * k else "random"
    if start is not None:
        lift = 2 * start / (1 - np.abs(start) ** 2)
        init = np.stack([lift.real, lift.imag], 1).astype(np.float32)
    with warnings.catch_warnings():
        # about TensorFlow, its seed, its threads and neighbours that it did not search for
        warnings.simplefilter("ignore")
        from umap import UMAP

        flat = UMAP(
            n_neighbors=k,
            output_metric="hyperboloid",
            precomputed_knn=known,
            force_approximation_algorithm=True,
            init=init,
            random_state=seed,
            n_jobs=1,
        ).fit_transform(x.numpy())
    lift = flat.astype(np.float64) @ np.array([1, 1j])
    return _within(centred(lift / (1 + np.sqrt(1 + np.abs(lift) ** 2))))


def _within(places: NDArray[np.complex128]) -> NDArray[np.complex128]:
    most = np.tanh(_DEEPEST / 2)
    size = np.abs(places)
    out: NDArray[np.complex128] = places * np.minimum(1, most / np.maximum(size, most))
    return out
