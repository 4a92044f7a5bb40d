"""MAP and MRR of embeddings: scores of rankings that are not cut off."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference, ReferenceLabels, SearchSets
from hyperdml.metrics.labels import Labels
from hyperdml.metrics.ranks.first_positive import first_positive_rank
from hyperdml.metrics.retrieval import per_query
from hyperdml.metrics.retrieval.ranked_hits import score_queries
from hyperdml.metrics.retrieval.result import mean_score


def mean_average_precision(
    embeddings: Tensor,
    labels: Labels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    *,
    ref_includes_query: bool = False,
) -> float:
    """MAP: average precision of the ranking of all items, mean over queries; not cut off at any k.

    ``mean over queries of (1/R) sum_i P(i) rel(i)`` over all ranks i, see `map_at_r` for the letters. Computed in
    blocks of queries, so that no N x M matrix is needed. A query without a relevant item is left out of the mean.

    Args:
        embeddings: (N, d) queries.
        labels: (N,) integer labels.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, a sequence of them, or None for leave-one-out within the queries; see `retrieve`.
        reference_labels: (M,) integer labels of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and left out of its neighbours.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: see `full_rankings` and `SearchSets.of`; or no query has a relevant item.
    """
    sets = SearchSets.of(embeddings, labels, reference, reference_labels, ref_includes_query)
    (scores,) = score_queries(sets, sets.available, c, metric, per_query.average_precision)
    return mean_score(scores, "MAP")


def mean_reciprocal_rank(
    embeddings: Tensor,
    labels: Labels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    *,
    ref_includes_query: bool = False,
) -> float:
    """MRR: ``1 / rank`` of the nearest item of the query's label, mean over queries; not cut off at any k.

    A query whose label no other item has is left out of the mean.

    Args:
        embeddings: (N, d) queries.
        labels: (N,) integer labels.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, a sequence of them, or None for leave-one-out within the queries; see `retrieve`.
        reference_labels: (M,) integer labels of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and left out of its neighbours.

    Returns:
        A number in (0, 1].

    Raises:
        ValueError: see `retrieve`; or no query has a relevant item.
    """
    rank = first_positive_rank(
        embeddings, labels, c, metric, reference, reference_labels, ref_includes_query=ref_includes_query
    )
    return mean_score(torch.where(rank > 0, 1 / rank.double(), torch.nan), "MRR")
