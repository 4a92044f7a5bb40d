"""NABirds: photographs of the birds of North America."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.classification.config import ClassificationDataConfig
from hyperdml.data.classification.splits import ClassificationSplits
from hyperdml.data.classification.validation import hold_out_tenth
from hyperdml.data.labelled_images import FileImages
from hyperdml.data.presence import check_counts, check_present
from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets import nabirds
from hyperdml.taxonomy.datasets.common import find_file, integer, rows
from hyperdml.taxonomy.names import listing

_COUNTS = {"training images": 23_929, "test images": 24_633}


def load_nabirds(config: ClassificationDataConfig) -> ClassificationSplits:
    """Images of `images.txt` in the parts of `train_test_split.txt`.

    The labels of the release are sparse ids; here they are the leaves of `hyperdml.taxonomy.datasets.nabirds`. With
    `boxes` images are cropped to `bounding_boxes.txt`; what reaches beyond the image is cut off by `sizes.txt`.

    Args:
        config: its root, complete, boxes, evaluate_on and split_seed count.

    Raises:
        DataError: a file is missing or broken, files are about different images, images are missing, or counts are not
            those of the release; the message names file, line or image.

    Source: Van Horn et al., Building a Bird Recognition App and Large Scale Dataset With Citizen Scientists, CVPR 2015.
    """
    root = Path(config.root or "")
    taxonomy = nabirds(root, complete=config.complete)
    by_id = nabirds(root, complete=config.complete, names="ids")  # the same leaves in the same order
    folder = find_file(root, "hierarchy.txt", "nabirds/hierarchy.txt").parent
    paths = {image: cells[0] for image, (_, cells) in _table(find_file(folder, "images.txt"), 1).items()}
    images = list(paths)
    leaf = {int(name): label for label, name in enumerate(by_id.leaves)}
    classes = _numbers(folder, "image_class_labels.txt", 1, images)[:, 0]
    labels = np.array([leaf[node] for node in classes.tolist()], dtype=np.int64)
    trained = _numbers(folder, "train_test_split.txt", 1, images)[:, 0]
    if (trained > 1).any():
        wrong = images[int((trained > 1).argmax())]
        raise DataError(f"{folder / 'train_test_split.txt'}: image {wrong} must be 1 (training) or 0 (test)")
    if config.complete:
        found = {"training images": int((trained == 1).sum()), "test images": int((trained == 0).sum())}
        counts = {what: (found[what], _COUNTS[what]) for what in _COUNTS}
        check_counts(folder / "train_test_split.txt", "NABirds", counts)
    boxes = _boxes(folder, images) if config.boxes else None
    everything = FileImages(folder, tuple(f"images/{path}" for path in paths.values()), labels, boxes)
    train = everything.select(np.flatnonzero(trained == 1))
    if config.evaluate_on == "validation":
        check_present(folder, train.paths)
        return hold_out_tenth(train, taxonomy, config.split_seed)
    check_present(folder, everything.paths)
    return ClassificationSplits(train, everything.select(np.flatnonzero(trained == 0)), taxonomy)


def _table(path: Path, columns: int) -> dict[str, tuple[int, list[str]]]:
    """Line and cells of every image, by its id."""
    found: dict[str, tuple[int, list[str]]] = {}
    for line, (image, *cells) in rows(path, columns + 1):
        if image in found:
            raise DataError(f"{path}, line {line}: image {image} is listed twice")
        found[image] = line, cells
    if not found:
        raise DataError(f"{path} lists no images")
    return found


def _numbers(folder: Path, name: str, columns: int, images: list[str]) -> np.ndarray:
    """(N, columns) int64 numbers of every image, in the order of `images`."""
    path = find_file(folder, name)
    table = _table(path, columns)
    lacking, more = [image for image in images if image not in table], sorted(set(table) - set(images))
    if lacking or more:
        raise DataError(f"{path}: images of images.txt without a line: {listing(lacking)}; only here: {listing(more)}")
    lines = [table[image] for image in images]
    return np.array([[integer(path, line, cell) for cell in cells] for line, cells in lines], dtype=np.int64)


def _boxes(folder: Path, images: list[str]) -> np.ndarray:
    """(N, 4) left, top, right and bottom of every bird, within its image."""
    corner, extent = np.split(_numbers(folder, "bounding_boxes.txt", 4, images), 2, axis=1)
    far = np.minimum(corner + extent, _numbers(folder, "sizes.txt", 2, images))
    empty = np.flatnonzero((far <= corner).any(axis=1))
    if len(empty):
        image = images[int(empty[0])]
        raise DataError(f"{folder / 'bounding_boxes.txt'}: the box of image {image} is empty or outside of its image")
    return np.concatenate([corner, far], axis=1)
