"""Spread and paired differences of a few runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-12  # differences closer than this, relative to the figures, are equal


@dataclass(frozen=True)
class Spread:
    """Figures of one arm over its seeds.

    Attributes:
        n: number of finite figures.
        mean: their mean; NaN without any.
        sd: their standard deviation with n - 1; NaN for fewer than two.
    """

    n: int
    mean: float
    sd: float


@dataclass(frozen=True)
class PairedDifference:
    """An arm minus its baseline, over the pairs that both have.

    Attributes:
        n: number of pairs.
        mean: mean difference; NaN without pairs.
        low, high: ends of its t interval; NaN for fewer than two pairs, and where all differences are equal: a spread
            of zero comes from a seed that does not reach the figure or from few pairs that agree by chance, and does
            not make the difference certain.
        p: p-value of the paired t test, two-sided; NaN where there is no interval.
        better, worse: number of pairs in which the arm is better and worse; the others are equal.
    """

    n: int
    mean: float
    low: float
    high: float
    p: float
    better: int
    worse: int


def spread(values: npt.ArrayLike) -> Spread:
    """Mean and standard deviation of the finite values.

    Args:
        values: (S,) figures, NaN where there is none.

    Example:
        >>> spread([1.0, 2.0, 3.0, float("nan")])
        Spread(n=3, mean=2.0, sd=1.0)
    """
    found = np.asarray(values, dtype=np.float64)
    found = found[np.isfinite(found)]
    n = len(found)
    return Spread(n, float(found.mean()) if n else np.nan, float(found.std(ddof=1)) if n > 1 else np.nan)


def paired_difference(
    values: npt.ArrayLike, baseline: npt.ArrayLike, *, higher_is_better: bool = True, confidence: float = 0.95
) -> PairedDifference:
    """Mean of `values - baseline` with its t interval `mean +- t_{n-1} sd / sqrt(n)`.

    Args:
        values: (S,) figures of the arm, NaN where there is none.
        baseline: (S,) figures of the baseline, in the same order of pairs.
        higher_is_better: which sign of the difference counts as better.
        confidence: coverage of the interval, in (0, 1).

    Returns:
        The difference over the pairs in which both are finite.

    Raises:
        ValueError: shapes differ, or the confidence is outside of (0, 1).
    """
    from scipy.special import stdtr, stdtrit

    a, b = np.asarray(values, dtype=np.float64), np.asarray(baseline, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"values and baseline must be vectors of one length, got {a.shape} and {b.shape}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    rounding = _ROUNDING * max(np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0))
    differences = a - b
    differences[np.abs(differences) <= rounding] = 0.0
    n = len(differences)
    mean = float(differences.mean()) if n else np.nan
    low = high = p = np.nan
    if n > 1 and np.ptp(differences) > rounding:
        error = differences.std(ddof=1) / np.sqrt(n)
        half = error * stdtrit(n - 1, (1 + confidence) / 2)
        low, high = mean - half, mean + half
        p = 2 * stdtr(n - 1, -abs(mean) / error)
    signed = differences if higher_is_better else -differences
    return PairedDifference(
        n, mean, float(low), float(high), float(p), int((signed > 0).sum()), int((signed < 0).sum())
    )


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, `max_{j<=i} min(1, (m - j + 1) p_(j))` in ascending order of p.

    Rejecting those below alpha keeps the chance of any false rejection among all at most alpha (Holm, A simple
    sequentially rejective multiple test procedure, Scandinavian Journal of Statistics, 1979).

    Args:
        p: p-values; NaN where no test was made, which counts as no comparison.

    Returns:
        Adjusted values in the order given, NaN where p is.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    found = np.asarray(p, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(found))
    order = tested[np.argsort(found[tested], kind="stable")]
    adjusted = np.full(len(found), np.nan)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * found[order]))
    return adjusted.tolist()
