"""Bootstrap confidence intervals of mean scores, over queries or over whole classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hyperdml.metrics.labels import Labels, integers

_BLOCK = 4_000_000  # resampled groups at once, 32 MB


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes:
        mean: the score.
        low: lower end.
        high: upper end.
    """

    mean: float
    low: float
    high: float


def bootstrap_interval(
    scores: Tensor, groups: Labels | None = None, *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """BCa bootstrap interval of the mean of per-query scores (Efron, JASA 1987; DiCiccio and Efron, 1996, Sec. 2).

    Queries are drawn with replacement, or whole groups with all their queries: images of one class are alike and share
    their fate, so an interval over single queries is too narrow as a statement about other classes. Pass the labels as
    groups for that. The ends are percentiles of the resampled means, shifted by the median bias and by the
    acceleration (skewness of the leave-one-group-out means), which matters for shares near 1. With few groups, under
    about 20, any bootstrap interval is too narrow.

    Two methods on the same queries are compared by the interval of the difference, ``bootstrap_interval(a - b)``,
    which is far narrower than the two intervals suggest where both fail on the same queries.

    Args:
        scores: (Q,) scores of single queries; those that are NaN are left out.
        groups: (Q,) integer ids of what is drawn together; None draws queries one by one.
        level: confidence, in (0, 1).
        draws: resamples.
        seed: of the resampling.

    Returns:
        The mean and its interval; of zero width where all groups have the same mean, as when every query succeeds:
        such data say nothing about how it varies.

    Raises:
        ValueError: shapes, level or draws do not fit, a score is infinite, or fewer than two queries or groups have a
            score.

    Example:
        >>> hits = torch.tensor([1.0, 1.0, 1.0, 0.0] * 25)
        >>> interval = bootstrap_interval(hits)
        >>> interval.low < interval.mean == 0.75 < interval.high
        True
    """
    sums, counts = _by_group(scores, groups)
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}")
    if draws < 2:
        raise ValueError(f"draws must be at least 2, got {draws}")
    mean = float(sums.sum() / counts.sum())
    single = sums / counts
    if single.max() == single.min():
        return Interval(mean, mean, mean)
    resampled = _resampled_means(sums, counts, draws, seed)
    low, high = np.quantile(resampled, _bca_levels(resampled, sums, counts, level))
    return Interval(mean, float(low), float(high))


def _by_group(scores: Tensor, groups: Labels | None) -> tuple[np.ndarray, np.ndarray]:
    """(G,) sums of scores and (G,) numbers of scored queries, of the groups that have any."""
    if scores.ndim != 1 or scores.is_complex():
        raise ValueError(f"scores must be one number per query, (Q,), got {tuple(scores.shape)} of {scores.dtype}")
    values = scores.detach().cpu().double()
    ids = torch.arange(len(values)) if groups is None else integers(groups, "groups")
    if ids.shape != values.shape:
        raise ValueError(f"groups must hold one integer per query, ({len(values)},), got {tuple(ids.shape)}")
    if values.isinf().any():
        raise ValueError(f"score {int(values.isinf().nonzero()[0])} is infinite")
    scored = ~values.isnan()
    _, place = ids[scored].unique(return_inverse=True)
    counts = place.bincount()
    if len(counts) < 2:
        what = "queries" if groups is None else "groups"
        raise ValueError(f"an interval needs at least two {what} with a score, got {len(counts)}")
    sums = torch.zeros(len(counts), dtype=torch.float64).index_add_(0, place, values[scored])
    return sums.numpy(), counts.double().numpy()


def _resampled_means(sums: np.ndarray, counts: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(draws,) means over as many groups as there are, drawn with replacement."""
    rng = np.random.default_rng(seed)
    means = []
    for first in range(0, draws, step := max(1, _BLOCK // len(sums))):
        drawn = rng.integers(len(sums), size=(min(step, draws - first), len(sums)))
        means.append(sums[drawn].sum(1) / counts[drawn].sum(1))
    return np.concatenate(means)


def _bca_levels(resampled: np.ndarray, sums: np.ndarray, counts: np.ndarray, level: float) -> np.ndarray:
    """The two shares of the resampled means at which the interval ends."""
    from scipy.special import ndtr, ndtri

    gap = resampled - sums.sum() / counts.sum()
    gap[abs(gap) <= 1e-12 * np.ptp(gap)] = 0.0  # the mean in another order of summation
    # half of the ties lie below; kept off 0 and 1, where the normal quantile is infinite
    below = np.clip(((gap < 0).mean() + (gap <= 0).mean()) / 2, 0.5 / len(gap), 1 - 0.5 / len(gap))
    bias = ndtri(below)
    without = (sums.sum() - sums) / (counts.sum() - counts)
    pull = without.mean() - without
    spread = (pull**2).sum()
    acceleration = (pull**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    ends = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    return ndtr(bias + ends / (1 - acceleration * ends))
