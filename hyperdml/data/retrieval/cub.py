"""CUB-200-2011: photographs of 200 kinds of birds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hyperdml.data.image_files import list_images, printable
from hyperdml.data.labelled_images import FileImages
from hyperdml.data.presence import check_counts, check_present
from hyperdml.data.retrieval.collection import TEST, TRAIN, ClassLevels, Collection
from hyperdml.data.retrieval.config import DataConfig
from hyperdml.data.retrieval.releases import find_release
from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets import cub
from hyperdml.taxonomy.datasets.common import integer, rows
from hyperdml.taxonomy.names import listing

_CLASS = re.compile(r"(\d{3})\.[^/]+")
_TRAINED = 100  # classes 1 to 100
_COUNTS = {"training images": 5864, "test images": 5924, "classes": 200}
_OLD_COUNTS = {"training images": 2990, "test images": 3043, "classes": 200}


def load_cub(config: DataConfig) -> Collection:
    """Images of `images/001.Black_footed_Albatross` and so on, the first 100 classes to train on, the others to test.

    The division is that of the papers; `train_test_split.txt` and the bounding boxes are not used. Classes are called
    as their folders. Where `images.txt` is there, it is held to the images.

    Args:
        config: its root, taxonomy and complete count.

    Raises:
        DataError: a folder is no class, images are missing, a list is broken, or counts are not those of the release:
            of CUB-200 of 2010 the message says so.

    Source: Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, 2011; the division: Oh Song et al., Deep Metric
    Learning via Lifted Structured Feature Embedding, CVPR 2016.
    """
    folder = find_release(Path(config.root or ""), _fits, "folder images with classes as images/001.NAME")
    paths = ["/".join(path.relative_to(folder).parts) for path in list_images(folder / "images")]
    numbers, names = _classes(folder, paths)
    parts = np.where(numbers > _TRAINED, TEST, TRAIN)
    if config.complete:
        sizes = (int((parts == TRAIN).sum()), int((parts == TEST).sum()), len(names))
        found = dict(zip(_COUNTS, sizes, strict=True))
        if found == _OLD_COUNTS:
            raise DataError(
                f"{printable(folder)}: this is CUB-200 (2010), 2,990 training and 3,043 test images; you need "
                "CUB-200-2011 (CUB_200_2011.tgz), 5,864 and 5,924"
            )
        check_counts(folder, "CUB-200-2011", {what: (found[what], _COUNTS[what]) for what in _COUNTS})
    if (folder / "images.txt").is_file():
        _check_list(folder, paths, config.complete)
    class_names = tuple(names[number] for number in sorted(names))
    labels = np.searchsorted(sorted(names), numbers).astype(np.int64)
    levels = ClassLevels.flat(class_names) if config.taxonomy is None else _levels(folder, config, class_names)
    images = FileImages(folder, tuple(paths), labels)
    return Collection(images, class_names, levels.ids, levels.names, levels.coarse_names, parts)


def _fits(folder: Path) -> bool:
    images = folder / "images"
    return images.is_dir() and any(_CLASS.fullmatch(entry.name) for entry in images.iterdir())


def _classes(folder: Path, paths: list[str]) -> tuple[np.ndarray, dict[int, str]]:
    """(N,) number of the class of every image, and the folder of every number."""
    numbers: list[int] = []
    names: dict[int, str] = {}
    for path in paths:
        inside = path.split("/")[1:]
        match = _CLASS.fullmatch(inside[0]) if len(inside) == 2 else None
        number = int(match[1]) if match else 0
        if not 1 <= number <= _COUNTS["classes"]:
            raise DataError(f"{printable(folder)}: expected images/001.NAME/IMAGE to 200.NAME, got {printable(path)}")
        if names.setdefault(number, inside[0]) != inside[0]:
            raise DataError(f"{printable(folder)}: two classes have a number: {listing([names[number], inside[0]])}")
        numbers.append(number)
    return np.array(numbers, dtype=np.int64), names


def _check_list(folder: Path, paths: list[str], complete: bool) -> None:
    """Read `images.txt` (id, CLASS/IMAGE; ids from 1 without gaps), and hold it to the images of a whole release."""
    file = folder / "images.txt"
    listed: dict[str, int] = {}
    for line, (number, path) in rows(file, 2):
        if integer(file, line, number) != len(listed) + 1:
            raise DataError(f"{file}, line {line}: expected image {len(listed) + 1}, got {number}; ids have no gaps")
        if path in listed:
            raise DataError(f"{file}, line {line}: {path} is listed twice")
        listed[path] = line
    if complete:
        check_present(folder, [f"images/{path}" for path in listed])
        more = [path for path in paths if path.removeprefix("images/") not in listed]
        if more:
            raise DataError(f"{printable(folder)}: {len(more)} images are not in images.txt: {listing(more)}")


def _levels(folder: Path, config: DataConfig, class_names: tuple[str, ...]) -> ClassLevels:
    taxonomy = cub(folder, Path(config.taxonomy or ""), complete=config.complete, homonyms="path")
    try:
        return ClassLevels.of(taxonomy.restrict(class_names))
    except ValueError as error:
        raise DataError(f"data.taxonomy={config.taxonomy}: {error}") from error
