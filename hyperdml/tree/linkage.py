"""Binary trees by linkage: directly over all pairs, or within k-means cells and then over the cells."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hyperdml.geometry import logmap0
from hyperdml.neighbors.kmeans import kmeans, nearest_centre
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy.csr import Ints
from hyperdml.tree.dissimilarity import Between, condensed, dissimilarity
from hyperdml.tree.shape import Floats

_POINTS, _MOST, _ROUNDS = 32, 4096, 8  # points a cell, cells, rounds of k-means
_LARGEST = 2048  # points of a cell; more are cut in parts
_SAMPLED = 8  # points of a cell that stand for it
_SINGLE = ("hyphc", "gromov")
_BLOCK = 4_000_000  # sampled pairs at once, 32 MB
Merges = tuple[Ints, Ints, Floats]


def linkage_tree(points: Tensor, c: float, method: str, direct: int, seed: int) -> tuple[Ints, Floats]:
    """Parents and heights of the binary tree of a linkage.

    "average", "cosine" and "euclidean" merge the two clusters with the least mean dissimilarity (see `dissimilarity`)
    between their leaves, "hyphc" and "gromov" those with the least at all. Up to `direct` points this is exact, in
    O(N^2) time and 4 N^2 bytes (0.4 GB at 10,000). Beyond, the points are put into cells by k-means in the tangent
    space at the origin (for "hyphc" and "cosine" of directions, for "euclidean" of the vectors), about 32 a cell; every
    cell has its exact tree; over the cells the dissimilarity of two is taken from 8 points of each. Where a node above
    the cells would lie below one in a cell, it is raised to it.

    The points are dealt in a random order first: rows often come sorted by class, and ties that are broken by row would
    find the classes in copies of one point.

    Args:
        points: (N, d) float64 points of the ball; for "cosine" and "euclidean" any vectors.
        c: curvature magnitude.
        method: a name that `dissimilarity` takes.
        direct: most points of the exact way.
        seed: of k-means and the order.

    Returns:
        (2N - 1,) parents and heights in the order of a `Dendrogram`.
    """
    from hyperdml.tree.compiled_linkage import number_merges, raise_heights

    n = len(points)
    dealt = torch.randperm(n, generator=torch.Generator().manual_seed(derive_seed(seed, "ties of a tree")))
    points = points[dealt.to(points.device)]
    between, single = dissimilarity(method, points, c), method in _SINGLE
    if n <= direct:
        first, second, heights = _merged(condensed(between, torch.arange(n)), np.ones(n), single)
    else:
        first, second, heights = _over_cells(between, _cells(_flat(points, c, method), seed), single)
    raise_heights(first, second, heights, n)
    order = np.argsort(heights, kind="stable")  # merges of one height keep their order: parts come first
    parents = number_merges(first, second, order, n)
    parents[dealt.numpy()] = parents[:n].copy()
    return parents, np.concatenate([np.zeros(n), heights[order]])


def _merged(distances: Tensor, sizes: Floats, single: bool) -> Merges:
    from hyperdml.tree.compiled_linkage import merge_all

    count = len(sizes) - 1
    first, second, heights = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count)
    merge_all(distances.numpy(), sizes.astype(np.float64), single, first, second, heights)
    return first, second, heights


def _over_cells(between: Between, cells: list[Tensor], single: bool) -> Merges:
    found = []
    for cell in cells:
        first, second, heights = _merged(condensed(between, cell), np.ones(len(cell)), single)
        found.append((cell.numpy()[first], cell.numpy()[second], heights))
    sizes = np.array([len(cell) for cell in cells])
    first, second, heights = _merged(_between_cells(between, cells, single), sizes, single)
    heads = np.array([int(cell[0]) for cell in cells])
    found.append((heads[first], heads[second], heights))
    joined = zip(*found, strict=True)
    one, other, levels = (np.concatenate(part) for part in joined)
    return one, other, levels


def _flat(points: Tensor, c: float, method: str) -> Tensor:
    """(N, d) float32 vectors whose Euclidean k-means makes the cells."""
    if method in ("hyphc", "cosine"):
        return torch.nn.functional.normalize(points).float()
    return points.float() if method == "euclidean" else logmap0(points, c).float()


def _cells(flat: Tensor, seed: int) -> list[Tensor]:
    """Indices of the points of every cell, none empty."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "cells of a tree"))
    count = min(_MOST, max(1, len(flat) // _POINTS))
    owner = nearest_centre(flat, kmeans(flat, count, _ROUNDS, generator)).cpu()
    groups = owner.argsort(stable=True).split(torch.bincount(owner, minlength=count).tolist())
    return [part for group in groups if len(group) for part in group.split(_LARGEST)]


def _between_cells(between: Between, cells: list[Tensor], single: bool) -> Tensor:
    """Condensed dissimilarities of cells: the mean over all pairs of their samples, or the least."""
    spread = (torch.arange(_SAMPLED) + 0.5) / _SAMPLED
    samples = torch.stack([cell[(spread * len(cell)).long()] for cell in cells])

    def over_samples(rows: Tensor, columns: Tensor) -> Tensor:
        pairs = between(samples[rows].flatten(), samples[columns].flatten())
        parts = pairs.view(len(rows), _SAMPLED, len(columns), _SAMPLED)
        return parts.amin((1, 3)) if single else parts.mean((1, 3))

    return condensed(over_samples, torch.arange(len(cells)), _BLOCK // _SAMPLED**2)
