"""Labelled images in memory, the form in which the training loop takes small data sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ImageData:
    """Images of one part of a data set.

    Attributes:
        images: (N, S, S, 3) uint8, RGB.
        labels: (N,) int64 class indices 0 .. C-1.
        levels: (N, L) int64 ids of each image at every level of the taxonomy, coarse to fine; the last is the class.
        level_names: L names.
        class_names: C names.
        coarse_names: names of the ids of the coarsest level, of the whole data set.
    """

    images: np.ndarray
    labels: np.ndarray
    levels: np.ndarray
    level_names: tuple[str, ...]
    class_names: tuple[str, ...]
    coarse_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)
