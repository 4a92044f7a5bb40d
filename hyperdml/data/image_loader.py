"""Worker processes that read and crop image files ahead of the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hyperdml.data.crop_boxes import evaluation_boxes, training_boxes
from hyperdml.data.image_files import UnreadableImage
from hyperdml.data.labelled_images import LabelledImages
from hyperdml.data.resample import resample_one
from hyperdml.data.views import CropConfig, view_numbers

_SHRINKS = (8, 4, 2, 1)
_SPARE = 2  # JPEG files are decoded smaller down to twice the size that is needed, as Pillow's thumbnails are

_Sample = tuple[int, int]  # epoch and row
_Read = np.ndarray | tuple[Path, str]  # pixels, or the file that cannot be read and why


class ImageLoader:
    """Reads single images in processes that stay from epoch to epoch, and gives them in batches.

    Args:
        data: the images.
        crop: what is cut out.
        size: side of the result in pixels.
        seed: the run's seed; None cuts out what evaluation looks at.
        workers: processes; 0 reads in this one.
    """

    def __init__(self, data: LabelledImages, crop: CropConfig, size: int, seed: int | None, workers: int) -> None:
        self._order = _Order()
        self._loader = DataLoader(
            _Reader(data, crop, size, seed),
            batch_sampler=self._order,
            num_workers=workers,
            collate_fn=_together,
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # else the loader draws from the generator that dropout draws from
        )

    def batches(self, epoch: int, rows: Sequence[np.ndarray]) -> Iterator[Tensor]:
        """(B, S, S, 3) uint8 images at the positions of every batch.

        Raises:
            UnreadableImage: a file is missing or damaged.
            RuntimeError: these are gone on with after others were begun: the workers read for one caller.
        """
        wanted = [[(epoch, row) for row in batch.tolist()] for batch in rows]
        self._order.batches = wanted
        for found in self._loader:
            if not isinstance(found, Tensor):
                raise UnreadableImage(*found)
            yield found
            # the workers have turned to the others, whose images would come with the labels of these
            if self._order.batches is not wanted:
                raise RuntimeError(f"epoch {epoch} cannot go on: another one of the same batches was begun meanwhile")


class _Order:
    """The batches that the loader is to read next."""

    def __init__(self) -> None:
        self.batches: list[list[_Sample]] = []

    def __iter__(self) -> Iterator[list[_Sample]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Reader(Dataset[_Read]):
    """Reads and crops one image; the part that goes to the workers."""

    def __init__(self, data: LabelledImages, crop: CropConfig, size: int, seed: int | None) -> None:
        self._data, self._crop, self._size, self._seed = data, crop, size, seed

    def __getitem__(self, sample: _Sample) -> _Read:
        epoch, row = sample
        try:
            width, height = self._data.size(row)
            box = self._box(epoch, row, np.array([[width, height]]))
            side = int((box[2:] - box[:2]).min())
            shrink = next(s for s in _SHRINKS if s == 1 or side >= s * _SPARE * self._size)
            pixels = self._data.read(row, shrink)
        except UnreadableImage as error:
            # as a value: errors of two arguments do not survive the way between processes
            return error.path, error.reason
        scale = np.array([pixels.shape[1] / width, pixels.shape[0] / height] * 2)
        return resample_one(pixels, np.rint(box * scale).astype(np.int64), self._size, self._crop.interpolation)

    def _box(self, epoch: int, row: int, size: np.ndarray) -> np.ndarray:
        if self._seed is None:
            return evaluation_boxes(self._crop, size)[0]
        return training_boxes(self._crop, size, view_numbers(self._seed, epoch, np.array([row])))[0]


def _together(found: list[_Read]) -> Tensor | tuple[Path, str]:
    """One batch, or the first file of it that cannot be read."""
    pixels = [image for image in found if isinstance(image, np.ndarray)]
    broken = [image for image in found if not isinstance(image, np.ndarray)]
    return broken[0] if broken else torch.from_numpy(np.stack(pixels))
