"""Scores of full rankings over a label hierarchy: H-AP, MAP@R and AP of every level, and the report of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from hyperdml.metrics.galleries import Reference
from hyperdml.metrics.graded.level_pair import ReferenceLevels
from hyperdml.metrics.graded.level_sums import LevelSums, relevance_gains
from hyperdml.metrics.graded.scores import graded_scores
from hyperdml.metrics.graded.shared_levels import shared_levels
from hyperdml.metrics.labels import Levels, level_titles, point_levels
from hyperdml.metrics.retrieval.result import mean_score


@dataclass(frozen=True)
class GradedReport:
    """Scores of one set of full rankings, each in [0, 1].

    Attributes:
        hap: hierarchical average precision.
        map_at_r: level name to MAP@R with the items of the level's id as the relevant ones, coarse to fine.
        average_precision: level name to mean average precision, likewise.
        ndcg: NDCG of the whole ranking.
        asi: ASI up to each query's number of items that share a level with it.
    """

    hap: float
    map_at_r: dict[str, float]
    average_precision: dict[str, float]
    ndcg: float
    asi: float


def hierarchical_average_precision(
    embeddings: Tensor,
    levels: Levels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    relevance: Sequence[float] | None = None,
    ref_includes_query: bool = False,
) -> float:
    """H-AP (Ramzi et al., Hierarchical Average Precision Training, ECCV 2022, Eq. 2).

    ``H-AP = sum_k (1/k) sum_{j<=k} min(rel_j, rel_k) / sum_k rel_k`` over the ranks k of the items that a query is
    compared with, where rel depends on how many levels an item shares with the query. Average precision is the case of
    one level. Items at equal distance are ranked by index. A query that shares nothing of positive relevance with any
    item is left out of the mean over queries.

    Args:
        embeddings: (N, d) queries.
        levels: (N, L) integer ids, coarse to fine, nested.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery or several (see `SearchSets`), or None for leave-one-out within the queries.
        reference_levels: (M, L) integer ids of the gallery, or a sequence of them.
        relevance: relevance of an item that shares 1, ..., L levels, not decreasing; None for 1/L, 2/L, ..., 1. Only
            ratios matter.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: see `shared_levels`; a relevance that does not fit; or no query has a relevant item.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.8, 0.0]])
        >>> levels = torch.tensor([[0, 0], [0, 1], [0, 0], [1, 2]])
        >>> round(hierarchical_average_precision(points, levels, c=1.0), 4)
        0.8889
    """
    gains = relevance_gains(relevance, point_levels(levels, embeddings).shape[1])
    sums = _sums(embeddings, levels, c, metric, reference, reference_levels, ref_includes_query)
    return mean_score(sums.hap(gains), "H-AP")


def level_map_at_r(
    embeddings: Tensor,
    levels: Levels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> list[float]:
    """MAP@R (see `map_at_r`) with the items of a query's id as its relevant ones, for every level.

    The arguments are those of `hierarchical_average_precision`.

    Returns:
        L numbers in [0, 1], coarse to fine. A query whose id no other item has is left out of that level's mean.

    Raises:
        ValueError: see `shared_levels`; or no two items share an id of some level.
    """
    sums = _sums(embeddings, levels, c, metric, reference, reference_levels, ref_includes_query)
    return list(_by_level(sums.map_at_r, "MAP@R").values())


def level_average_precision(
    embeddings: Tensor,
    levels: Levels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> list[float]:
    """Mean average precision with the items of a query's id as its relevant ones, for every level.

    ``AP = (1/R) sum over the ranks k of the R relevant items of (relevant among the k nearest) / k``. The arguments are
    those of `hierarchical_average_precision`, of which this is the case of one level.

    Returns:
        L numbers in [0, 1], coarse to fine. A query whose id no other item has is left out of that level's mean.

    Raises:
        ValueError: see `shared_levels`; or no two items share an id of some level.
    """
    sums = _sums(embeddings, levels, c, metric, reference, reference_levels, ref_includes_query)
    return list(_by_level(sums.average_precision, "MAP").values())


def graded_report(
    embeddings: Tensor,
    levels: Levels,
    level_names: Sequence[str] | None = None,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> GradedReport:
    """The means of `graded_scores`, which makes one ranking of everything.

    The arguments are those of `hierarchical_average_precision`; `level_names` are L names, "level 0", "level 1", ...
    without them.

    Raises:
        ValueError: see `level_map_at_r`; or the names do not match the levels.
    """
    names = level_titles(level_names, point_levels(levels, embeddings).shape[1])
    scores = graded_scores(
        embeddings, levels, c, metric, reference, reference_levels, ref_includes_query=ref_includes_query
    )
    return GradedReport(
        hap=mean_score(scores.hap, "H-AP"),
        map_at_r=_by_level(scores.map_at_r, "MAP@R", names),
        average_precision=_by_level(scores.average_precision, "MAP", names),
        ndcg=mean_score(scores.ndcg, "NDCG"),
        asi=mean_score(scores.asi, "ASI"),
    )


def _sums(
    embeddings: Tensor,
    levels: Levels,
    c: float | None,
    metric: str,
    reference: Reference | None,
    reference_levels: ReferenceLevels | None,
    ref_includes_query: bool,
) -> LevelSums:
    found = shared_levels(
        embeddings, levels, None, c, metric, reference, reference_levels, ref_includes_query=ref_includes_query
    )
    return LevelSums.join(LevelSums.of(part) for part in found)


def _by_level(scores: Tensor, score: str, names: Sequence[str] | None = None) -> dict[str, float]:
    columns = zip(level_titles(names, scores.shape[1]), scores.T, strict=True)
    return {name: mean_score(column, f"{score} at level {name!r}") for name, column in columns}
