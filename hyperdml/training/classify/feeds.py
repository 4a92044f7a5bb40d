"""What a step is given: a batch of images, or of features of the frozen backbone; any step can be the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from hyperdml.data.image_batches import ImageBatches
from hyperdml.seeds import derive_seed


class Feed(Protocol):
    """Batches by step."""

    def __len__(self) -> int:
        """Steps of an epoch."""

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and (B,) labels of a step, on the device."""


class ImageFeed:
    """Batches of images, read on from step to step.

    Args:
        batches: the images.
    """

    def __init__(self, batches: ImageBatches) -> None:
        self._batches = batches
        self._next = -1
        self._reading: Iterator[tuple[Tensor, Tensor]] = iter(())

    def __len__(self) -> int:
        return len(self._batches)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) images and (B,) labels."""
        epoch, first = divmod(step, len(self._batches))
        if first == 0 or step != self._next:
            self._reading = self._batches.epoch(epoch, first)
        self._next = step + 1
        return next(self._reading)


class FeatureFeed:
    """Batches of stored features, in a new order every epoch, each image in one of its views.

    Args:
        bank: (N, V, F) features.
        labels: (N,) int64.
        batch_size: images per batch; the last one of an epoch may be smaller.
        seed: order and views are derived from it and the epoch.
        device: where the features are put, all of them.
    """

    def __init__(self, bank: Tensor, labels: np.ndarray, batch_size: int, seed: int, device: torch.device) -> None:
        self._bank, self._labels = bank.float().to(device), torch.from_numpy(labels).to(device)
        self._size, self._seed = batch_size, seed
        self._epoch = -1
        self._order = self._views = torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        return -(-len(self._bank) // self._size)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """(B, F) features and (B,) labels."""
        epoch, place = divmod(step, len(self))
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(derive_seed(self._seed, "order", epoch))
            count, views, _ = self._bank.shape
            self._order = torch.randperm(count, generator=generator).to(self._bank.device)
            self._views = torch.randint(views, (count,), generator=generator).to(self._bank.device)
            self._epoch = epoch
        part = slice(place * self._size, (place + 1) * self._size)
        rows = self._order[part]
        return self._bank[rows, self._views[part]], self._labels[rows]
