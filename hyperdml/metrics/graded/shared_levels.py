"""How many levels of a class tree each query shares with what it found: what every graded score is read off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference, SearchSets, check_ks
from hyperdml.metrics.graded.level_pair import LevelPair, ReferenceLevels, level_sets
from hyperdml.metrics.labels import Levels
from hyperdml.metrics.ranks.ranking import full_rankings, search_is_cheaper
from hyperdml.metrics.retrieval.result import RetrievalResult, search

_BLOCK = 1_000_000  # ranks of a block of queries, 8 MB for each float64 number that a score keeps of them


@dataclass(frozen=True)
class SharedLevels:
    """Shared levels at every rank, and how many items there are to be found.

    Attributes:
        shared: (Q, k) int16: how many of the L levels each query shares with its neighbours, nearest first.
        relevant: (Q, L) int64: how many items of the whole reference share at least 1, ..., L levels with the query,
            the query itself not counted. Scores at k take their best possible value from here, not from the k found.
    """

    shared: Tensor
    relevant: Tensor

    @classmethod
    def of_result(cls, result: RetrievalResult, levels: Levels, reference_levels: Levels | None = None) -> SharedLevels:
        """Read off a search that has been made.

        Args:
            result: the search.
            levels: (Q, L) integer ids of the queries, coarse to fine, nested.
            reference_levels: (M, L) ids of the reference; None where the queries were searched among themselves.

        Raises:
            ValueError: see `LevelPair.of`; or reference_levels is missing.
        """
        if reference_levels is None:
            if not result.leave_one_out or len(result.query_labels) != len(result.reference_labels):
                raise ValueError("the result is of a search in a gallery: reference_levels is missing")
            pair = LevelPair.of(result.query_labels, levels, [], [], True)
        else:
            among = [result.reference_labels], [reference_levels]
            pair = LevelPair.of(result.query_labels, levels, *among, result.leave_one_out)
        rows = torch.arange(len(pair.query), device=pair.query.device)
        return cls(pair.shared(rows, result.indices.to(rows.device)), pair.relevant)

    def first(self, k: int | None, score: str) -> Tensor:
        """(Q, k) shared levels of the k nearest; all of them for None."""
        if k is not None:
            check_ks([k], self.shared.shape[1], score, "the number of neighbours that were searched")
        return self.shared[:, :k]


@torch.no_grad()
def shared_levels(
    embeddings: Tensor,
    levels: Levels,
    k: int | None,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> Iterator[SharedLevels]:
    """Search and compare levels, a block of queries after the other.

    Args:
        embeddings: (N, d) queries.
        levels: (N, L) integer ids, coarse to fine, nested.
        k: neighbours per query; None for all items.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery or several (see `SearchSets`), or None for leave-one-out within the queries.
        reference_levels: (M, L) integer ids of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Yields:
        The queries' shared levels, in order.

    Raises:
        ValueError: see `level_sets`, `full_rankings` and `hyperdml.neighbors.ExactKNN`.
    """
    sets, pair = level_sets(embeddings, levels, reference, reference_levels, ref_includes_query)
    if k is not None:
        sets.check_ks([k], "Score")
    relevant = pair.relevant
    for rows, items in _neighbours(sets, k, c, metric):
        rows = rows.to(relevant.device)
        yield SharedLevels(pair.shared(rows, items.to(relevant.device)), relevant[rows])


def _neighbours(sets: SearchSets, k: int | None, c: float | None, metric: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of queries and the rows of the reference that are nearest to them."""
    if k is not None and search_is_cheaper(k, sets.available):
        indices = search(sets, k, c, metric).indices
        for rows in torch.arange(len(indices), device=indices.device).split(max(1, _BLOCK // k)):
            yield rows, indices[rows]
        return
    reference = None if sets.reference is sets.query else sets.reference
    inside = sets.leave_one_out and reference is not None
    for rows, order in full_rankings(sets.query, c, metric, reference, ref_includes_query=inside):
        yield rows, order[:, :k]
