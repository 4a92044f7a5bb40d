"""A part of the training images to tune on, where the release has none."""

from __future__ import annotations

import numpy as np

from hyperdml.data.classification.splits import ClassificationSplits
from hyperdml.data.labelled_images import LabelledImages
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy import Taxonomy


def hold_out_tenth(images: LabelledImages, taxonomy: Taxonomy, seed: int) -> ClassificationSplits:
    """Training images in two parts, the second a tenth of every class.

    Args:
        images: training images.
        taxonomy: of their classes.
        seed: of the draw.

    Returns:
        The parts, both in the order of `images`.
    """
    drawn = tenth_of_each(images.labels, seed)
    return ClassificationSplits(images.select(np.flatnonzero(~drawn)), images.select(np.flatnonzero(drawn)), taxonomy)


def tenth_of_each(labels: np.ndarray, seed: int) -> np.ndarray:
    """Draw a tenth of the samples of every class, at least one of two, none of a single one.

    Args:
        labels: (N,) class of every sample.
        seed: of the draw.

    Returns:
        (N,) bool, True for what is drawn.
    """
    keys = np.random.default_rng(derive_seed(seed, "validation")).random(len(labels))
    order = np.lexsort((keys, labels))
    sizes = np.bincount(labels)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels)) - (np.cumsum(sizes) - sizes)[labels[order]]
    wanted = np.where(sizes < 2, 0, np.maximum(1, (sizes + 5) // 10))
    return rank < wanted[labels]
