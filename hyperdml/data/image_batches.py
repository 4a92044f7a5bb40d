"""Batches of images for a network: the same bits for any number of workers, and from any place in an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hyperdml.data.crop_boxes import evaluation_boxes, training_boxes
from hyperdml.data.image_loader import ImageLoader
from hyperdml.data.labelled_images import ArrayImages, LabelledImages
from hyperdml.data.resample import resample
from hyperdml.data.views import CropConfig, finished, view_numbers
from hyperdml.seeds import derive_seed


class ImageBatches:
    """Batches of a data set, cropped, changed and normalised.

    All chance is derived from (seed, epoch, row). Images in memory are cropped on the device, a batch at a time. Files
    are read and cropped by worker processes, which stay from epoch to epoch and hand over bytes; the rest happens on
    the device.

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
        for name, value, low in (("batch_size", batch_size, 1), ("image_size", image_size, 1), ("workers", workers, 0)):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, got {value}")
        full, rest = divmod(len(data), batch_size)
        self._count = full + (rest > 0 and not drop_last)
        if not self._count:
            raise ValueError(f"{len(data)} images make no batch of {batch_size}" + drop_last * " with drop_last")
        self.data, self.crop, self.batch_size, self.image_size = data, crop, batch_size, image_size
        self._train, self._seed = train, seed
        self._shuffle = train if shuffle is None else shuffle
        self._device = torch.device(device)
        self._labels = torch.tensor(data.labels)
        self._mean, self._std = (torch.tensor(tuple(v), dtype=torch.float32).to(self._device) for v in (mean, std))
        self._source: np.ndarray | ImageLoader
        if isinstance(data, ArrayImages):
            self._source = data.images
        else:
            self._source = ImageLoader(data, crop, image_size, seed if train else None, workers)

    def __len__(self) -> int:
        return self._count

    def rows(self, epoch: int) -> list[np.ndarray]:
        """Positions in the data set of the images of every batch of an epoch."""
        count = len(self.data)
        order = np.arange(count)
        if self._shuffle:
            order = np.random.default_rng(derive_seed(self._seed, "order", epoch)).permutation(count)
        return [order[i * self.batch_size : (i + 1) * self.batch_size] for i in range(self._count)]

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch.

        Args:
            number: the epoch; decides about order, crops and changes.
            first: batches to leave out at the beginning, without reading them.

        Yields:
            (B, 3, S, S) float32 images and (B,) int64 labels, on the device.

        Raises:
            ValueError: there is no batch `first`.
            UnreadableImage: a file is missing or damaged.
            RuntimeError: of files: gone on with after another epoch of this object was begun.
        """
        if not 0 <= first <= self._count:
            raise ValueError(f"first must be from 0 to {self._count}, the batches of an epoch, got {first}")
        batches = self.rows(number)[first:]
        for rows, x in zip(batches, self._cropped(number, batches), strict=True):
            numbers = None
            if self._train:
                numbers = self._send(torch.from_numpy(view_numbers(self._seed, number, rows)))
            labels = self._send(self._labels[torch.from_numpy(rows)])
            yield finished(x, self.crop, numbers, self._mean, self._std), labels

    def _cropped(self, epoch: int, batches: Sequence[np.ndarray]) -> Iterator[Tensor]:
        """(B, 3, S, S) pixels in [0, 1] of every batch."""
        if isinstance(self._source, ImageLoader):
            for images in self._source.batches(epoch, batches):
                yield self._send(images).permute(0, 3, 1, 2).float() / 255
            return
        height, width = self._source.shape[1:3]
        for rows in batches:
            images = self._send(torch.from_numpy(self._source[rows]))
            sizes = np.tile(np.array([width, height]), (len(rows), 1))
            if self._train:
                boxes = training_boxes(self.crop, sizes, view_numbers(self._seed, epoch, rows))
            else:
                boxes = evaluation_boxes(self.crop, sizes)
            yield resample(images, boxes, self.image_size, self.crop.interpolation)

    def _send(self, x: Tensor) -> Tensor:
        if self._device.type != "cuda":
            return x.to(self._device)
        # other than from pinned memory, a copy waits until the GPU has nothing left to do
        return x.pin_memory().to(self._device, non_blocking=True)
