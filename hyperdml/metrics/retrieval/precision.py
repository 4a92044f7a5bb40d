"""Precision@k and R-precision of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from hyperdml.metrics.galleries import Reference, ReferenceLabels, SearchSets
from hyperdml.metrics.labels import Labels
from hyperdml.metrics.retrieval import per_query
from hyperdml.metrics.retrieval.ranked_hits import score_queries
from hyperdml.metrics.retrieval.result import mean_score


def precision_at_k(
    embeddings: Tensor,
    labels: Labels,
    ks: Sequence[int] = (1, 2, 4, 8),
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    *,
    ref_includes_query: bool = False,
) -> dict[int, float]:
    """Mean share of the k nearest that have the query's label; at most R / k for a query with R such items.

    A query whose label no other item has counts as 0. Precision@1 is Recall@1.

    Args:
        embeddings: (N, d) queries.
        labels: (N,) integer labels.
        ks: the k to report.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, a sequence of them, or None for leave-one-out within the queries; see `retrieve`.
        reference_labels: (M,) integer labels of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and left out of its neighbours.

    Returns:
        k to a share in [0, 1].

    Raises:
        ValueError: see `recall_at_k`.
    """
    sets = SearchSets.of(embeddings, labels, reference, reference_labels, ref_includes_query)
    sets.check_ks(ks, "Precision")
    found = score_queries(sets, max(ks), c, metric, *(partial(_precision, k=k) for k in ks))
    return {k: float(scores.mean()) for k, scores in zip(ks, found, strict=True)}


def r_precision(
    embeddings: Tensor,
    labels: Labels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    *,
    ref_includes_query: bool = False,
) -> float:
    """Mean share of the R nearest that have the query's label, R the number of items that have it.

    A query without any such item (R = 0) is left out of the mean.

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
        ValueError: see `retrieve`; or no query has a relevant item.
    """
    sets = SearchSets.of(embeddings, labels, reference, reference_labels, ref_includes_query)
    (scores,) = score_queries(sets, int(sets.relevant.max()), c, metric, per_query.r_precision)
    return mean_score(scores, "R-precision")


def _precision(hits: Tensor, relevant: Tensor, k: int) -> Tensor:
    return per_query.precision_at_k(hits, k)
