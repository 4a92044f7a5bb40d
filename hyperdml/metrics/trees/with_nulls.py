"""Scores beside what is left of them when one thing has been taken away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

from hyperdml.metrics.trees.nulls import Score, compare

X = TypeVar("X")
Draw = Callable[[torch.Generator | None], X]


def with_nulls(
    score: Callable[[X], float],
    given: X,
    nulls: Mapping[str, Draw[X]],
    draws: int = 20,
    generator: torch.Generator | None = None,
) -> Score:
    """A score of something beside the same score of draws from null models of it.

    Args:
        score: the score of one thing.
        given: the thing.
        nulls: name of every null model to a function that draws such a thing.
        draws: draws from each null model, at least 2.
        generator: handed to the draws; None stands for torch's global one.

    Returns:
        The score with mean, standard deviation and z for every null model; `Score.line` says in words which of them it
        cannot be told from.

    Raises:
        ValueError: draws below 2.

    Example:
        >>> from hyperdml.metrics.trees.nulls import permutation
        >>> values, seed = torch.arange(9.0), torch.Generator().manual_seed(0)
        >>> found = with_nulls(lambda x: float(x @ values), values, {"shuffled": lambda g: values[permutation(9, g)]},
        ...     generator=seed)
        >>> found.value, found.nulls["shuffled"].z > 2
        (204.0, True)
    """
    return figures_with_nulls(lambda x: {"score": score(x)}, given, nulls, draws, generator)["score"]


def figures_with_nulls(
    figures: Callable[[X], Mapping[str, float]],
    given: X,
    nulls: Mapping[str, Draw[X]],
    draws: int | Mapping[str, int] = 20,
    generator: torch.Generator | None = None,
) -> dict[str, Score]:
    """`with_nulls` of several figures that are read off one thing, each draw being made once for all of them.

    Args:
        figures: figures by name of one thing; a figure that is not there for a draw has no comparison with that null.
        given: see `with_nulls`.
        nulls: see `with_nulls`.
        draws: draws from each null model, or from all, at least 2.
        generator: see `with_nulls`.

    Returns:
        Name of every figure of the thing given to its score.

    Raises:
        ValueError: draws below 2.
    """
    times = dict.fromkeys(nulls, draws) if isinstance(draws, int) else draws
    fewest = min(times.values(), default=2)
    if fewest < 2:
        raise ValueError(f"draws must be at least 2 for a standard deviation, got {fewest}")
    values = figures(given)
    found: dict[str, Score] = {name: Score(value, {}) for name, value in values.items()}
    for null, draw in nulls.items():
        rows = [figures(draw(generator)) for _ in range(times[null])]
        for name, value in values.items():
            if all(name in row for row in rows):
                found[name].nulls[null] = compare(value, [row[name] for row in rows])
    return found
