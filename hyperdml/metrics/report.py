"""Everything that is to be said of one retrieval evaluation, with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from hyperdml.metrics.bootstrap import bootstrap_interval
from hyperdml.metrics.clustering import clustering_scores
from hyperdml.metrics.galleries import Reference, ReferenceLabels, SearchSets
from hyperdml.metrics.graded.level_pair import ReferenceLevels
from hyperdml.metrics.graded.level_recall import level_first_ranks
from hyperdml.metrics.graded.scores import graded_scores
from hyperdml.metrics.labels import Labels, Levels, level_titles, point_levels
from hyperdml.metrics.retrieval import per_query
from hyperdml.metrics.retrieval.ranked_hits import score_queries
from hyperdml.metrics.retrieval.result import mean_score

Resampled = Literal["classes", "queries"]


@dataclass(frozen=True)
class EvaluationReport:
    """Scores by name, as the tables name them.

    Attributes:
        queries: number of queries.
        references: number of items that were searched (the queries themselves in leave-one-out).
        unanswerable: queries whose label no other item has: misses in R@k and P@k, left out of the other means.
        scores: in this order "R@k" and "P@k" for every k, "R-precision", "MAP@R", "MAP", "MRR"; with levels, coarse to
            fine and without the one that the labels are, "<level> R@k", "<level> MAP@R" and "<level> MAP", then
            "H-AP", "NDCG" and "ASI" over all levels; with clustering "NMI" and "AMI".
        intervals: the ends of the 95 % bootstrap interval of every score that is a mean over queries; empty without.
    """

    queries: int
    references: int
    unanswerable: int
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def evaluation_report(
    embeddings: Tensor,
    labels: Labels,
    ks: Sequence[int] = (1, 2, 4, 8),
    levels: Levels | None = None,
    level_names: Sequence[str] | None = None,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_labels: ReferenceLabels | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
    clustering: bool = False,
    intervals: Resampled | None = "classes",
    seed: int = 0,
) -> EvaluationReport:
    """All scores of one set of embeddings.

    Everything flat is read off one ranking of all items, made in blocks, everything graded off a second one.

    Args:
        embeddings: (N, d) queries.
        labels: (N,) integer labels.
        ks: the k of R@k and P@k.
        levels: (N, L) integer ids, coarse to fine, nested, or None.
        level_names: L names; "level 0", "level 1", ... without them.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery, a sequence of them, or None for leave-one-out within the queries; see `retrieve`.
        reference_labels: (M,) integer labels of the gallery, or a sequence of them.
        reference_levels: (M, L) integer ids of the gallery, or a sequence of them; needed if there are levels.
        ref_includes_query: query i is row i of the reference, and left out of its neighbours.
        clustering: add NMI and AMI of the queries; see `clustering_scores`.
        intervals: "classes" resamples whole labels, "queries" single queries (see `bootstrap_interval`), None adds no
            intervals.
        seed: of the intervals and of the clustering.

    Returns:
        The report.

    Raises:
        ValueError: see `recall_at_k`, `map_at_r`, `graded_scores` and `bootstrap_interval`; or `intervals` is none of
            the three.
    """
    if intervals not in ("classes", "queries", None):
        raise ValueError(f"intervals must be 'classes', 'queries' or None, got {intervals!r}")
    sets = SearchSets.of(embeddings, labels, reference, reference_labels, ref_includes_query)
    sets.check_ks(ks, "Recall")
    table = _flat_scores(ks)
    found = dict(zip(table, score_queries(sets, sets.available, c, metric, *table.values()), strict=True))
    if levels is not None:
        graded = (c, metric, reference, reference_levels)
        found |= _level_scores(sets, levels, level_names, ks, graded, ref_includes_query)
    elif level_names is not None:
        raise ValueError(f"there are {len(level_names)} level names, but no levels")
    scores = {name: mean_score(values, name) for name, values in found.items()}
    if clustering:
        clusters = clustering_scores(embeddings, sets.query_labels, c, metric, seed=seed)
        scores |= {"NMI": clusters.nmi, "AMI": clusters.ami}
    ends = {}
    if intervals is not None:
        groups = sets.query_labels if intervals == "classes" else None
        for name, values in found.items():
            interval = bootstrap_interval(values, groups, seed=seed)
            ends[name] = (interval.low, interval.high)
    return EvaluationReport(
        queries=len(sets.query),
        references=len(sets.reference),
        unanswerable=int((sets.relevant == 0).sum()),
        scores=scores,
        intervals=ends,
    )


def _flat_scores(ks: Sequence[int]) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Name to function of (hits, relevant)."""
    table: dict[str, Callable[[Tensor, Tensor], Tensor]] = {}
    for title, score in (("R", per_query.recall_at_k), ("P", per_query.precision_at_k)):
        table |= {f"{title}@{k}": partial(_at, score, k) for k in ks}
    return table | {
        "R-precision": per_query.r_precision,
        "MAP@R": per_query.average_precision_at_r,
        "MAP": per_query.average_precision,
        "MRR": per_query.reciprocal_rank,
    }


def _at(score: Callable[[Tensor, int], Tensor], k: int, hits: Tensor, relevant: Tensor) -> Tensor:
    return score(hits, k)


def _level_scores(
    sets: SearchSets,
    levels: Levels,
    level_names: Sequence[str] | None,
    ks: Sequence[int],
    graded: tuple[float | None, str, Reference | None, ReferenceLevels | None],
    ref_includes_query: bool,
) -> dict[str, Tensor]:
    """Name to (Q,) scores."""
    ids = point_levels(levels, sets.query)
    names = level_titles(level_names, ids.shape[1])
    scores = graded_scores(sets.query, levels, *graded, ref_includes_query=ref_includes_query)
    ranks = level_first_ranks(sets.query, levels, *graded, ref_includes_query=ref_includes_query)
    found: dict[str, Tensor] = {}
    for i, name in enumerate(names):
        if _same_groups(ids[:, i], sets.query_labels):
            continue
        found |= {f"{name} R@{k}": ((ranks[:, i] > 0) & (ranks[:, i] <= k)).double() for k in ks}
        found |= {f"{name} MAP@R": scores.map_at_r[:, i], f"{name} MAP": scores.average_precision[:, i]}
    return found | {"H-AP": scores.hap, "NDCG": scores.ndcg, "ASI": scores.asi}


def _same_groups(one: Tensor, other: Tensor) -> bool:
    both = torch.stack([one, other], 1).unique(dim=0)
    return len(both) == len(one.unique()) == len(other.unique())
