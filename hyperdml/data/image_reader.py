"""Worker processes that read and crop image files ahead of the network."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hyperdml.data.crop_boxes import evaluation_boxes, training_boxes
from hyperdml.data.image_files import UnreadableImage
from hyperdml.data.labelled_images import LabelledImages
from hyperdml.data.resample import resample_one
from hyperdml.data.views import CropConfig, mirrored
from hyperdml.data.worker_processes import on_our_terms, outlive_signals, tells_of_a_death
from hyperdml.errors import EnvironmentProblem

_SHRINKS = (8, 4, 2, 1)
_SPARE = 2  # JPEG files are decoded smaller down to twice the size that is needed, as Pillow's thumbnails are

_Read = Tensor | tuple[Path, str]  # pixels, or the file that cannot be read and why


class Views(NamedTuple):
    """One batch to be made: what is seen of which images.

    Attributes:
        rows: (B,) positions of the images in their data set.
        numbers: (B, VIEW_NUMBERS) of `view_numbers`, all the chance there is; None for what evaluation looks at.
    """

    rows: np.ndarray
    numbers: np.ndarray | None


class ImageReader:
    """Reads batches in processes that stay, some batches ahead of the one that is asked for.

    A batch is read by one process, which writes every image straight into its place.

    Args:
        data: the images.
        crop: what is cut out.
        size: side of the result in pixels.
        workers: processes; 0 reads in this one, when a batch is asked for.
        pinned: hand batches over in pinned memory, from which copies to a GPU do not wait.
    """

    def __init__(self, data: LabelledImages, crop: CropConfig, size: int, workers: int, pinned: bool) -> None:
        self._order = _Order()
        with on_our_terms():
            self._loader = DataLoader(
                BatchReader(data, crop, size),
                batch_size=None,
                sampler=self._order,
                num_workers=workers,
                collate_fn=_unchanged,
                pin_memory=pinned,
                persistent_workers=workers > 0,
                worker_init_fn=outlive_signals,
                generator=torch.Generator(),  # else the loader draws from the generator that dropout draws from
            )
        # The garbage collector takes the loader's queues before it asks the loader to end its workers, which then wait
        # in vain. Held from outside, the loader is no garbage until this reader is.
        self._found: list[Iterator[_Read]] = []
        weakref.finalize(self, self._found.clear)

    def batches(self, wanted: Iterable[Views]) -> Iterator[tuple[Views, Tensor]]:
        """Every batch with its images, (B, S, S, 3) uint8, cropped and mirrored; `wanted` may be endless.

        `wanted` must not hold this reader, which would then live as long as the program.

        Raises:
            UnreadableImage: a file is missing or damaged.
            EnvironmentProblem: a worker process was killed.
            RuntimeError: these are gone on with after others were begun: the workers read for one caller.
        """
        ahead = self._order.begin(wanted)
        with on_our_terms():
            found = iter(self._loader)
        self._found[:] = [found]
        while True:
            try:
                images = next(found)
            except StopIteration:
                return
            except (RuntimeError, OSError, EOFError) as error:
                if not self._loader.num_workers or not tells_of_a_death(error):
                    raise
                reason = " ".join(str(error).split()) or type(error).__name__
                raise EnvironmentProblem(
                    f"a process that reads images ended before its time ({reason}); memory may be short, or shared "
                    "memory (/dev/shm): give fewer workers, or 0"
                ) from error
            if not isinstance(images, Tensor):
                raise UnreadableImage(*images)
            yield ahead.popleft(), images
            # the workers have turned to the others, whose images would come with the labels of these
            if self._order.ahead is not ahead:
                raise RuntimeError("these batches cannot go on: others of the same reader were begun meanwhile")


class _Order:
    """The batches that the loader is to read next, and those that it reads now."""

    def __init__(self) -> None:
        self._wanted: Iterable[Views] = ()
        self.ahead: deque[Views] = deque()

    def begin(self, wanted: Iterable[Views]) -> deque[Views]:
        """Turn to other batches; the result holds those that are being read, in order."""
        self._wanted, self.ahead = wanted, deque()
        return self.ahead

    def __iter__(self) -> Iterator[Views]:
        return self._taken(iter(self._wanted), self.ahead)

    @staticmethod
    def _taken(wanted: Iterator[Views], ahead: deque[Views]) -> Iterator[Views]:
        for views in wanted:
            ahead.append(views)
            yield views


class BatchReader(Dataset[_Read]):
    """Reads and crops one batch; the part that goes to the workers."""

    def __init__(self, data: LabelledImages, crop: CropConfig, size: int) -> None:
        self._data, self._crop, self._size = data, crop, size

    def __getitem__(self, views: Views) -> _Read:
        out = torch.empty(len(views.rows), self._size, self._size, 3, dtype=torch.uint8)
        rows = views.rows.tolist()
        try:
            sizes = np.array([self._data.size(row) for row in rows], np.int64).reshape(-1, 2)
            if views.numbers is None:
                boxes = evaluation_boxes(self._crop, sizes)
                mirror = np.zeros(len(rows), bool)
            else:
                boxes = training_boxes(self._crop, sizes, views.numbers)
                mirror = mirrored(self._crop, views.numbers)
            for place, row in enumerate(rows):
                image = self._part(row, sizes[place], boxes[place])
                out[place] = image.flip(1) if mirror[place] else image
        except UnreadableImage as error:
            # as a value: errors of two arguments do not survive the way between processes
            return error.path, error.reason
        return out

    def _part(self, row: int, size: np.ndarray, box: np.ndarray) -> Tensor:
        side = int((box[2:] - box[:2]).min())
        shrink = next(s for s in _SHRINKS if s == 1 or side >= s * _SPARE * self._size)
        pixels = self._data.read(row, shrink)
        if shrink > 1:
            scale = np.array([pixels.shape[1], pixels.shape[0]] * 2) / np.tile(size, 2)
            box = np.rint(box * scale).astype(np.int64)
        return resample_one(pixels, box, self._size, self._crop.interpolation)


def _unchanged(found: Any) -> Any:
    return found
