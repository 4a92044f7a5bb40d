"""Several images of each of some classes, drawn anew for every batch (HIER)."""

from __future__ import annotations

import numpy as np

from hyperdml.data.sampling.members import Members, classes_of_a_batch
from hyperdml.seeds import derive_seed


class MPerClassSampler:
    """M images of each of B / M classes.

    Classes are drawn without replacement within a batch; images of a class without replacement as far as it has
    enough. An epoch has as many batches as there are whole batches of images, as in HIER's released sampler; a class
    or an image may come up several times in it or not at all.

    Args:
        labels: (N,) class of every image.
        size: images per batch B.
        per_class: images per class M.
        seed: seed of the run.
        replace: draw the images of a class with replacement, as HIER's released sampler does: then the same image can
            stand in a batch twice.

    Raises:
        ConfigError: B is not a multiple of M, or there are fewer than B / M classes.
    """

    def __init__(self, labels: np.ndarray, size: int, per_class: int, seed: int, replace: bool = False) -> None:
        self._members = Members(labels)
        self._classes = classes_of_a_batch(size, per_class, len(self._members))
        self._epoch = max(1, len(labels) // size)
        self._per_class, self._seed, self._replace = per_class, seed, replace

    def __len__(self) -> int:
        return self._epoch

    def batch(self, step: int) -> np.ndarray:
        """(B,) int64 positions of the images of one batch, class by class."""
        rng = np.random.default_rng(derive_seed(self._seed, "batch", step))
        classes = rng.choice(len(self._members), self._classes, replace=False)
        return self._members.draw(rng, classes, self._per_class, self._replace)
