"""The figures of the result table query by query: what intervals and paired differences are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from hyperdml.data import EmbeddingSet
from hyperdml.errors import DataError
from hyperdml.metrics import graded_scores, level_first_ranks
from hyperdml.metrics.galleries import SearchSets
from hyperdml.metrics.retrieval import per_query
from hyperdml.metrics.retrieval.ranked_hits import score_queries

GRADED = 20_000
"""Items up to which whole rankings are made: so many take ten seconds a model on one core, and twice as many forty."""


@dataclass(frozen=True)
class QueryScores:
    """Scores of single queries.

    Attributes:
        labels: (Q,) int64 class of each query.
        scores: name of the figure, as in `hyperdml.training.retrieval.evaluate.score`, to (Q,) float64 scores, NaN
            where a query has none. Their means are the figures of the table.
    """

    labels: Tensor
    scores: dict[str, Tensor]


def query_scores(embeddings: EmbeddingSet, ks: Sequence[int]) -> QueryScores:
    """Score every query in hyperbolic distance: leave-one-out, or as the set's masks say.

    Args:
        embeddings: with labels; figures of levels need levels too, and not more than `GRADED` items.
        ks: the k of Recall@k.

    Raises:
        DataError: there are no labels.
        ValueError: see `SearchSets.of`.
    """
    queries, gallery, inside = embeddings.search_sets() or (embeddings, None, False)
    if queries.labels is None:
        raise DataError("the embeddings have no labels to score by")
    reference = None if gallery is None else gallery.points
    sets = SearchSets.of(queries.points, queries.labels, reference, None if gallery is None else gallery.labels, inside)
    found: dict[str, Tensor] = {}
    # R@k and MAP@R look no further than the largest k or R
    most = min(max(*ks, int(sets.relevant.max())), sets.available)
    recalls = [partial(_recall, k=k) for k in ks]
    flat = score_queries(sets, most, embeddings.c, "hyperbolic", *recalls, per_query.average_precision_at_r)
    found |= dict(zip([*(f"R@{k}" for k in ks), "MAP@R"], flat, strict=True))
    names = embeddings.level_names
    if len(names) > 1 and queries.levels is not None and len(sets.reference) <= GRADED:
        levels = None if gallery is None else gallery.levels
        how = (embeddings.c, "hyperbolic", reference)
        coarse = queries.levels[:, :-1], *how, None if levels is None else levels[:, :-1]
        first = level_first_ranks(queries.points, *coarse, ref_includes_query=inside)
        graded = graded_scores(queries.points, queries.levels, *how, levels, ref_includes_query=inside)
        above = range(len(names) - 2, -1, -1)  # fine to coarse, as the table has them
        found |= {f"{names[level]}@1": first[:, level] == 1 for level in above}
        found |= {f"{names[level]} MAP@R": graded.map_at_r[:, level] for level in above}
        found["H-AP"] = graded.hap
    return QueryScores(sets.query_labels.cpu(), {name: values.cpu().double() for name, values in found.items()})


def _recall(hits: Tensor, relevant: Tensor, k: int) -> Tensor:
    return per_query.recall_at_k(hits, k)


def scored_classes(found: QueryScores, name: str) -> int:
    """How many classes have a query with a score."""
    return len(torch.unique(found.labels[~found.scores[name].isnan()]))
