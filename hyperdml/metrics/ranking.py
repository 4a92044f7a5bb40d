"""Every item's ranking of all others, block by block: what scores of whole rankings are summed over."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hyperdml.neighbors import make_knn
from hyperdml.neighbors.spaces import Space

_BLOCK = 2_000_000  # entries of a block of scores, 16 MB in float64


def full_rankings(embeddings: Tensor, c: float | None, metric: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Leave-one-out rankings by float64 distance, items at equal distance by index, as `ExactKNN` orders them.

    Inner products of the lifts give the order; where two neighbours in it are closer than the rounding of such products
    (near-duplicates, ties), their distances are recomputed by direct differences. Memory is bounded by a few blocks of
    `_BLOCK` numbers and the (N, d) lifts, on the CPU.

    Args:
        embeddings: (N, d) points, N >= 2.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".

    Yields:
        (B,) rows, consecutive, and (B, N - 1) indices of the other items, nearest first.

    Raises:
        ValueError: fewer than two points, or points that are not finite or do not belong to the space.
    """
    space = make_knn(metric, c, engine="torch").space
    points = _checked(embeddings, space)
    reference = space.lift_reference(points)
    # the bound of `hyperdml.neighbors.pool`, for products in float64, on either side of a gap
    rounding = 2 * (reference.shape[1] + 4) * 2.0**-53 * float(torch.linalg.vector_norm(reference, dim=1).max())
    for rows in torch.arange(len(points)).split(max(1, _BLOCK // len(points))):
        query = space.lift_query(points[rows])
        scores = (query @ reference.T).neg_()
        scores[torch.arange(len(rows)), rows] = torch.inf
        # NumPy sorts several times faster than torch on the CPU; ties are settled below
        order = torch.from_numpy(np.argsort(scores.numpy(), axis=1))
        ordered = scores.gather(1, order)
        close = ordered[:, 1:] - ordered[:, :-1] <= rounding * torch.linalg.vector_norm(query, dim=1, keepdim=True)
        if close.any():
            _settle(order, close, points[rows], points, space)
        yield rows, order[:, :-1]


def _settle(order: Tensor, close: Tensor, query: Tensor, points: Tensor, space: Space) -> None:
    """Reorder, in place, every run of items that rounding could have swapped."""
    edge = torch.zeros(len(order), 1, dtype=torch.bool)
    run = torch.cat([~edge, ~close], 1).flatten().cumsum(0)
    place = (torch.cat([edge, close], 1) | torch.cat([close, edge], 1)).flatten().nonzero().squeeze(1)
    item, row, run = order.flatten()[place], place // order.shape[1], run[place]
    step = max(1, _BLOCK // points.shape[1])
    distances = torch.cat(
        [space.distance(query[r], points[i]) for r, i in zip(row.split(step), item.split(step), strict=True)]
    )
    sorting = item.argsort()
    for key in (distances, run):
        sorting = sorting[key[sorting].argsort(stable=True)]
    order.view(-1)[place] = item[sorting]


def _checked(embeddings: Tensor, space: Space) -> Tensor:
    """(N, d) float64 points on the CPU."""
    if embeddings.ndim != 2 or len(embeddings) < 2 or not embeddings.dtype.is_floating_point:
        raise ValueError(
            f"a ranking needs (N, d) floating-point embeddings with N >= 2, got {tuple(embeddings.shape)} of "
            f"{embeddings.dtype}"
        )
    points = embeddings.detach().cpu().double()
    finite = points.isfinite().all(1)
    if not finite.all():
        raise ValueError(f"embeddings row {int((~finite).nonzero()[0])} is not finite")
    space.check(points, "embeddings")
    return points
