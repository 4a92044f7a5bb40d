"""The parts of a data set for retrieval, as training and evaluation take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hyperdml.data.labelled_images import LabelledImages
from hyperdml.data.query_gallery import check_masks
from hyperdml.taxonomy import Taxonomy


@dataclass(frozen=True, eq=False)
class RetrievalPart:
    """Images of one part of a data set, their classes, and what stands above these.

    Attributes:
        images: N images; their labels are class indices 0 .. C-1 of this part.
        levels: (N, L) int64 ids of each image at every level, coarse to fine, nested; the last is the class. Ids are
            those of the whole data set, so that no two parts mean different things by one.
        level_names: L names.
        class_names: C names.
        coarse_names: names of the ids of the coarsest level, of the whole data set.
        queries: (N,) bool, which images ask, or None, which with `gallery` means leave-one-out: every image asks and is
            searched, and is left out of its own neighbours.
        gallery: (N,) bool, which images are searched.

    Raises:
        ValueError: the levels have no row for every image or no name for every column, or see `check_masks`.
    """

    images: LabelledImages
    levels: np.ndarray
    level_names: tuple[str, ...]
    class_names: tuple[str, ...]
    coarse_names: tuple[str, ...]
    queries: np.ndarray | None = None
    gallery: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.levels.shape != (len(self), len(self.level_names)):
            raise ValueError(
                f"levels must be ({len(self)}, {len(self.level_names)}) ids, a row an image and a column a name, got "
                f"{self.levels.shape}"
            )
        check_masks(self.queries, self.gallery, len(self))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labels(self) -> np.ndarray:
        """(N,) int64 class indices."""
        return self.images.labels

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


@dataclass(frozen=True, eq=False)
class RetrievalSplits:
    """Parts with disjoint classes.

    Attributes:
        train: what is trained on.
        validation: held-out classes for tuning; None: nothing is held out.
        test: what is reported on.
    """

    train: RetrievalPart
    validation: RetrievalPart | None
    test: RetrievalPart
