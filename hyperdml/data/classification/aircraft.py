"""FGVC-Aircraft: photographs of 100 aircraft variants."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.classification.config import ClassificationDataConfig
from hyperdml.data.classification.splits import ClassificationSplits
from hyperdml.data.labelled_images import FileImages
from hyperdml.data.presence import check_counts, check_present
from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.datasets import fgvc_aircraft
from hyperdml.taxonomy.datasets.common import find_file, rows
from hyperdml.taxonomy.names import listing

_COUNTS = {"train": 3334, "val": 3333, "trainval": 6667, "test": 3333}
# the last 20 rows of every image are a banner with its photographer, who is the same for many images of a variant
_WITHOUT_BANNER = (0, 0, 0, -20)


def load_aircraft(config: ClassificationDataConfig) -> ClassificationSplits:
    """Images of `images_variant_trainval.txt` and `images_variant_test.txt`; of `train` and `val` for validation.

    The banner at the bottom of every image, 20 pixels high, is cut off.

    Args:
        config: its root, complete and evaluate_on count.

    Raises:
        DataError: a file is missing or broken, images are missing or in both parts, or counts are not those of the
            release; the message names them.

    Source: Maji et al., Fine-Grained Visual Classification of Aircraft, 2013, and the README of the release.
    """
    root = Path(config.root or "")
    taxonomy = fgvc_aircraft(root, complete=config.complete)
    names = ("variants.txt", "data/variants.txt", "fgvc-aircraft-2013b/data/variants.txt")
    folder = find_file(root, *names).parent
    parts = ("train", "val") if config.evaluate_on == "validation" else ("trainval", "test")
    listed = [_listed(folder, part, config.complete) for part in parts]
    both = sorted(set(listed[0]) & set(listed[1]))
    if both:
        raise DataError(f"{folder}: {len(both)} images are both in {parts[0]} and in {parts[1]}: {listing(both)}")
    train, test = (_images(folder, images, taxonomy) for images in listed)
    check_present(folder, train.paths + test.paths)
    return ClassificationSplits(train, test, taxonomy)


def _listed(folder: Path, part: str, complete: bool) -> dict[str, str]:
    """Variant of every image of a part."""
    path = find_file(folder, f"images_variant_{part}.txt")
    variants: dict[str, str] = {}
    for line, (image, variant) in rows(path, 2):
        if image in variants:
            raise DataError(f"{path}, line {line}: image {image} is listed twice")
        variants[image] = variant
    if complete:
        check_counts(path, f"{part} of FGVC-Aircraft", {"images": (len(variants), _COUNTS[part])})
    return variants


def _images(folder: Path, variants: dict[str, str], taxonomy: Taxonomy) -> FileImages:
    index = {name: leaf for leaf, name in enumerate(taxonomy.leaves)}
    labels = np.array([index[variant] for variant in variants.values()], dtype=np.int64)
    boxes = np.tile(np.array(_WITHOUT_BANNER, dtype=np.int64), (len(labels), 1))
    return FileImages(folder, tuple(f"images/{image}.jpg" for image in variants), labels, boxes)
