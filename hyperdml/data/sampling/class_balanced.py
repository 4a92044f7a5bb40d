"""Images one by one, every class as likely as any other."""

from __future__ import annotations

import numpy as np

from hyperdml.data.sampling.members import Members
from hyperdml.errors import ConfigError
from hyperdml.seeds import derive_seed


class ClassBalancedSampler:
    """Every place of a batch: a class, each as likely as any other, and one of its images likewise.

    All draws are independent, so that a batch may hold one image of a class or many, and an image twice. An epoch has
    as many batches as there are whole batches of images.

    Args:
        labels: (N,) class of every image.
        size: images per batch B.
        seed: seed of the run.

    Raises:
        ConfigError: B is not positive, or there are no images.
    """

    def __init__(self, labels: np.ndarray, size: int, seed: int) -> None:
        if size < 1:
            raise ConfigError(f"batch.size must be at least 1, got {size}")
        if not len(labels):
            raise ConfigError(f"batch.size {size} needs images; the training part has none")
        self._members = Members(labels)
        self._epoch = max(1, len(labels) // size)
        self._size, self._seed = size, seed

    def __len__(self) -> int:
        return self._epoch

    def batch(self, step: int) -> np.ndarray:
        """(B,) int64 positions of the images of one batch."""
        rng = np.random.default_rng(derive_seed(self._seed, "batch", step))
        classes = rng.integers(len(self._members), size=self._size)
        return self._members.draw(rng, classes, 1, replace=True)
