"""k-reciprocal neighbours of a whole data set, and the expanded sets of k-reciprocal re-ranking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hyperdml.neighbors.knn import make_knn
from hyperdml.neighbors.neighbor_graph import NeighborGraph, graph_of_edges

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_ROWS = 8192  # of the overlaps computed at once: at most k1 k1/2 entries each


def reciprocal_neighbors(
    points: Tensor,
    k: int,
    c: float | None = None,
    metric: str = "hyperbolic",
    *,
    self_counts: bool = False,
    **options: Any,
) -> NeighborGraph:
    """``R_k(x) = {y in N_k(x): x in N_k(y)}``, the k-reciprocal neighbours of every point, by exact search.

    Kim et al., HIER, CVPR 2023, Eq. 5; Qin et al., CVPR 2011. Time is that of the search.

    Args:
        points: (N, d) points of the ball for "hyperbolic", vectors otherwise.
        k: neighbours per point, at least 1; more than there are counts as all.
        c: curvature magnitude (the ball has curvature -c); required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        self_counts: the point itself takes one of its k places, which leaves k - 1 others. The released HIER counts
            so, and so does `reciprocal_mask` on the similarities of these points. By default it does not: k others.
        options: `engine` and `gpu` of the search, see `make_knn`.

    Returns:
        The symmetric graph, with distances, on the points' device.

    Raises:
        ValueError: k is below 1, or what `make_knn` and its search raise.

    Example:
        >>> import torch
        >>> line = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
        >>> graph = reciprocal_neighbors(line, 1, metric="euclidean")
        >>> [graph.row(i).tolist() for i in range(4)]
        [[1], [0], [], []]
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    knn = make_knn(metric, c, **options)
    if len(points) < 2:
        nobody = points.new_empty(len(points), 0)
        return reciprocal_graph(nobody.long(), nobody)
    others = min(k - self_counts, len(points) - 1)
    distances, indices = knn(points, max(1, others), points, ref_includes_query=True)
    return reciprocal_graph(indices[:, :others], distances[:, :others])


def reciprocal_graph(indices: Tensor, distances: Tensor | None = None) -> NeighborGraph:
    """Pairs of points that stand in each other's row of a neighbour table.

    Args:
        indices: (N, K) integer neighbours of every point in any order. The point itself, repeated neighbours and -1
            (no neighbour found) are passed over.
        distances: (N, K) distances that belong to them, or None. Where those of the two directions differ, the
            smaller is kept for both.

    Returns:
        The symmetric graph, on the table's device. Memory O(NK).

    Raises:
        ValueError: the table is not (N, K) of integers, names a point that is not there, or the distances have
            another shape.

    Example:
        >>> import torch
        >>> graph = reciprocal_graph(torch.tensor([[1, 2], [0, 2], [3, 1], [2, 1]]))
        >>> [graph.row(i).tolist() for i in range(4)]
        [[1], [0, 2], [1, 3], [2]]
    """
    _check_table(indices, distances)
    n, width = indices.shape
    source = torch.arange(n, device=indices.device).repeat_interleave(width)
    target = indices.reshape(-1).long()
    kept = ((target >= 0) & (target != source)).nonzero().squeeze(1)
    keys, order = (source[kept] * n + target[kept]).sort(stable=True)  # one number per directed pair
    new = torch.ones_like(keys, dtype=torch.bool)
    new[1:] = keys[1:] != keys[:-1]
    keys, kept = keys[new], kept[order[new]]
    back = target[kept] * n + source[kept]
    place = torch.searchsorted(keys, back).clamp_max(max(0, len(keys) - 1))
    mutual = keys[place] == back
    if distances is not None:
        flat = distances.reshape(-1)[kept]
        distances = torch.minimum(flat, flat[place])[mutual]
    return graph_of_edges(source[kept[mutual]], target[kept[mutual]], n, distances)


def expanded_graph(indices: Tensor) -> NeighborGraph:
    """The expanded sets R*(p, K) of k-reciprocal re-ranking (Zhong et al., CVPR 2017, Eq. 4).

    ``R*(p, K)`` is R(p, K) and all R(q, K/2) with q in R(p, K) and ``|R(p, K) & R(q, K/2)| > 2/3 |R(q, K/2)|``. As in
    the released code every point belongs to its own sets and is counted there, although the graph does not list it,
    the bound of two thirds is strict (the paper's is not), and K/2 is rounded half to even.

    Args:
        indices: (N, K) integer neighbours of every point, nearest first, without the point itself; -1 is passed over.

    Returns:
        The graph, which need not be symmetric, without distances, on the table's device.

    Raises:
        ValueError: as `reciprocal_graph`.

    Example:
        >>> import torch
        >>> table = torch.tensor([[1, 2], [0, 2], [1, 0], [2, 1]])
        >>> expanded_graph(table).row(0).tolist()
        [1, 2]
    """
    from scipy.sparse import vstack

    near = reciprocal_graph(indices)
    half = reciprocal_graph(indices[:, : round(indices.shape[1] / 2)])
    if len(near) == 0:
        return near
    every = torch.arange(len(near) + 1, device=indices.device)
    own = NeighborGraph(every, every[:-1]).to_scipy()
    near_sets, half_sets = near.to_scipy() + own, half.to_scipy() + own
    size = half_sets.sum(1)
    blocks = [_expand(near_sets[i : i + _ROWS], half_sets, size) for i in range(0, len(near), _ROWS)]
    found = vstack(blocks, format="coo")
    source, target = (torch.from_numpy(ends).long().to(indices.device) for ends in (found.row, found.col))
    other = source != target
    return graph_of_edges(source[other], target[other], len(near))


def _expand(near: csr_array, half: csr_array, size: Any) -> csr_array:
    """Rows of the expanded sets, from the same rows of R(K), and from all rows of R(K/2) and their sizes."""
    overlap = near.multiply(near @ half).tocoo()  # half is symmetric
    chosen = overlap.copy()
    chosen.data = (3 * overlap.data > 2 * size[overlap.col]).astype("int32")
    chosen.eliminate_zeros()
    found = (near + chosen.tocsr() @ half).tocsr()
    found.sort_indices()
    return found


def _check_table(indices: Tensor, distances: Tensor | None) -> None:
    integer = not (indices.dtype.is_floating_point or indices.dtype.is_complex or indices.dtype == torch.bool)
    if indices.ndim != 2 or not integer:
        raise ValueError(f"indices must be an (N, K) table of integers, got {tuple(indices.shape)} of {indices.dtype}")
    if indices.numel():
        wrong = ((indices < -1) | (indices >= len(indices))).nonzero()
        if len(wrong):
            row, column = wrong[0].tolist()
            raise ValueError(
                f"indices row {row} names point {int(indices[row, column])}, but a table of {len(indices)} rows is "
                f"about the points 0 to {len(indices) - 1} (-1: none)"
            )
    if distances is not None and distances.shape != indices.shape:
        raise ValueError(f"distances have shape {tuple(distances.shape)}, indices {tuple(indices.shape)}")
