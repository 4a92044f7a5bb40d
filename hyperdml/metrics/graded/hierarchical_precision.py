"""HP@k and AHP@K: how similar, on a class tree, the classes of the nearest items are to the query's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference
from hyperdml.metrics.graded.level_pair import ReferenceLevels, level_sets
from hyperdml.metrics.graded.shared_levels import SharedLevels, shared_levels
from hyperdml.metrics.labels import Levels
from hyperdml.metrics.retrieval.result import mean_score


def hp_scores(found: SharedLevels, k: int | None = None) -> Tensor:
    """HP@1, ..., HP@k of every query; see `hierarchical_precision_at_k`. Their mean over the ranks is its AHP@k.

    Args:
        found: shared levels at every rank.
        k: how many ranks; None for all there are.

    Returns:
        (Q, k) float64, NaN in the rows of queries with which no item shares a level.
    """
    shared = found.first(k, "HP")
    rank = torch.arange(1, shared.shape[1] + 1, dtype=torch.int32, device=shared.device)
    best = torch.zeros(shared.shape, dtype=torch.int32, device=shared.device)
    for relevant in found.relevant.int().T:  # items with l levels or more in the best order: min(R_l, k)
        best += torch.minimum(rank, relevant[:, None])
    return shared.cumsum(1, dtype=torch.int32).double() / best.double()


def hierarchical_precision_at_k(
    embeddings: Tensor,
    levels: Levels,
    ks: Sequence[int],
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> dict[int, float]:
    """HP@k (Deng, Berg and Fei-Fei, CVPR 2011; Barz and Denzler, WACV 2019): similarity of the k nearest items.

    ``HP@k = sum_{i<=k} s(q, i) / (the largest such sum that k items of the gallery can have)``, with the similarity
    ``s = 1 - h(lowest common ancestor) / h(root)`` of classes, h the height in the class tree. Of L levels, items that
    share l have an ancestor of height L - l below a root of height L, so s = l / L; Wu and Palmer's similarity is the
    same number here, since all classes lie equally deep. Items at equal distance are ranked by index. A query that
    shares no level with any item is left out of the mean.

    The name stands for two more things in the literature, neither of which this is: the share of a predicted class's
    ancestors that are ancestors of the true class (set-based precision of hierarchical classification), and what the
    code of Bertinetto et al. (Making Better Mistakes) logs under it.

    Args:
        embeddings: (N, d) queries.
        levels: (N, L) integer ids, coarse to fine, nested.
        ks: the k to report.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery or several (see `SearchSets`), or None for leave-one-out within the queries.
        reference_levels: (M, L) integer ids of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Returns:
        k to a number in [0, 1].

    Raises:
        ValueError: see `shared_levels`; `ks` is empty or a k is not a number of items that are there; or no query
            shares a level with any item.

    Example:
        >>> import torch
        >>> points = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.8, 0.0]])
        >>> levels = torch.tensor([[0, 0], [0, 1], [0, 0], [1, 2]])
        >>> hierarchical_precision_at_k(points, levels, ks=(1, 3), c=1.0)
        {1: 0.6666666666666666, 3: 1.0}
    """
    sets, _ = level_sets(embeddings, levels, reference, reference_levels, ref_includes_query)
    sets.check_ks(ks, "HP")
    found = shared_levels(
        embeddings, levels, max(ks), c, metric, reference, reference_levels, ref_includes_query=ref_includes_query
    )
    scores = torch.cat([hp_scores(part)[:, [k - 1 for k in ks]] for part in found])
    return {k: mean_score(column, f"HP@{k}") for k, column in zip(ks, scores.T, strict=True)}


def average_hierarchical_precision(
    embeddings: Tensor,
    levels: Levels,
    k: int,
    c: float | None = None,
    metric: str = "hyperbolic",
    reference: Reference | None = None,
    reference_levels: ReferenceLevels | None = None,
    *,
    ref_includes_query: bool = False,
) -> float:
    """AHP@K, the area under HP@k over k = 1, ..., K as their mean ``(HP@1 + ... + HP@K) / K``.

    A perfect ranking scores 1. (The trapezoid rule with step 1/K, as in Barz and Denzler's code, spans K - 1 steps, so
    that its best is (K - 1) / K: 0.996 at their K = 250.) See `hierarchical_precision_at_k` for HP@k, ties and the
    queries left out.

    Args:
        embeddings: (N, d) queries.
        levels: (N, L) integer ids, coarse to fine, nested.
        k: K, the number of nearest items.
        c: curvature magnitude; required by "hyperbolic".
        metric: "hyperbolic", "cosine" or "euclidean".
        reference: (M, d) gallery or several (see `SearchSets`), or None for leave-one-out within the queries.
        reference_levels: (M, L) integer ids of the gallery, or a sequence of them.
        ref_includes_query: query i is row i of the reference, and that row is left out of its neighbours.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: see `shared_levels`; or no query shares a level with any item.
    """
    found = shared_levels(
        embeddings, levels, k, c, metric, reference, reference_levels, ref_includes_query=ref_includes_query
    )
    return mean_score(torch.cat([hp_scores(part).mean(1) for part in found]), f"AHP@{k}")
