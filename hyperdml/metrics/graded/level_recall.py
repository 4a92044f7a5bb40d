"""Recall@k at every level of a class tree, from the rank of the first item that shares the level's id."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference
from hyperdml.metrics.graded.level_pair import ReferenceLevels, level_sets
from hyperdml.metrics.labels import Levels
from hyperdml.metrics.ranks.first_positive import first_positive_rank


def level_first_ranks(
    embeddings: Tensor,
    levels: Levels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> Tensor:
    """Rank of the nearest item that shares each level's id; the arguments are those of `level_recall_at_k`.

    Returns:
        (N, L) int64 ranks, counted from 1; 0 where no item shares the id.
    """
    sets, pair = level_sets(embeddings, levels, reference, reference_levels, ref_includes_query)
    gallery = None if sets.reference is sets.query else sets.reference
    ranks = [
        first_positive_rank(
            sets.query,
            own,
            c,
            metric,
            gallery,
            None if gallery is None else among,
            ref_includes_query=pair.leave_one_out and gallery is not None,
        )
        for own, among in zip(pair.query.T, pair.reference.T, strict=True)
    ]
    return torch.stack(ranks, 1)


def level_recall_at_k(
    embeddings: Tensor,
    levels: Levels,
    ks: Sequence[int] = (1, 2, 4, 8),
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> list[dict[int, float]]:
    """Recall@k (see `recall_at_k`) with the items of a query's id as its relevant ones, for every level.

    A query whose id no other item has cannot be answered and counts as a miss for every k, as in `recall_at_k`.

    Args:
        embeddings: (N, d) queries.
        levels: (N, L) integer ids, coarse to fine, nested.
        ks: the k to report.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery or several (see `SearchSets`), or None for leave-one-out within the queries.
        reference_levels: (M, L) integer ids of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Returns:
        For each level, coarse to fine, k to a share in [0, 1].

    Raises:
        ValueError: see `level_sets` and `first_positive_rank`; or `ks` is empty or a k is not a number of items that
            are there.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.8, 0.0]])
        >>> levels = torch.tensor([[0, 0], [0, 1], [0, 0], [1, 2]])
        >>> level_recall_at_k(points, levels, ks=(1, 2), c=1.0)
        [{1: 0.75, 2: 0.75}, {1: 0.0, 2: 0.5}]
    """
    sets, _ = level_sets(embeddings, levels, reference, reference_levels, ref_includes_query)
    sets.check_ks(ks, "Recall")
    ranks = level_first_ranks(
        embeddings, levels, c, metric, reference, reference_levels, ref_includes_query=ref_includes_query
    )
    return [{k: float(((rank > 0) & (rank <= k)).double().mean()) for k in ks} for rank in ranks.T]
