"""Batches of images for a network: the same bits for any number of workers, and from any place in an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hyperdml.data.image_loader import ImageLoader
from hyperdml.data.image_reader import Views
from hyperdml.data.labelled_images import LabelledImages
from hyperdml.data.sampling.sampler import epoch_order
from hyperdml.data.views import CropConfig, view_numbers


class ImageBatches:
    """Batches of a data set, epoch by epoch, cropped, changed and normalised.

    All chance is derived from (seed, epoch, row). Worker processes stay from epoch to epoch.

    Args:
        data: the images.
        crop: what is cropped and changed, in training and evaluation.
        batch_size: images per batch.
        image_size: side of the network's input in pixels.
        mean: channel means of pixel values in [0, 1].
        std: channel deviations.
        train: random crops and changes; else those of evaluation.
        shuffle: another order every epoch, derived from (seed, epoch); None: as `train`.
        seed: the run's seed.
        drop_last: leave the last batch out if it is smaller than the others.
        workers: processes that read files; 0 reads them here. Images in memory need none.
        device: where the batches are made.

    Raises:
        ValueError: a number is out of range, or the images make no batch.
    """

    def __init__(
        self,
        data: LabelledImages,
        crop: CropConfig,
        *,
        batch_size: int,
        image_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        train: bool,
        shuffle: bool | None = None,
        seed: int = 0,
        drop_last: bool = False,
        workers: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        full, rest = divmod(len(data), batch_size)
        self._count = full + (rest > 0 and not drop_last)
        if not self._count:
            raise ValueError(f"{len(data)} images make no batch of {batch_size}" + drop_last * " with drop_last")
        self._images, self._batch_size, self._train, self._seed = len(data), batch_size, train, seed
        self._shuffle = train if shuffle is None else shuffle
        self._loader = ImageLoader(
            data, crop, image_size=image_size, mean=mean, std=std, workers=workers, device=device
        )

    def __len__(self) -> int:
        return self._count

    def rows(self, epoch: int) -> list[np.ndarray]:
        """Positions in the data set of the images of every batch of an epoch."""
        order = np.arange(self._images)
        if self._shuffle:
            order = epoch_order(self._seed, "order", epoch, self._images)
        return [order[i * self._batch_size : (i + 1) * self._batch_size].copy() for i in range(self._count)]

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch.

        Args:
            number: the epoch; decides about order, crops and changes.
            first: batches to leave out at the beginning, without reading them.

        Returns:
            Iterator of (B, 3, S, S) float32 images and (B,) int64 labels, on the device.

        Raises:
            ValueError: there is no batch `first`.
            UnreadableImage: a file is missing or damaged.
            EnvironmentProblem: a worker process was killed.
            RuntimeError: of files: gone on with after another epoch of this object was begun.
        """
        if not 0 <= first <= self._count:
            raise ValueError(f"first must be from 0 to {self._count}, the batches of an epoch, got {first}")
        seed, train = self._seed, self._train
        wanted = (
            Views(rows, view_numbers(seed, number, rows) if train else None) for rows in self.rows(number)[first:]
        )
        return self._loader.batches(wanted)
