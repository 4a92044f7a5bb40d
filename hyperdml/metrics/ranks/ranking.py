"""Every query's ranking of a whole gallery, block by block: what scores of full rankings are read off."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from hyperdml.neighbors import make_knn
from hyperdml.neighbors.points import search_points
from hyperdml.neighbors.spaces import Space

_PRODUCT = 2_000_000  # entries of a matrix product, 16 MB in float64: many rows at once make it fast
_BLOCK = 1_000_000  # entries of a block of rankings: few enough at once that memory is reused, which halves the time
# exact search costs about 2 us a neighbour, ranking everything 15 to 20 ns an item (both at d = 128, one thread)
_ITEMS_PER_NEIGHBOUR = 100
_ROUNDED = 1 + 2.0**-32  # a product is at most so much more than |q||v|, for lifts of up to 2^20 numbers
_KEY_BITS = 62  # of a sorting key: the scaled score above, the item's index below


@torch.no_grad()
def full_rankings(
    embeddings: Tensor,
    c: float | None,
    metric: str,
    reference: Tensor | None = None,
    *,
    ref_includes_query: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rankings by float64 distance, items at equal distance by index, as `ExactKNN` orders them.

    Inner products of the lifts, scaled to integers with the item's index in their low bits, are sorted; where two
    neighbours in that order are closer than the rounding of such products (near-duplicates, ties), their distances are
    recomputed by direct differences. Memory is bounded by a few blocks of numbers and the lifts. Works on the
    embeddings' GPU if they lie on one, else on the CPU with as many threads as torch has.

    Args:
        embeddings: (N, d) queries.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, in which nothing is masked; None ranks the queries' own set, each query left out.
        ref_includes_query: query i is row i of `reference`, and left out of its own ranking by that index.

    Yields:
        (B,) rows, consecutive, and (B, M) indices of the gallery's items, nearest first; (B, M - 1) where the query is
        left out.

    Raises:
        ValueError: fewer than two points to rank among themselves, an empty gallery, dimensions that differ, more
            queries than gallery rows with `ref_includes_query`, or points that are not finite or do not belong to the
            space.
    """
    space = make_knn(metric, c, engine="torch").space
    points = search_points(embeddings, "embeddings", space).double()
    gallery = points if reference is None else search_points(reference, "reference", space).double().to(points.device)
    leave_out = reference is None or ref_includes_query
    _check_sizes(points, gallery, leave_out, reference is None)
    lifts = space.lift_reference(gallery)
    longest = torch.linalg.vector_norm(lifts, dim=1).max()
    width = max(1, (len(gallery) - 1).bit_length())
    digits = _KEY_BITS - width
    # twice the bound of `hyperdml.neighbors.pool` for products in float64, as a share of |q||v|, one either side of a
    # gap; in steps of the keys, of which 2^(digits - 1) make |q||v| or more; two steps for rounding to whole ones
    near = (int(2 * (lifts.shape[1] + 4) * 2.0 ** (digits - 54)) + 3) << width
    items = torch.arange(len(gallery), device=points.device)
    step = max(1, _BLOCK // len(gallery))
    for block in torch.arange(len(points), device=points.device).split(max(1, _PRODUCT // len(gallery))):
        query = space.lift_query(points[block])
        # a product of parallel lifts, as every unit vector has with itself, may be rounded to more than |q||v|
        most = torch.linalg.vector_norm(query, dim=1, keepdim=True) * longest * _ROUNDED
        exponent = torch.frexp(most).exponent
        # a power of two, so that scaling adds no error; the nearest item gets the smallest key
        scaled = torch.ldexp(-query, digits - 1 - exponent)
        middle = torch.full((), 2.0 ** (digits - 1), dtype=torch.float64, device=points.device)
        scores = torch.addmm(middle, scaled, lifts.T)
        for rows, part in zip(block.split(step), scores.split(step), strict=True):
            keys = torch.add(items, part.long(), alpha=1 << width)
            if leave_out:
                keys[rows - rows[0], rows] = torch.iinfo(torch.int64).max
            _sort_rows(keys)
            close = keys[:, 1:] - keys[:, :-1] < near
            order = keys.bitwise_and_((1 << width) - 1)
            if close.any():
                _settle(order, close, points[rows], gallery, space)
            yield rows, order[:, :-1] if leave_out else order


def search_is_cheaper(k: int, items: int) -> bool:
    """Whether the k nearest of so many items come faster from an exact search than from a full ranking."""
    return k * _ITEMS_PER_NEIGHBOUR <= items


def _sort_rows(keys: Tensor) -> None:
    """Sort every row in place."""
    if keys.is_cuda:
        keys.copy_(keys.sort(dim=1).values)
        return
    # NumPy sorts integers several times faster than torch on the CPU, and lets other threads run meanwhile
    parts = [part.numpy() for part in keys.chunk(torch.get_num_threads())]
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda part: part.sort(axis=1), parts))


def _settle(order: Tensor, close: Tensor, query: Tensor, gallery: Tensor, space: Space) -> None:
    """Reorder, in place, every run of items that rounding could have swapped."""
    edge = torch.zeros(len(order), 1, dtype=torch.bool, device=order.device)
    run = torch.cat([~edge, ~close], 1).flatten().cumsum(0)
    place = (torch.cat([edge, close], 1) | torch.cat([close, edge], 1)).flatten().nonzero().squeeze(1)
    item, row, run = order.flatten()[place], place // order.shape[1], run[place]
    step = max(1, _BLOCK // gallery.shape[1])
    distances = torch.cat(
        [space.distance(query[r], gallery[i]) for r, i in zip(row.split(step), item.split(step), strict=True)]
    )
    sorting = item.argsort()
    for key in (distances, run):
        sorting = sorting[key[sorting].argsort(stable=True)]
    order.view(-1)[place] = item[sorting]


def _check_sizes(points: Tensor, gallery: Tensor, leave_out: bool, alone: bool) -> None:
    if alone and len(points) < 2:
        raise ValueError(f"a ranking of points among themselves needs N >= 2, got {tuple(points.shape)}")
    if len(gallery) == 0:
        raise ValueError("reference holds no points")
    if points.shape[1] != gallery.shape[1]:
        raise ValueError(f"embeddings have dimension {points.shape[1]}, reference {gallery.shape[1]}")
    if leave_out and len(points) > len(gallery):
        raise ValueError(
            f"ref_includes_query says that query i is reference row i, but there are {len(points)} queries and "
            f"{len(gallery)} reference points"
        )
