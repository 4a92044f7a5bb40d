"""Which items are relevant at which rank: of whole rankings in bounded memory, or of the nearest few."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from hyperdml.metrics.galleries import SearchSets
from hyperdml.metrics.ranks.ranking import full_rankings, search_is_cheaper
from hyperdml.metrics.retrieval.result import search


def ranked_hits(sets: SearchSets, c: float | None, metric: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Hits of whole rankings, as the functions of `hyperdml.metrics.retrieval.per_query` take them.

    Args:
        sets: queries and gallery.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".

    Yields:
        (B,) rows, consecutive, and (B, items compared) sparse bool hits. Memory is that of `full_rankings`.
    """
    reference = None if sets.reference is sets.query else sets.reference
    inside = sets.leave_one_out and reference is not None
    for rows, order in full_rankings(sets.query, c, metric, reference, ref_includes_query=inside):
        # on the CPU index_select is several times faster than indexing
        found = sets.reference_labels.to(order.device).index_select(0, order.flatten()).view_as(order)
        places = (found == sets.query_labels.to(order.device)[rows, None]).nonzero().T
        true = torch.ones(places.shape[1], dtype=torch.bool, device=places.device)
        yield rows, torch.sparse_coo_tensor(places, true, order.shape, is_coalesced=True, check_invariants=False)


def score_queries(
    sets: SearchSets, k: int, c: float | None, metric: str, *scores: Callable[[Tensor, Tensor], Tensor]
) -> list[Tensor]:
    """Scores of all queries from hits of at least k ranks, by exact search where that is cheaper than whole rankings.

    Args:
        sets: queries and gallery.
        k: ranks that the scores look at.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        scores: functions of (hits, relevant).

    Returns:
        (Q,) scores for every function, on the queries' device.
    """
    relevant = sets.relevant
    if search_is_cheaper(k, sets.available):
        hits = search(sets, max(1, k), c, metric).hits
        return [score(hits, relevant) for score in scores]
    parts = []
    for rows, hits in ranked_hits(sets, c, metric):
        own = relevant.to(hits.device)[rows]
        parts.append(torch.stack([score(hits, own) for score in scores]).to(relevant.device))
    return list(torch.cat(parts, 1))
