"""Split the classes of a data set: classes of the test part are unseen in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hyperdml.data.emoji.dataset import EmojiDataset


@dataclass(frozen=True, eq=False)
class ClassSplit:
    """Disjoint class indices of three parts, each a sorted, read-only int64 array."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_classes(
    dataset: EmojiDataset,
    seed: int = 0,
    by: Literal["class", "subgroup"] = "class",
    fractions: tuple[float, float, float] = (0.5, 0.15, 0.35),
) -> ClassSplit:
    """Split the classes into train, validation and test, every class in one part.

    Args:
        dataset: data set whose classes are split.
        seed: seed of the draw; the same seed gives the same split.
        by: 'class' draws classes one by one; 'subgroup' keeps the classes of a subgroup together, so that
            whole subgroups are unseen in training, which is harder, and meets the fractions only nearly.
        fractions: wanted shares of the classes in train, validation and test; a zero leaves a part empty.

    Raises:
        ValueError: `by` is unknown, the fractions are no shares that sum to 1, or there are too few
            classes (subgroups) to fill the parts.
    """
    if by not in ("class", "subgroup"):
        raise ValueError(f"by must be 'class' or 'subgroup', got {by!r}")
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (3,) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(f"fractions must be three numbers >= 0 that sum to 1, got {fractions!r}")
    rng = np.random.default_rng(seed)
    if by == "class":
        parts = _split_one_by_one(len(dataset.class_names), shares, rng)
    else:
        pairs = list(zip(dataset.groups, dataset.subgroups, strict=True))
        ids = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        parts = _split_together(np.array([ids[pair] for pair in pairs]), shares, rng)
    if any(share > 0 and not part.size for share, part in zip(shares, parts, strict=True)):
        raise ValueError(f"{len(dataset.class_names)} classes are too few for fractions {fractions!r} by {by}")
    for part in parts:
        part.flags.writeable = False
    return ClassSplit(*parts)


def _split_one_by_one(count: int, shares: np.ndarray, rng: np.random.Generator) -> Sequence[np.ndarray]:
    ends = np.round(np.cumsum(shares)[:2] * count).astype(int)
    return [np.sort(part) for part in np.split(rng.permutation(count), ends)]


def _split_together(bundles: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> Sequence[np.ndarray]:
    """Place the bundles (id per class), the largest first, at random into parts that still have room.

    The chance of a part is the room it has left. A bundle that fits nowhere goes where most room is left;
    the small ones that come last then even out the parts.
    """
    sizes = np.bincount(bundles)
    room = shares * len(bundles)
    part_of = np.empty(len(sizes), dtype=np.int64)
    shuffled = rng.permutation(len(sizes))
    for bundle in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        chances = np.where(room >= sizes[bundle], room, 0.0)
        part = rng.choice(3, p=chances / chances.sum()) if chances.any() else int(room.argmax())
        part_of[bundle] = part
        room[part] -= sizes[bundle]
    return [np.flatnonzero(part_of[bundles] == part) for part in range(3)]
