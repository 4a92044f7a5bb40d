"""Figures of the main arm, and what it changed against each control, with intervals over the test classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyperdml.data import EmbeddingSet
from hyperdml.metrics import Interval, bootstrap_interval
from hyperdml.training.report.query_scores import QueryScores, query_scores, scored_classes

FEW = 20
"""Classes below which any bootstrap interval is too narrow (see `bootstrap_interval`)."""


@dataclass(frozen=True)
class Compared:
    """A figure with its 95 % intervals, bootstrapped over whole classes.

    Attributes:
        name: of the figure.
        main: of the main arm.
        differences: title of each control to the mean difference, main arm minus control, on the same queries.
    """

    name: str
    main: Interval
    differences: dict[str, Interval]


def compare_arms(
    main: EmbeddingSet, controls: Mapping[str, EmbeddingSet], ks: Sequence[int], seed: int = 0
) -> list[Compared]:
    """The figures of a run with their intervals.

    A difference is that of the same queries, whose interval is far narrower than those of the two figures suggest.

    Args:
        main: embeddings of the main arm.
        controls: those of the controls, of the same images.
        ks: the k of Recall@k.
        seed: of the resampling.

    Returns:
        One entry a figure; none for figures that fewer than two classes have.

    Raises:
        DataError: see `query_scores`.
    """
    found = query_scores(main, ks)
    others = {title: query_scores(control, ks) for title, control in controls.items()}
    return [
        Compared(
            name,
            bootstrap_interval(scores, found.labels, seed=seed),
            {title: _difference(found, other, name, seed) for title, other in others.items()},
        )
        for name, scores in found.scores.items()
        if scored_classes(found, name) > 1
    ]


def _difference(main: QueryScores, control: QueryScores, name: str, seed: int) -> Interval:
    return bootstrap_interval(main.scores[name] - control.scores[name], main.labels, seed=seed)


def holds_zero(interval: Interval) -> bool:
    """Whether an interval of a difference leaves open which way it goes."""
    return interval.low <= 0 <= interval.high
