"""Batches with several images of each class, as a pure function of the step."""

from __future__ import annotations

import numpy as np

from hyperdml.errors import ConfigError
from hyperdml.seeds import derive_seed


class ClassBatchSampler:
    """M images of each of B / M classes; batch number `step` depends on (seed, step) alone.

    Classes are drawn without replacement within a batch; images of a class without replacement as far as it has
    enough. Nothing is stored, so training resumes in the middle of anything.

    Args:
        labels: (N,) class of every image.
        batch_size: images per batch B.
        per_class: images per class M.
        seed: seed of the run.

    Raises:
        ConfigError: B is not a multiple of M, or there are fewer than B / M classes.
    """

    def __init__(self, labels: np.ndarray, batch_size: int, per_class: int, seed: int) -> None:
        order = np.argsort(labels, kind="stable")
        starts = np.unique(labels[order], return_index=True)[1]
        self._members = np.split(order, starts[1:])
        if per_class < 1 or batch_size < per_class or batch_size % per_class:
            raise ConfigError(f"batch.size must be a multiple of batch.per_class, got {batch_size} and {per_class}")
        if batch_size // per_class > len(self._members):
            raise ConfigError(
                f"batch.size {batch_size} with batch.per_class {per_class} needs {batch_size // per_class} classes; "
                f"the training part has {len(self._members)}"
            )
        self._classes_per_batch = batch_size // per_class
        self._per_class = per_class
        self._seed = seed

    def batch(self, step: int) -> np.ndarray:
        """(B,) indices of the images of one batch."""
        rng = np.random.default_rng(derive_seed(self._seed, "batch", step))
        classes = rng.choice(len(self._members), self._classes_per_batch, replace=False)
        drawn = [
            rng.choice(self._members[k], self._per_class, replace=len(self._members[k]) < self._per_class)
            for k in classes
        ]
        return np.concatenate(drawn)
