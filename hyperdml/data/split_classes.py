"""Split the classes of a data set: classes of the test part are unseen in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ClassSplit:
    """Disjoint class indices of three parts, each a sorted, read-only int64 array."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_classes(
    num_classes: int,
    seed: int = 0,
    fractions: tuple[float, float, float] = (0.5, 0.15, 0.35),
    bundles: np.ndarray | None = None,
) -> ClassSplit:
    """Split classes 0 .. C-1 into train, validation and test, every class in one part.

    Args:
        num_classes: number of classes C.
        seed: seed of the draw; the same seed gives the same split.
        fractions: wanted shares of the classes in train, validation and test; a zero leaves a part empty.
        bundles: (C,) id of a bundle (a subgroup of the taxonomy, say) for each class; classes of a bundle stay
            together, and the fractions are met only nearly. None draws classes one by one.

    Raises:
        ValueError: the fractions are no shares that sum to 1, the bundles do not fit, or there are too few classes
            (bundles) to fill the parts.
    """
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (3,) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(f"fractions must be three numbers >= 0 that sum to 1, got {fractions!r}")
    if bundles is not None and bundles.shape != (num_classes,):
        raise ValueError(f"bundles must hold one id for each of {num_classes} classes, got shape {bundles.shape}")
    rng = np.random.default_rng(seed)
    if bundles is None:
        ends = np.round(np.cumsum(shares)[:2] * num_classes).astype(int)
        parts = [np.sort(part) for part in np.split(rng.permutation(num_classes), ends)]
    else:
        parts = _split_together(np.unique(bundles, return_inverse=True)[1], shares, rng)
    if any(share > 0 and not part.size for share, part in zip(shares, parts, strict=True)):
        together = "" if bundles is None else f" in {len(np.unique(bundles))} bundles"
        raise ValueError(f"{num_classes} classes{together} are too few for the shares {fractions!r}")
    for part in parts:
        part.flags.writeable = False
    return ClassSplit(*parts)


def _split_together(bundles: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Place the bundles (id per class), the largest first, at random into parts that still have room.

    The chance of a part is the room it has left. A bundle that fits nowhere goes where most room is left; the small
    ones that come last then even out the parts.
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
