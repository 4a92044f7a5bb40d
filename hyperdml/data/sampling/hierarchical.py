"""Several images of each of some classes that are near one another in the taxonomy."""

from __future__ import annotations

import numpy as np

from hyperdml.data.sampling.members import Members, classes_of_a_batch
from hyperdml.errors import ConfigError, DataError
from hyperdml.seeds import derive_seed


class HierarchicalSampler:
    """M images of each of B / M classes, which come from S super-classes.

    Super-classes are drawn without replacement and share the B / M classes evenly, the first drawn taking what is over.
    One with fewer classes than its share gives all of them; what is missing comes from the other super-classes of the
    batch, and where they have too few, from further ones, in the order they were drawn. Batches thus have B images
    always, and more than S super-classes only where S hold too few. Images of a class are drawn without replacement as
    far as it has enough. An epoch has as many batches as there are whole batches of images.

    Args:
        labels: (N,) class of every image.
        coarse: (N,) super-class of every image.
        size: images per batch B.
        per_class: images per class M.
        super_classes: super-classes per batch S.
        seed: seed of the run.
        replace: draw the images of a class with replacement.

    Raises:
        ConfigError: B is not a multiple of M, there are fewer than B / M classes, or S is not from 1 to the number of
            super-classes and of classes in a batch.
        DataError: a class lies in several super-classes.
    """

    def __init__(
        self,
        labels: np.ndarray,
        coarse: np.ndarray,
        size: int,
        per_class: int,
        super_classes: int,
        seed: int,
        replace: bool = False,
    ) -> None:
        self._members = members = Members(labels)
        self._classes = classes_of_a_batch(size, per_class, len(members))
        above = coarse[members.order]
        strays = np.flatnonzero(above != np.repeat(above[members.starts], members.counts))
        if len(strays):
            position = members.order[strays[0]]
            raise DataError(f"images of class {labels[position]} belong to several classes of the coarsest level")
        self._super = Members(above[members.starts])
        if not 1 <= super_classes <= min(len(self._super), self._classes):
            raise ConfigError(
                f"batch.super_classes must be from 1 to {min(len(self._super), self._classes)} (the training part has "
                f"{len(self._super)}, a batch {self._classes} classes), got {super_classes}"
            )
        self._share = np.zeros(len(self._super), np.int64)
        self._share[:super_classes] = self._classes // super_classes
        self._share[: self._classes % super_classes] += 1
        self._epoch = max(1, len(labels) // size)
        self._per_class, self._seed, self._replace = per_class, seed, replace

    def __len__(self) -> int:
        return self._epoch

    def batch(self, step: int) -> np.ndarray:
        """(B,) int64 positions of the images of one batch, super-class by super-class and class by class."""
        rng = np.random.default_rng(derive_seed(self._seed, "batch", step))
        drawn = rng.permutation(len(self._super))
        there = self._super.counts[drawn]
        taken = np.minimum(self._share, there)
        spare = there - taken
        before = np.cumsum(spare) - spare
        taken += np.clip(self._classes - taken.sum() - before, 0, spare)
        groups = [
            self._super.order[self._super.starts[group] + rng.choice(self._super.counts[group], count, replace=False)]
            for group, count in zip(drawn, taken, strict=True)
            if count
        ]
        return self._members.draw(rng, np.concatenate(groups), self._per_class, self._replace)
