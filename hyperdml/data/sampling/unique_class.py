"""Every class once an epoch (Hyp-ViT)."""

from __future__ import annotations

import numpy as np

from hyperdml.data.sampling.members import Members, classes_of_a_batch
from hyperdml.data.sampling.sampler import epoch_order
from hyperdml.seeds import derive_seed


class UniqueClassSampler:
    """M images of each of B / M classes, which come in a new order every epoch, each class once.

    The classes at the end of the order that fill no batch are left out of the epoch. With a batch of all classes an
    epoch is one step, as with Hyp-ViT on CUB (900 = 9 x 100). Images of a class are drawn without replacement as far
    as it has enough.

    Args:
        labels: (N,) class of every image.
        size: images per batch B.
        per_class: images per class M.
        seed: seed of the run.
        replace: draw the images of a class with replacement.

    Raises:
        ConfigError: B is not a multiple of M, or there are fewer than B / M classes.
    """

    def __init__(self, labels: np.ndarray, size: int, per_class: int, seed: int, replace: bool = False) -> None:
        self._members = Members(labels)
        self._classes = classes_of_a_batch(size, per_class, len(self._members))
        self._per_class, self._seed, self._replace = per_class, seed, replace

    def __len__(self) -> int:
        return len(self._members) // self._classes

    def batch(self, step: int) -> np.ndarray:
        """(B,) int64 positions of the images of one batch, class by class."""
        epoch, place = divmod(step, len(self))
        order = epoch_order(self._seed, "classes", epoch, len(self._members))
        classes = order[place * self._classes : (place + 1) * self._classes]
        rng = np.random.default_rng(derive_seed(self._seed, "batch", step))
        return self._members.draw(rng, classes, self._per_class, self._replace)
