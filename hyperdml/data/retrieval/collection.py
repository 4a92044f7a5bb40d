"""A whole data set for retrieval, before its classes are divided into parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hyperdml.data.labelled_images import ArrayImages, FileImages
from hyperdml.data.retrieval.parts import RetrievalPart
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.names import listing

TRAIN, VALIDATION, TEST = range(3)
"""Numbers of the parts."""


@dataclass(frozen=True, eq=False)
class Collection:
    """All images of a data set.

    Attributes:
        images: N images; their labels are classes 0 .. C-1, of which some may have no image.
        class_names: C names.
        levels: (C, L) int64 ids of each class at every level, coarse to fine; the last column counts the classes.
        level_names: L names.
        coarse_names: names of the ids of the coarsest level.
        parts: (N,) `TRAIN`, `VALIDATION` or `TEST` where the data set comes divided, else None.
        queries: (N,) bool, which images ask; a part without such images, or all of them without these masks, is
            evaluated leave-one-out.
        gallery: (N,) bool, which images are searched.
    """

    images: ArrayImages | FileImages
    class_names: tuple[str, ...]
    levels: np.ndarray
    level_names: tuple[str, ...]
    coarse_names: tuple[str, ...]
    parts: np.ndarray | None = None
    queries: np.ndarray | None = None
    gallery: np.ndarray | None = None

    def part(self, rows: np.ndarray) -> RetrievalPart:
        """Some images as a part of their own, with classes numbered anew from 0.

        Args:
            rows: positions of the images.

        Raises:
            ValueError: images of the part ask, or are searched, but make no search; see `check_masks`.
        """
        chosen = self.images.select(rows)
        queries, gallery = (None if mask is None else mask[rows] for mask in (self.queries, self.gallery))
        if queries is not None and gallery is not None and not (queries | gallery).any():  # as of training images
            queries = gallery = None
        classes, labels = np.unique(chosen.labels, return_inverse=True)
        return RetrievalPart(
            images=replace(chosen, labels=labels.astype(np.int64)),
            levels=self.levels[chosen.labels],
            level_names=self.level_names,
            class_names=tuple(self.class_names[k] for k in classes.tolist()),
            coarse_names=self.coarse_names,
            queries=queries,
            gallery=gallery,
        )


def prevailing(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """(C,) for every class the id that most of its images have; of equals the lowest.

    Args:
        labels: (N,) classes, of which none is without images.
        ids: (N,) int64, one an image.
    """
    (classes, found), counts = np.unique(np.stack([labels, ids]), axis=1, return_counts=True)
    order = np.lexsort((found, -counts, classes))
    return np.asarray(found[order][np.unique(classes[order], return_index=True)[1]])


@dataclass(frozen=True, eq=False)
class ClassLevels:
    """Levels of classes, as a `Collection` holds them: ids (C, L), names of levels, names of the coarsest ids."""

    ids: np.ndarray
    names: tuple[str, ...]
    coarse_names: tuple[str, ...]

    @classmethod
    def flat(cls, class_names: Sequence[str]) -> ClassLevels:
        """The class as the only level."""
        return cls(np.arange(len(class_names), dtype=np.int64)[:, None], ("class",), tuple(class_names))

    @classmethod
    def of(cls, taxonomy: Taxonomy, names: Sequence[str] | None = None) -> ClassLevels:
        """The levels of a taxonomy whose leaves are the classes, in their order.

        A level that is one node for all classes, as a root, tells nothing and is left out.

        Args:
            taxonomy: a tree or forest with all leaves at one depth.
            names: of the levels above the class, coarse to fine; by default "level 1", "level 2", ... of those that
                are not left out.

        Raises:
            ValueError: a node has several parents, or leaves lie at different depths.
        """
        if not taxonomy.is_forest:
            raise ValueError("a node has several parents, and levels need a tree")
        depths = taxonomy.depths[: taxonomy.num_leaves]
        odd = np.flatnonzero(depths != depths[0])
        if len(odd):
            shown = listing([taxonomy.names[0], taxonomy.names[int(odd[0])]])
            raise ValueError(
                f"levels need all classes equally deep, but {shown} lie {depths[0]} and {depths[odd[0]]} below the top"
            )
        nodes = [np.arange(taxonomy.num_leaves)]
        for _ in range(int(depths[0])):
            nodes.insert(0, taxonomy.parent[nodes[0]])
        found = [np.unique(column, return_inverse=True) for column in nodes[:-1]]
        kept = [level for level, (values, _) in enumerate(found) if len(values) > 1]
        if not kept:
            return cls.flat(taxonomy.leaves)
        ids = np.stack([*(found[level][1] for level in kept), nodes[-1]], axis=1).astype(np.int64)
        titles = [names[level] if names else f"level {number}" for number, level in enumerate(kept, 1)]
        coarse_names = tuple(taxonomy.names[node] for node in found[kept[0]][0].tolist())
        return cls(ids, (*titles, "class"), coarse_names)
