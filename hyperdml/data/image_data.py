"""Labelled images in memory, the form in which the training loop takes small data sets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hyperdml.taxonomy import Taxonomy


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

    @cached_property
    def taxonomy(self) -> Taxonomy:
        """The tree of these classes under one root, its leaves in label order.

        Inner nodes are called by their names at the coarsest level, by rank and id ("subgroup: 12") below it; one that
        shares its name is called by its path.

        Raises:
            ValueError: the levels are not nested, or a class is called "root".
        """
        labels, first = np.unique(self.labels, return_index=True)
        ids = self.levels[first]
        ids[:, -1] = labels  # leaves come in the order of their ids
        names: list[tuple[str, ...] | None] = [self.coarse_names] + [None] * (ids.shape[1] - 1)
        names[-1] = self.class_names
        return Taxonomy.from_levels(ids, names, self.level_names, homonyms="path", virtual_root=True)
