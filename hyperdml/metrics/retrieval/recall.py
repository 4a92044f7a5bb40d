"""Recall@k and MAP@R of embeddings, and both with the agreement per level in one report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from hyperdml.metrics.galleries import Reference, ReferenceLabels, SearchSets
from hyperdml.metrics.labels import Labels, Levels, level_titles, point_levels
from hyperdml.metrics.ranks.first_positive import first_positive_rank
from hyperdml.metrics.retrieval import per_query
from hyperdml.metrics.retrieval.ranked_hits import score_queries
from hyperdml.metrics.retrieval.result import mean_score, search


@dataclass(frozen=True)
class RetrievalReport:
    """Scores of one search.

    Attributes:
        recall: k to Recall@k.
        map_at_r: MAP@R.
        level_recall: level name to the share of queries whose nearest neighbour shares the level's id.
        queries: number of queries.
        unanswerable: how many of them share their label with no other item (misses in Recall@k, left out of MAP@R).
    """

    recall: dict[int, float]
    map_at_r: float
    level_recall: dict[str, float]
    queries: int
    unanswerable: int


def recall_at_k(
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
    """Share of queries with at least one item of their label among the k nearest (Recall@k of metric learning).

    A query whose label no other item has cannot be answered and counts as a miss for every k. The rank of the nearest
    item of the label decides all k at once, so a large k costs no more than a small one.

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
        ValueError: see `retrieve`; or `ks` is empty, or a k is below 1 or above the number of items compared.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.1, 0.0], [0.2, 0.0], [-0.3, 0.0], [0.6, 0.0]])
        >>> recall_at_k(points, torch.tensor([0, 0, 1, 1]), ks=(1, 3), c=1.0)
        {1: 0.5, 3: 1.0}
    """
    sets = SearchSets.of(embeddings, labels, reference, reference_labels, ref_includes_query)
    sets.check_ks(ks, "Recall")
    rank = first_positive_rank(
        embeddings, labels, c, metric, reference, reference_labels, ref_includes_query=ref_includes_query
    )
    return {k: float(((rank > 0) & (rank <= k)).double().mean()) for k in ks}


def map_at_r(
    embeddings: Tensor,
    labels: Labels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    *,
    ref_includes_query: bool = False,
) -> float:
    """MAP@R (Musgrave et al., A Metric Learning Reality Check, ECCV 2020, Sec. 3.2).

    ``mean over queries of (1/R) sum_{i=1..R} P(i) rel(i)``, with R the number of items that share the query's label,
    P(i) the precision among the i nearest and rel(i) = 1 if the i-th shares the label, else 0. A query without any
    such item (R = 0) is left out of the mean.

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
    (scores,) = score_queries(sets, int(sets.relevant.max()), c, metric, per_query.average_precision_at_r)
    return mean_score(scores, "MAP@R")


def retrieval_report(
    embeddings: Tensor,
    labels: Labels,
    ks: Sequence[int] = (1, 2, 4, 8),
    levels: Levels | None = None,
    level_names: Sequence[str] | None = None,
    c: float | None = None,
    metric: str = "hyperbolic",
) -> RetrievalReport:
    """Recall@k, MAP@R and the levels' Recall@1 of one set (leave-one-out), from a single search.

    Args:
        embeddings: (N, d) points.
        labels: (N,) integer labels.
        ks: the k of Recall@k.
        levels: (N, L) integer ids, coarse to fine, or None.
        level_names: L names; "level 0", "level 1", ... without them.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".

    Returns:
        The report; `level_recall` is empty without levels.

    Raises:
        ValueError: see `retrieve` and `map_at_r`; or the names do not match the levels.
    """
    ids = None if levels is None else point_levels(levels, embeddings)
    names = level_titles(level_names, 0 if ids is None else ids.shape[1])
    sets = SearchSets.of(embeddings, labels, None, None, False)
    result = search(sets, max([1, *ks, int(sets.relevant.max())]), c, metric)
    shares = [] if ids is None else _agreement(ids, result.indices[:, 0])
    return RetrievalReport(
        recall=result.recall_at_k(ks),
        map_at_r=result.map_at_r(),
        level_recall=dict(zip(names, shares, strict=True)),
        queries=len(result.indices),
        unanswerable=int((result.relevant == 0).sum()),
    )


def _agreement(ids: Tensor, nearest: Tensor) -> list[float]:
    return [float(share) for share in (ids[nearest] == ids).double().mean(0)]
