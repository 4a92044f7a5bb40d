"""Retrieval scores: one exact search, from which Recall@k, MAP@R and the agreement per level are read off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from hyperdml.metrics.labels import Labels, Levels, level_titles, point_labels, point_levels
from hyperdml.metrics.result import count_among, retrieve


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
    reference: Tensor | None = None,
    reference_labels: Labels | None = None,
) -> dict[int, float]:
    """Share of queries with at least one item of their label among the k nearest (Recall@k of metric learning).

    A query whose label no other item has cannot be answered and counts as a miss for every k.

    Args:
        embeddings: (N, d) queries.
        labels: (N,) integer labels.
        ks: the k to report.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, or None for leave-one-out within the queries.
        reference_labels: (M,) integer labels of the gallery.

    Returns:
        k to a share in [0, 1].

    Raises:
        ValueError: see `retrieve`; or `ks` is empty.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.1, 0.0], [0.2, 0.0], [-0.3, 0.0], [0.6, 0.0]])
        >>> recall_at_k(points, torch.tensor([0, 0, 1, 1]), ks=(1, 3), c=1.0)
        {1: 0.5, 3: 1.0}
    """
    if len(ks) == 0:
        raise ValueError("ks is empty: name at least one k")
    return retrieve(embeddings, labels, max(ks), c, metric, reference, reference_labels).recall_at_k(ks)


def map_at_r(
    embeddings: Tensor,
    labels: Labels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Tensor | None = None,
    reference_labels: Labels | None = None,
) -> float:
    """MAP@R (Musgrave et al., A Metric Learning Reality Check, ECCV 2020, Sec. 3.2).

    ``mean over queries of (1/R) sum_{i=1..R} P(i) rel(i)``, with R the number of items that share the query's label,
    P(i) the precision among the i nearest and rel(i) = 1 if the i-th shares the label, else 0. A query without any
    such item (R = 0) is left out of the mean. The search keeps as many neighbours as the largest R.

    Args:
        embeddings: (N, d) queries.
        labels: (N,) integer labels.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, or None for leave-one-out within the queries.
        reference_labels: (M,) integer labels of the gallery.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: see `retrieve`; or no query has a relevant item.
    """
    most = _largest_relevant(embeddings, labels, reference, reference_labels)
    return retrieve(embeddings, labels, max(1, most), c, metric, reference, reference_labels).map_at_r()


def level_recall_at_1(
    embeddings: Tensor, levels: Levels, c: float | None = None, metric: str = "hyperbolic"
) -> list[float]:
    """For each level of a class tree, the share of items whose nearest other item shares the level's id.

    Args:
        embeddings: (N, d) points.
        levels: (N, L) integer ids, coarse to fine.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".

    Returns:
        L shares in [0, 1], coarse to fine.

    Raises:
        ValueError: see `retrieve`; or levels is not an (N, L) matrix of integers.
    """
    ids = point_levels(levels, embeddings)
    nearest = retrieve(embeddings, ids[:, -1], 1, c, metric).indices[:, 0]
    return _agreement(ids, nearest)


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
    k = max([1, *ks, _largest_relevant(embeddings, labels, None, None)])
    result = retrieve(embeddings, labels, k, c, metric)
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


def _largest_relevant(
    embeddings: Tensor, labels: Labels, reference: Tensor | None, reference_labels: Labels | None
) -> int:
    own = point_labels(labels, embeddings, "labels")
    if reference is None or reference_labels is None:
        return int(count_among(own, own).max()) - 1
    return int(count_among(own, point_labels(reference_labels, reference, "reference_labels").to(own.device)).max())
