"""Graded scores of single queries, all from one full ranking of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference
from hyperdml.metrics.graded.level_pair import ReferenceLevels
from hyperdml.metrics.graded.level_sums import LevelSums, relevance_gains
from hyperdml.metrics.graded.ndcg import ndcg_scores
from hyperdml.metrics.graded.set_intersection import asi_scores
from hyperdml.metrics.graded.shared_levels import shared_levels
from hyperdml.metrics.labels import Levels, point_levels


@dataclass(frozen=True)
class GradedScores:
    """Scores of queries one by one, NaN where no item is relevant: what means and intervals are made of.

    Attributes:
        hap: (Q,) float64; see `hierarchical_average_precision`.
        map_at_r: (Q, L) float64, coarse to fine; see `level_map_at_r`.
        average_precision: (Q, L) float64; see `level_average_precision`.
        ndcg: (Q,) float64; see `ndcg`.
        asi: (Q,) float64; see `asi`.
    """

    hap: Tensor
    map_at_r: Tensor
    average_precision: Tensor
    ndcg: Tensor
    asi: Tensor


def graded_scores(
    embeddings: Tensor,
    levels: Levels,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    relevance: Sequence[float] | None = None,
    ref_includes_query: bool = False,
) -> GradedScores:
    """H-AP, MAP@R and AP per level, NDCG and ASI of every query, without cut-off.

    Args:
        embeddings: (N, d) queries.
        levels: (N, L) integer ids, coarse to fine, nested.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery or several (see `SearchSets`), or None for leave-one-out within the queries.
        reference_levels: (M, L) integer ids of the gallery, or a sequence of them.
        relevance: see `hierarchical_average_precision`.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Returns:
        The scores.

    Raises:
        ValueError: see `shared_levels`; or a relevance that does not fit.
    """
    gains = relevance_gains(relevance, point_levels(levels, embeddings).shape[1])
    sums, ndcg, asi = [], [], []
    for found in shared_levels(
        embeddings, levels, None, c, metric, reference, reference_levels, ref_includes_query=ref_includes_query
    ):
        sums.append(LevelSums.of(found))
        ndcg.append(ndcg_scores(found))
        asi.append(asi_scores(found))
    total = LevelSums.join(sums)
    return GradedScores(
        hap=total.hap(gains),
        map_at_r=total.map_at_r,
        average_precision=total.average_precision,
        ndcg=torch.cat(ndcg),
        asi=torch.cat(asi),
    )
