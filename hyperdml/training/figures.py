"""Figures of runs in tables: which are shown, in which unit, and which way is better."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hyperdml.errors import ConfigError

HEADLINES = ("top1", "hF1", "mistake_severity", "hierarchical_distance@1", "R@1", "MAP@R", "H-AP")
"""Figures shown unless others are asked for, as far as a run has them."""

# a figure's name begins with one of these
_COSTS = ("mistake_severity", "hierarchical_distance", "AHC")
_LOWER = (*_COSTS, "ece", "nll")
_PLAIN = (*_COSTS, "nll")


def higher_is_better(metric: str) -> bool:
    """Whether a larger value of a figure is the better one: not so for distances and errors."""
    return not metric.startswith(_LOWER)


def scale(metric: str) -> float:
    """Factor for showing a figure: 100 for shares, which are shown in per cent, 1 for costs and log-likelihoods."""
    return 1.0 if metric.startswith(_PLAIN) else 100.0


def shown_as(metric: str, value: float, sign: str = "") -> str:
    """A value or, with sign "+", a difference of a figure in the unit of `heading`; "-" for NaN."""
    if math.isnan(value):
        return "-"
    return f"{scale(metric) * value:{sign}.{2 if scale(metric) == 100 else 3}f}"


def heading(metric: str) -> str:
    """A figure with its unit and the better direction."""
    unit = ", %" if scale(metric) == 100 else ""
    return f"{metric}{unit} ({'higher' if higher_is_better(metric) else 'lower'} is better)"


def choose(wanted: Sequence[str], available: Sequence[str]) -> list[str]:
    """The figures to show.

    Args:
        wanted: figures that were asked for; none for `HEADLINES`.
        available: figures that runs have.

    Returns:
        The wanted ones; else the headlines among the available ones, or all if there are none. Nothing if no run has
        figures, because all diverged.

    Raises:
        ConfigError: no run has a wanted figure.
    """
    if not available:
        return []
    for name in wanted:
        if name not in available:
            raise ConfigError(f"no run has a figure {name!r}; there are: {', '.join(available)}")
    return list(wanted) or [name for name in HEADLINES if name in available] or list(available)
