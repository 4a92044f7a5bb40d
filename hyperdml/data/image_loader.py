"""From the views that are wanted to batches for a network: what `ImageBatches` and `ImageStream` have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from hyperdml.data.crop_boxes import evaluation_boxes, training_boxes
from hyperdml.data.image_reader import ImageReader, Views
from hyperdml.data.labelled_images import ArrayImages, LabelledImages
from hyperdml.data.resample import resample
from hyperdml.data.views import CropConfig, finished


class ImageLoader:
    """Images cropped, changed and normalised, on the device.

    Images in memory are cropped on the device, a batch at a time. Files are read, cropped and mirrored by worker
    processes, which hand over bytes; the rest happens on the device.

    Args:
        data: the images.
        crop: what is cropped and changed, in training and evaluation.
        image_size: side of the network's input in pixels.
        mean: channel means of pixel values in [0, 1].
        std: channel deviations.
        workers: processes that read files; 0 reads them here. Images in memory need none.
        device: where the batches are made.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        data: LabelledImages,
        crop: CropConfig,
        *,
        image_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        workers: int,
        device: torch.device | str,
    ) -> None:
        for name, value, low in (("image_size", image_size, 1), ("workers", workers, 0)):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, got {value}")
        self._crop, self._size = crop, image_size
        self._device = torch.device(device)
        self._labels = data.labels
        self._mean, self._std = (torch.tensor(tuple(v), dtype=torch.float32).to(self._device) for v in (mean, std))
        # of one row of bytes, so that a batch of them is normalised in one pass over contiguous memory
        self._factor = (1 / (255 * self._std)).repeat(image_size)
        self._offset = (-self._mean / self._std).repeat(image_size)
        self._source: np.ndarray | ImageReader
        if isinstance(data, ArrayImages):
            self._source = data.images
        else:
            self._source = ImageReader(data, crop, image_size, workers, pinned=self._device.type == "cuda")

    def batches(self, wanted: Iterable[Views]) -> Iterator[tuple[Tensor, Tensor]]:
        """(B, 3, S, S) float32 images and (B,) int64 labels of every batch, on the device; `wanted` may be endless.

        Raises:
            UnreadableImage: a file is missing or damaged.
            EnvironmentProblem: a worker process was killed.
            RuntimeError: of files: gone on with after other batches of this loader were begun.
        """
        made = self._from_files if isinstance(self._source, ImageReader) else self._from_memory
        for views, images in made(wanted):
            yield images, self._send(torch.from_numpy(self._labels[views.rows]))

    def _from_memory(self, wanted: Iterable[Views]) -> Iterator[tuple[Views, Tensor]]:
        assert isinstance(self._source, np.ndarray)
        height, width = self._source.shape[1:3]
        for views in wanted:
            images = self._send(torch.from_numpy(self._source[views.rows]))
            sizes = np.tile(np.array([width, height]), (len(views.rows), 1))
            if views.numbers is None:
                boxes = evaluation_boxes(self._crop, sizes)
            else:
                boxes = training_boxes(self._crop, sizes, views.numbers)
            yield views, self._finished(resample(images, boxes, self._size, self._crop.interpolation), views)

    def _from_files(self, wanted: Iterable[Views]) -> Iterator[tuple[Views, Tensor]]:
        assert isinstance(self._source, ImageReader)
        for views, pixels in self._source.batches(wanted):
            images = self._send(pixels)
            if views.numbers is not None and self._crop.kind == "affine":
                yield views, self._finished(images.permute(0, 3, 1, 2).float() / 255, views)
                continue
            x = images.flatten(2).float()
            torch.addcmul(self._offset, x, self._factor, out=x)
            yield views, x.view(images.shape).permute(0, 3, 1, 2)

    def _finished(self, x: Tensor, views: Views) -> Tensor:
        numbers = None if views.numbers is None else self._send(torch.from_numpy(views.numbers))
        return finished(x, self._crop, numbers, self._mean, self._std)

    def _send(self, x: Tensor) -> Tensor:
        if self._device.type != "cuda":
            return x.to(self._device)
        # other than from pinned memory, a copy waits until the GPU has nothing left to do
        return x.pin_memory().to(self._device, non_blocking=True)
