"""What a sampler is, and the orders of an epoch that several of them go by."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np

from hyperdml.seeds import derive_seed


class Sampler(Protocol):
    """Batches by number.

    Nothing is stored between them: batch number `step` depends on (seed, step) alone, so that training resumes in the
    middle of anything, and every process of several knows the whole batch.
    """

    def __len__(self) -> int:
        """Batches in an epoch."""

    def batch(self, step: int) -> np.ndarray:
        """(B,) int64 positions of the images of one batch, of all processes together; `step` counts over epochs."""


@lru_cache(maxsize=4)
def epoch_order(seed: int, purpose: str, epoch: int, count: int) -> np.ndarray:
    """(count,) a permutation derived from (seed, purpose, epoch); read-only, since it is kept for the next batch."""
    order = np.random.default_rng(derive_seed(seed, purpose, epoch)).permutation(count)
    order.flags.writeable = False
    return order
