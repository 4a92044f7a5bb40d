"""The lists of images of Cars-196, which are MATLAB files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.image_files import printable
from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets.common import find_file
from hyperdml.taxonomy.formats.mat_files import read_mat

TRAINED = 98
"""Classes that the papers train on."""

_DEVKITS = ("devkit", "car_devkit/devkit", ".")


def read_annotations(folder: Path) -> tuple[tuple[str, ...], np.ndarray]:
    """Paths and classes of `cars_annos.mat`.

    Args:
        folder: that holds it.

    Returns:
        N paths, as car_ims/000001.jpg, and (N,) int64 classes from 0.

    Raises:
        DataError: the file is damaged or of another structure, or an image is listed twice.
    """
    path = folder / "cars_annos.mat"
    names, labels = _columns(path, "relative_im_path")
    _check_once(path, names)
    return names, labels


def read_devkit(folder: Path) -> tuple[tuple[str, ...], np.ndarray, Path]:
    """Paths and classes of `cars_train_annos.mat` and `cars_test_annos_withlabels.mat`.

    Args:
        folder: with `cars_train`, `cars_test` and the lists in `devkit` (that of the test images may lie beside it).

    Returns:
        N paths, as cars_train/00001.jpg, (N,) int64 classes from 0, and the folder of the lists.

    Raises:
        DataError: a file is missing, damaged or of another structure, or an image is listed twice.
    """
    devkit = next((folder / name for name in _DEVKITS if (folder / name / "cars_meta.mat").is_file()), None)
    if devkit is None:
        raise DataError(f"{printable(folder)} holds no devkit/cars_meta.mat")
    if (devkit / "cars_test_annos.mat").is_file() and not _labelled(folder, devkit):
        raise DataError(
            f"{printable(devkit)}: cars_test_annos.mat has no classes; cars_test_annos_withlabels.mat is needed too"
        )
    lists = {
        "cars_train": find_file(devkit, "cars_train_annos.mat"),
        "cars_test": _labelled(folder, devkit) or find_file(devkit, "cars_test_annos_withlabels.mat"),
    }
    paths: list[str] = []
    labels = []
    for part, path in lists.items():
        names, classes = _columns(path, "fname")
        _check_once(path, names)
        inner = f"{part}/{part}" if (folder / part / part).is_dir() else part  # as some archives unpack
        paths += [f"{inner}/{name}" for name in names]
        labels.append(classes)
    return tuple(paths), np.concatenate(labels), devkit


def _labelled(folder: Path, devkit: Path) -> Path | None:
    name = "cars_test_annos_withlabels.mat"
    return next((place / name for place in (devkit, folder) if (place / name).is_file()), None)


def _columns(path: Path, called: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the images and their classes, from 0, of the structure `annotations` of a file."""
    found = read_mat(path, "annotations")
    fields = list(found) if isinstance(found, dict) else []
    if not isinstance(found, dict) or called not in fields or "class" not in fields:
        shown = ", ".join(fields) or "missing"
        raise DataError(f"{printable(path)}: fields of annotations are {shown}; {called} and class are needed")
    names, classes = [], []
    for number, (name, label) in enumerate(zip(found[called], found["class"], strict=True), 1):
        if not isinstance(name, str) or not isinstance(label, np.ndarray) or not _is_number(label):
            raise DataError(
                f"{printable(path)}, annotation {number}: expected a text as {called} and a whole number as class, got "
                f"{name!r:.60} and {label!r:.60}"
            )
        names.append(name)
        classes.append(int(label[0]))
    if not names:
        raise DataError(f"{printable(path)} lists no images")
    return tuple(names), np.array(classes, dtype=np.int64) - 1


def _is_number(label: np.ndarray) -> bool:
    return len(label) == 1 and 0 <= float(label[0]) < 2**31 and float(label[0]).is_integer()


def _check_once(path: Path, names: tuple[str, ...]) -> None:
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if first.setdefault(name, number) != number:
            raise DataError(f"{printable(path)}: {name} is annotation {first[name]} and annotation {number}")
