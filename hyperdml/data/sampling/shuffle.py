"""Every image once an epoch."""

from __future__ import annotations

import numpy as np

from hyperdml.data.sampling.sampler import epoch_order
from hyperdml.errors import ConfigError


class ShuffleSampler:
    """Whole batches of a new order of all images every epoch; what is left over at its end is left out.

    Args:
        count: images N.
        size: images per batch B.
        seed: seed of the run.

    Raises:
        ConfigError: B is not from 1 to N.
    """

    def __init__(self, count: int, size: int, seed: int) -> None:
        if not 1 <= size <= count:
            raise ConfigError(f"batch.size must be from 1 to {count}, the images of the training part, got {size}")
        self._count, self._size, self._seed = count, size, seed

    def __len__(self) -> int:
        return self._count // self._size

    def batch(self, step: int) -> np.ndarray:
        """(B,) int64 positions of the images of one batch."""
        epoch, place = divmod(step, len(self))
        order = epoch_order(self._seed, "order", epoch, self._count)
        return order[place * self._size : (place + 1) * self._size].copy()
