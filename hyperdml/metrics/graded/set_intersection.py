"""Average set intersection: how much of the best order's beginning is among what was found, at every length."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.metrics.galleries import Reference
from hyperdml.metrics.graded.level_pair import ReferenceLevels
from hyperdml.metrics.graded.shared_levels import SharedLevels, shared_levels
from hyperdml.metrics.labels import Levels
from hyperdml.metrics.retrieval.result import mean_score


def asi_scores(found: SharedLevels, k: int | None = None) -> Tensor:
    """ASI of every query; see `asi`.

    Args:
        found: shared levels at every rank; for k = None at least as many ranks as the largest R.
        k: cut-off, at most the number of ranks; None for R.

    Returns:
        (Q,) float64, NaN where no item shares a level with the query.

    Raises:
        ValueError: k does not fit the ranks there are.
    """
    most = int(found.relevant[:, 0].max())
    if k is None and most > found.shared.shape[1]:
        raise ValueError(
            f"ASI needs {most} neighbours, the size of the largest relevant set, but only {found.shared.shape[1]} were "
            "searched"
        )
    shared = found.first(k, "ASI")[:, : max(1, most)]
    length = torch.arange(1, shared.shape[1] + 1, dtype=torch.int32, device=shared.device)
    both = torch.zeros(shared.shape, dtype=torch.int32, device=shared.device)
    finer = torch.zeros_like(found.relevant[:, :1], dtype=torch.int32)  # items that share more than this level
    for level in range(found.relevant.shape[1], 0, -1):
        here = (shared == level).cumsum(1, dtype=torch.int32)
        size = found.relevant[:, level - 1 : level].int() - finer
        both += torch.minimum(here, torch.minimum((length - finer).clamp_min_(0), size))
        finer = finer + size
    longest = found.relevant[:, :1].clamp_max(shared.shape[1])
    # a running sum read at the last rank is several times faster than a mask of the ranks up to it
    total = (both.double() / length.double()).cumsum(1).gather(1, (longest - 1).clamp_min(0))
    return (total / longest).squeeze(1)


def asi(
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
    """ASI@k (Fagin et al., SIAM J. Discrete Math. 2003; of class trees Sun et al., Dynamic Metric Learning, CVPR 2021).

    ``ASI@k = mean over n = 1, ..., min(k, R) of |first n found and first n of the best order| / n``, with R the items
    that share at least one level with the query. The best order puts items that share more levels first and leaves open
    which of equals comes first, so the intersection is counted level by level: the sum over l = 1, ..., L of
    ``min(items found, items in the best order)`` that share exactly l levels. Without k the cut-off is R, as in the
    paper. Items at equal distance are ranked by index. A query with R = 0 is left out of the mean.

    Args:
        embeddings: (N, d) queries.
        levels: (N, L) integer ids, coarse to fine, nested.
        k: cut-off; None for each query's own R.
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
        >>> round(asi(points, levels, c=1.0), 4)
        0.6667
    """
    found = shared_levels(
        embeddings, levels, k, c, metric, reference, reference_levels, ref_includes_query=ref_includes_query
    )
    scores = torch.cat([asi_scores(part, k) for part in found])
    return mean_score(scores, "ASI")
