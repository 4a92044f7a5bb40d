"""Training batches without end, from any step on, for one process or for several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count

import numpy as np
import torch
from torch import Tensor

from hyperdml.data.image_loader import ImageLoader
from hyperdml.data.image_reader import Views
from hyperdml.data.labelled_images import LabelledImages
from hyperdml.data.sampling import Sampler
from hyperdml.data.views import CropConfig, view_numbers


class ImageStream:
    """The batches of a sampler, cropped, changed and normalised for training.

    All chance of an image is derived from (seed, step, row, how many times the row stood in the batch before), so that
    the bits of a batch are the same for any number of workers, wherever the stream begins, and however many processes
    share the batch. Worker processes read ahead, across the ends of epochs.

    Args:
        data: the images.
        crop: what is cropped and changed.
        sampler: which images make a batch.
        image_size: side of the network's input in pixels.
        mean: channel means of pixel values in [0, 1].
        std: channel deviations.
        seed: the run's seed.
        workers: processes that read files; 0 reads them here. Images in memory need none.
        device: where the batches are made.
        rank: number of this process, from 0.
        world: processes that share every batch: this one reads and gives the rank-th of `world` parts
            (``numpy.array_split``).

    Raises:
        ValueError: a number is out of range, or a batch has fewer images than there are processes.
    """

    def __init__(
        self,
        data: LabelledImages,
        crop: CropConfig,
        sampler: Sampler,
        *,
        image_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int,
        workers: int = 0,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if not 0 <= rank < world:
            raise ValueError(f"rank must be from 0 to world - 1, got rank {rank} and world {world}")
        size = len(sampler.batch(0))
        if size < world:
            raise ValueError(f"a batch of {size} images cannot be shared by {world} processes")
        self._views = partial(_views, sampler, seed, rank, world)
        self._loader = ImageLoader(
            data, crop, image_size=image_size, mean=mean, std=std, workers=workers, device=device
        )

    def batches(self, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches from step `first` on.

        Returns:
            Iterator of (B, 3, S, S) float32 images and (B,) int64 labels, on the device: this process's part of each.

        Raises:
            ValueError: `first` is negative.
            UnreadableImage: a file is missing or damaged.
            EnvironmentProblem: a worker process was killed.
            RuntimeError: of files: gone on with after other batches of this object were begun.
        """
        if first < 0:
            raise ValueError(f"first must be at least 0, got {first}")
        return self._loader.batches(map(self._views, count(first)))


def _views(sampler: Sampler, seed: int, rank: int, world: int, step: int) -> Views:
    rows = sampler.batch(step)
    part = np.array_split(np.arange(len(rows)), world)[rank]
    return Views(rows[part], view_numbers(seed, step, rows[part], _times_before(rows)[part]))


def _times_before(rows: np.ndarray) -> np.ndarray:
    """(B,) how many times each row stands further ahead: [7, 3, 7, 7] gives [0, 0, 1, 2]."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    times = np.empty_like(order)
    times[order] = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
    return times
