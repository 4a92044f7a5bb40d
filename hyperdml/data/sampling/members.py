"""The images of every class, and draws of several from each of many classes at once."""

from __future__ import annotations

import numpy as np

from hyperdml.errors import ConfigError


class Members:
    """Positions grouped by what they belong to.

    Args:
        labels: (N,) class of every position.

    Attributes:
        order: (N,) all positions, class by class.
        starts: (C,) where each class begins in `order`.
        counts: (C,) positions of each class. Classes are numbered in the order of their labels, without gaps.
    """

    def __init__(self, labels: np.ndarray) -> None:
        self.order = np.argsort(labels, kind="stable")
        self.starts, self.counts = np.unique(labels[self.order], return_index=True, return_counts=True)[1:]

    def __len__(self) -> int:
        return len(self.counts)

    def draw(self, rng: np.random.Generator, classes: np.ndarray, count: int, replace: bool) -> np.ndarray:
        """`count` positions of each of K classes, without replacement in a class that has enough unless `replace`.

        Args:
            rng: where the chance comes from; the numbers drawn are those of K calls of ``rng.choice``.
            classes: (K,) their numbers.
            count: positions of each class.
            replace: draw with replacement.

        Returns:
            (K * count,) positions, class by class.
        """
        sizes = self.counts[classes]
        chosen = _choices(rng, sizes, count, np.full(len(sizes), True) if replace else sizes < count)
        return self.order[self.starts[classes][:, None] + chosen].ravel()


def classes_of_a_batch(size: int, per_class: int, there: int) -> int:
    """Classes that a batch of `size` images takes.

    Raises:
        ConfigError: `size` is not a multiple of `per_class`, or there are fewer classes.
    """
    if per_class < 1 or size < per_class or size % per_class:
        raise ConfigError(f"batch.size must be a multiple of batch.per_class, got {size} and {per_class}")
    needed = size // per_class
    if needed > there:
        raise ConfigError(
            f"batch.size {size} with batch.per_class {per_class} needs {needed} classes; the training part has {there}"
        )
    return needed


def _choices(rng: np.random.Generator, sizes: np.ndarray, count: int, repeat: np.ndarray) -> np.ndarray:
    """(K, count) numbers below each size: Floyd's algorithm and a shuffle, in all rows at once.

    A call of ``rng.choice`` a row draws the same numbers in the same order, but takes ten times as long.

    Args:
        rng: the generator.
        sizes: (K,) how many there are.
        count: how many are drawn.
        repeat: (K,) rows drawn with replacement.
    """
    rows, places = np.arange(len(sizes)), np.arange(count)
    highest = sizes[:, None] - np.where(repeat[:, None], 1, count - places)
    swaps = np.broadcast_to(places[:0:-1], (len(sizes), count - 1))
    bounds = np.concatenate([highest, swaps], 1)
    wanted = np.ones(bounds.shape, bool)
    wanted[repeat, count:] = False
    drawn = np.zeros(bounds.shape, np.int64)
    drawn[wanted] = rng.integers(0, bounds[wanted], endpoint=True)
    chosen = drawn[:, :count]
    for place in range(1, count):
        taken = (chosen[:, :place] == chosen[:, place : place + 1]).any(1) & ~repeat
        chosen[taken, place] = highest[taken, place]
    for column, place in enumerate(places[:0:-1], count):
        other = np.where(repeat, place, drawn[:, column])
        chosen[rows, other], chosen[:, place] = chosen[:, place].copy(), chosen[rows, other]
    return chosen
