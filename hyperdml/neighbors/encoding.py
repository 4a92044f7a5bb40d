"""k-reciprocal encoding: every point as weights over the points of its expanded set (Zhong et al., CVPR 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hyperdml.neighbors.reciprocal_sets import expanded_graph
from hyperdml.neighbors.spaces import Cosine, Space

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_TILE = 1024, 4096  # products computed at once: 16 MB in float32, which the allocator keeps for the next
_COORDINATES = 2_000_000  # float64 coordinates gathered at once: 16 MB, of which the distance makes a few copies


def k_reciprocal_encoding(
    space: Space, points: Tensor, neighbors: Tensor, farthest: Tensor, k1: int, k2: int
) -> csr_array:
    """Rows of weights V, whose Jaccard distance tells how much two points share of their surroundings.

    ``V_p,g = exp(-s(p, g))`` for g in R*(p, k1) and p itself, divided by its sum over g, with s of `scaled`; then
    each row is the mean of the rows of the point and its k2 - 1 nearest (local query expansion).

    Args:
        space: the distance.
        points: (N, d) points.
        neighbors: (N, K) nearest others of each, nearest first; K at least k1 and k2 - 1 unless N - 1 is less.
        farthest: (N,) distance of each to the farthest, see `farthest_distances`.
        k1: neighbours of the reciprocal sets.
        k2: rows of the mean, the point's own among them.

    Returns:
        (N, N) float64, rows sum to 1, on the CPU. Memory O(N k1 k2).
    """
    import numpy as np
    from scipy.sparse import csr_array

    n = len(points)
    sets = expanded_graph(neighbors[:, :k1])
    source, target = sets.sources, sets.indices
    step = max(1, _COORDINATES // points.shape[1])
    pairs = zip(source.split(step), target.split(step), strict=True)
    distances = torch.cat([space.distance(points[i].double(), points[j].double()) for i, j in pairs])
    weight = torch.exp(-scaled(space, distances, farthest[source]))
    own = np.arange(n)
    rows, columns = (np.concatenate([own, ends.cpu().numpy()]) for ends in (source, target))
    weights = np.concatenate([np.ones(n), weight.cpu().numpy()])
    weights /= np.bincount(rows, weights)[rows]
    encoding = csr_array((weights, (rows, columns)), shape=(n, n))
    if k2 > 1:
        near = np.column_stack([own, neighbors[:, : k2 - 1].cpu().numpy()])
        ends = np.arange(0, near.size + 1, near.shape[1])
        encoding = csr_array((np.full(near.size, 1 / near.shape[1]), near.ravel(), ends), shape=(n, n)) @ encoding
    return encoding


def scaled(space: Space, distances: Tensor, farthest: Tensor) -> Tensor:
    """``d^2 / max d^2``: squared distances as a share of that to a point's farthest, between 0 and 1.

    The original takes squared Euclidean distances and divides each point's by their maximum, so that exp(-s) lies
    between 1/e and 1 whatever the unit, the curvature and the dimension. The cosine distance ``1 - cos`` is half the
    squared distance of the unit vectors, so it enters as it is. Where all points coincide, s is 0.
    """
    share = distances / torch.where(farthest > 0, farthest, 1)
    return share if isinstance(space, Cosine) else share * share


def farthest_distances(space: Space, points: Tensor) -> Tensor:
    """(N, d) points to their (N,) float64 distances to the farthest of them.

    The farthest is found by products of the lifts in the precision of the points, its distance is computed in float64.
    Time: one N x N product. Memory: the lifts, and a block of 16 MB in float32.
    """
    double = points.double()
    exact = points.dtype == torch.float64
    left, right = ((z if exact else z.float()) for z in (space.lift_query(double), space.lift_reference(double)))
    rows, columns = _TILE
    found = []
    for start in range(0, len(points), rows):
        block = left[start : start + rows]
        tiles = [(block @ part.T).min(1) for part in right.split(columns)]
        at = torch.stack([tile.values for tile in tiles]).argmin(0)
        far = torch.stack([tile.indices for tile in tiles]).gather(0, at[None])[0] + at * columns
        found.append(space.distance(double[start : start + rows], double[far]))
    return torch.cat(found)
