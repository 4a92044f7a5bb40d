"""Which items of a set ask and which are searched, where that is not leave-one-out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class SearchRows:
    """Rows of a set that ask, and rows that are searched.

    Attributes:
        queries: (Q,) int64.
        gallery: (M,) int64.
        includes_queries: the first Q gallery rows are the queries, and each query is left out of its own neighbours
            (`ref_includes_query` of `hyperdml.metrics`); else nothing is left out.
    """

    queries: np.ndarray
    gallery: np.ndarray
    includes_queries: bool


def search_rows(queries: ArrayLike, gallery: ArrayLike) -> SearchRows:
    """The rows that two masks mean.

    Args:
        queries: (N,) bool; those that ask.
        gallery: (N,) bool; those that are searched.

    Raises:
        ValueError: see `check_masks`.

    Example:
        >>> found = search_rows([True, True, False], [False, False, True])
        >>> found.queries.tolist(), found.gallery.tolist(), found.includes_queries
        ([0, 1], [2], False)
    """
    asks, searched = np.asarray(queries), np.asarray(gallery)
    check_masks(asks, searched, len(asks))
    rows = np.flatnonzero(asks)
    if not (asks & searched).any():
        return SearchRows(rows, np.flatnonzero(searched), False)
    return SearchRows(rows, np.concatenate([rows, np.flatnonzero(searched & ~asks)]), True)


def check_masks(queries: ArrayLike | None, gallery: ArrayLike | None, count: int) -> None:
    """Refuse masks that make no search.

    Args:
        queries: mask of those that ask, or None.
        gallery: mask of those that are searched, or None.
        count: number of items N.

    Raises:
        ValueError: only one is given, they are not (N,) bool, one is empty, or only some of the queries are in the
            gallery: such a search would leave out some queries and not others.
    """
    if queries is None and gallery is None:
        return
    if queries is None or gallery is None:
        raise ValueError("queries and gallery belong together: give both or none")
    asks, searched = np.asarray(queries), np.asarray(gallery)
    for name, mask in (("queries", asks), ("gallery", searched)):
        if mask.shape != (count,) or mask.dtype != np.bool_:
            raise ValueError(f"{name} must be ({count},) bool, one an item, got {mask.shape} {mask.dtype}")
        if not mask.any():
            raise ValueError(f"{name} holds no item")
    inside = asks & searched
    if inside.any() and not (searched | ~asks).all():
        raise ValueError(
            f"all queries must be in the gallery, or none: row {int(inside.argmax())} is, "
            f"row {int((asks & ~searched).argmax())} is not"
        )
