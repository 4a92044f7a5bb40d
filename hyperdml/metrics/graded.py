"""Scores of full rankings over a label hierarchy: H-AP, and MAP@R at every level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.labels import Levels, level_titles, nested_levels
from hyperdml.metrics.level_sums import LevelSums


@dataclass(frozen=True)
class GradedReport:
    """Scores of one set of full rankings.

    Attributes:
        hap: hierarchical average precision, in [0, 1].
        map_at_r: level name to MAP@R with the items of the level's id as the relevant ones, coarse to fine.
    """

    hap: float
    map_at_r: dict[str, float]


def hierarchical_average_precision(
    embeddings: Tensor,
    levels: Levels,
    c: float | None = None,
    metric: str = "hyperbolic",
    relevance: Sequence[float] | None = None,
) -> float:
    """H-AP (Ramzi et al., Hierarchical Average Precision Training, ECCV 2022, Eq. 2), leave-one-out.

    ``H-AP = sum_k (1/k) sum_{j<=k} min(rel_j, rel_k) / sum_k rel_k`` over the ranks k of a query's other items, where
    rel depends on how many levels an item shares with the query. Average precision is the case of one level. Items at
    equal distance are ranked by index. A query that shares nothing of positive relevance with any item is left out of
    the mean over queries.

    Args:
        embeddings: (N, d) points.
        levels: (N, L) integer ids, coarse to fine, nested.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        relevance: relevance of an item that shares 1, ..., L levels, not decreasing; None for 1/L, 2/L, ..., 1. Only
            ratios matter.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: see `full_rankings` and `nested_levels`; a relevance that does not fit; or no query has a relevant
            item.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.8, 0.0]])
        >>> levels = torch.tensor([[0, 0], [0, 1], [0, 0], [1, 2]])
        >>> round(hierarchical_average_precision(points, levels, c=1.0), 4)
        0.8889
    """
    ids = nested_levels(levels, embeddings)
    gains = _gains(relevance, ids.shape[1])
    return LevelSums.of(embeddings, ids, c, metric).hap(gains)


def level_map_at_r(
    embeddings: Tensor, levels: Levels, c: float | None = None, metric: str = "hyperbolic"
) -> list[float]:
    """MAP@R (see `map_at_r`) with the items of a query's id as its relevant ones, for every level, leave-one-out.

    Args:
        embeddings: (N, d) points.
        levels: (N, L) integer ids, coarse to fine, nested.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".

    Returns:
        L numbers in [0, 1], coarse to fine. A query whose id no other item has is left out of that level's mean.

    Raises:
        ValueError: see `full_rankings` and `nested_levels`; or no two items share an id of some level.
    """
    ids = nested_levels(levels, embeddings)
    return LevelSums.of(embeddings, ids, c, metric).map_at_r(level_titles(None, ids.shape[1]))


def graded_report(
    embeddings: Tensor,
    levels: Levels,
    level_names: Sequence[str] | None = None,
    c: float | None = None,
    metric: str = "hyperbolic",
) -> GradedReport:
    """H-AP and the levels' MAP@R from one ranking of everything.

    Args:
        embeddings: (N, d) points.
        levels: (N, L) integer ids, coarse to fine, nested.
        level_names: L names; "level 0", "level 1", ... without them.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".

    Returns:
        The report.

    Raises:
        ValueError: see `hierarchical_average_precision` and `level_map_at_r`; or the names do not match the levels.
    """
    ids = nested_levels(levels, embeddings)
    names = level_titles(level_names, ids.shape[1])
    sums = LevelSums.of(embeddings, ids, c, metric)
    return GradedReport(sums.hap(_gains(None, len(names))), dict(zip(names, sums.map_at_r(names), strict=True)))


def _gains(relevance: Sequence[float] | None, levels: int) -> Tensor:
    """(L,) what each further shared level adds to the relevance."""
    if relevance is None:
        return torch.full((levels,), 1 / levels, dtype=torch.float64)
    values = torch.tensor([0.0, *relevance], dtype=torch.float64)
    gains = values.diff()
    if len(gains) != levels or not values.isfinite().all() or (gains < 0).any() or values[-1] <= 0:
        raise ValueError(
            f"relevance must be {levels} numbers, one per count of shared levels, not negative, not decreasing and the "
            f"last positive, got {list(relevance)}"
        )
    return gains
