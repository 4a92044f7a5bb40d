"""What a data set turns out to hold once it is loaded, in one form for both tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperdml.data.classification import ClassificationDataConfig, load_classification
from hyperdml.data.labelled_images import FileImages, LabelledImages
from hyperdml.data.prepare.known import KNOWN
from hyperdml.data.retrieval import DataConfig, RetrievalPart, load_splits


@dataclass(frozen=True)
class PartContents:
    """Counts of a part.

    Attributes:
        images: all of its images.
        classes: classes with images.
        queries: images that ask; None: all of them, leave-one-out, or a part that is trained on.
        gallery: images that are searched.
    """

    images: int
    classes: int
    queries: int | None = None
    gallery: int | None = None


@dataclass(frozen=True, eq=False)
class Contents:
    """What a data set holds.

    Attributes:
        name: as in `data.name`.
        parts: counts of every part.
        levels: name of every level, coarse to fine, and the number of its nodes; by their depth in a tree whose levels
            have no names.
        images: the images of every part.
    """

    name: str
    parts: Mapping[str, PartContents]
    levels: Mapping[str, int]
    images: Mapping[str, LabelledImages]

    def paths(self) -> tuple[Path, dict[str, tuple[str, ...]]]:
        """The folder of the image files, and their paths below it in every part; none of images in arrays."""
        files = {part: images for part, images in self.images.items() if isinstance(images, FileImages)}
        roots = {images.root for images in files.values()}
        root = roots.pop() if len(roots) == 1 else Path()
        return root, {part: images.paths for part, images in files.items()}


def load_contents(name: str, root: Path, complete: bool) -> Contents:
    """Load a data set and count.

    Args:
        name: a name of `KNOWN`.
        root: as `data.root`.
        complete: counts other than those of the whole release are an error.

    Raises:
        DataError: see `hyperdml.data.load_splits` and `load_classification`.
    """
    # whether a data set is whole can be asked of releases only
    values: dict[str, Any] = {"name": name, "root": str(root), "complete": complete or not KNOWN[name].counts}
    if KNOWN[name].task == "classification":
        found = load_classification(ClassificationDataConfig(**values))
        both = {"train": found.train, "test": found.test}
        counts = np.bincount(found.taxonomy.depths).tolist()
        return Contents(
            name,
            {part: PartContents(len(images), len(np.unique(images.labels))) for part, images in both.items()},
            {f"at depth {depth}": count for depth, count in enumerate(counts)},
            both,
        )
    splits = load_splits(DataConfig(**values))
    three = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    parts = {title: part for title, part in three.items() if part is not None}
    return Contents(
        name,
        {part: _counts(content) for part, content in parts.items()},
        {
            level: len(np.unique(np.concatenate([part.levels[:, k] for part in parts.values()])))
            for k, level in enumerate(splits.train.level_names)
        },
        {title: part.images for title, part in parts.items()},
    )


def _counts(part: RetrievalPart) -> PartContents:
    masks = [None if mask is None else int(mask.sum()) for mask in (part.queries, part.gallery)]
    return PartContents(len(part), part.num_classes, *masks)
