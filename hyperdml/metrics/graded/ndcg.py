"""Normalised discounted cumulative gain over a class tree."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference
from hyperdml.metrics.graded.level_pair import ReferenceLevels
from hyperdml.metrics.graded.shared_levels import SharedLevels, shared_levels
from hyperdml.metrics.labels import Levels
from hyperdml.metrics.retrieval.result import mean_score


def ndcg_scores(found: SharedLevels, k: int | None = None) -> Tensor:
    """NDCG of every query; see `ndcg`.

    Args:
        found: shared levels at every rank.
        k: cut-off, at most the number of ranks; None for all of them.

    Returns:
        (Q,) float64, NaN where no item shares a level with the query.
    """
    shared = found.first(k, "NDCG")
    ranks = torch.arange(1, shared.shape[1] + 1, dtype=torch.float64, device=shared.device)
    discount = 1 / torch.log2(ranks + 1)
    gain = torch.exp2(torch.arange(found.relevant.shape[1] + 1, dtype=torch.float64, device=shared.device)) - 1
    gained = gain.index_select(0, shared.flatten().int()).view_as(shared) @ discount
    # the best order puts the items that share l levels or more on the first ranks: each of them adds what level l adds
    summed = torch.nn.functional.pad(discount.cumsum(0), (1, 0))
    best = summed[found.relevant.clamp_max(len(ranks))] @ gain.diff()
    return gained / best


def ndcg(
    embeddings: Tensor,
    levels: Levels,
    k: int | None = None,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> float:
    """NDCG@k (Järvelin and Kekäläinen, ACM TOIS 2002), gains of a class tree.

    ``DCG@k = sum_{i<=k} (2^l_i - 1) / log2(i + 1)`` with l_i the levels that the query shares with the item at rank i,
    over the DCG@k of the best order of the whole gallery (not of the k items found, which would forgive what was
    missed). Items at equal distance are ranked by index. A query that shares no level with any item is left out of the
    mean. With one level and no cut-off this is NDCG of binary relevance.

    Args:
        embeddings: (N, d) queries.
        levels: (N, L) integer ids, coarse to fine, nested.
        k: cut-off; None ranks the whole gallery.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery or several (see `SearchSets`), or None for leave-one-out within the queries.
        reference_levels: (M, L) integer ids of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: see `shared_levels`; or no query shares a level with any item.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.8, 0.0]])
        >>> levels = torch.tensor([[0, 0], [0, 1], [0, 0], [1, 2]])
        >>> round(ndcg(points, levels, c=1.0), 4)
        0.8645
    """
    found = shared_levels(
        embeddings, levels, k, c, metric, reference, reference_levels, ref_includes_query=ref_includes_query
    )
    scores = torch.cat([ndcg_scores(part, k) for part in found])
    return mean_score(scores, "NDCG")
