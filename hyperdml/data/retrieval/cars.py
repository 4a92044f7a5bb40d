"""Cars-196: photographs of 196 models of cars."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hyperdml.data.image_files import list_images, printable
from hyperdml.data.labelled_images import FileImages
from hyperdml.data.presence import check_counts, check_present
from hyperdml.data.retrieval.cars_lists import TRAINED, read_annotations, read_devkit
from hyperdml.data.retrieval.collection import TEST, TRAIN, ClassLevels, Collection
from hyperdml.data.retrieval.config import DataConfig
from hyperdml.data.retrieval.releases import find_release
from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets.cars import class_names_of, names_draft
from hyperdml.taxonomy.datasets.common import finish
from hyperdml.taxonomy.formats.draft import Wanted
from hyperdml.taxonomy.names import listing

_COUNTS = {"training images": 8054, "test images": 8131}
_NAME = re.compile(r".* (?:19|20)\d\d")
# by name: class 98 is an Eagle, class 99 a FIAT, and the release is in the order of its makes
_FIRST_OF_TEST = "F"


def load_cars(config: DataConfig) -> Collection:
    """The first 98 classes to train on, the others to test, below nine body types; in any of three layouts.

    | layout | images | classes |
    |---|---|---|
    | the original | `car_ims/` | `cars_annos.mat` |
    | that of the first release | `cars_train/`, `cars_test/` | `devkit/`, with `cars_test_annos_withlabels.mat` |
    | re-hosted | `train/CLASS/`, `test/CLASS/` | the names of the folders |

    The division is that of the papers: whether the release calls an image one of training or test, and its bounding
    boxes, are not used.

    Args:
        config: its root and complete count.

    Raises:
        DataError: a list is missing or broken, images are missing, a name is not one of a car, or counts are not those
            of the release.

    Source: Krause et al., 3D Object Representations for Fine-Grained Categorization, 2013; the division: Oh Song et
    al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016.
    """
    wanted = "cars_annos.mat with car_ims/, cars_train/ with cars_test/ and devkit/, or train/CLASS/ with test/CLASS/"
    folder = find_release(Path(config.root or ""), _fits, wanted)
    if (folder / "cars_annos.mat").is_file() and (folder / "car_ims").is_dir():
        paths, labels = read_annotations(folder)
        names = class_names_of(folder / "cars_annos.mat")
    elif (folder / "cars_train").is_dir():
        paths, labels, devkit = read_devkit(folder)
        names = class_names_of(devkit / "cars_meta.mat")
    else:
        return _by_folders(folder, config.complete)
    wrong = np.flatnonzero((labels < 0) | (labels >= len(names)))
    if len(wrong):
        raise DataError(
            f"{printable(folder)}: image {paths[wrong[0]]} is of class {labels[wrong[0]] + 1}, but there are "
            f"{len(names)} names of classes"
        )
    check_present(folder, paths)
    return _collection(folder, paths, labels, names, labels >= TRAINED, config.complete)


def _fits(folder: Path) -> bool:
    if (folder / "cars_annos.mat").is_file() and (folder / "car_ims").is_dir():
        return True
    if (folder / "cars_train").is_dir() and (folder / "cars_test").is_dir():
        return True
    parts = [folder / "train", folder / "test"]
    return all(part.is_dir() for part in parts) and any(_NAME.fullmatch(entry.name) for entry in parts[0].iterdir())


def _by_folders(folder: Path, complete: bool) -> Collection:
    """Images of `train/CLASS/IMAGE` and `test/CLASS/IMAGE`, both of which hold all classes."""
    images = [path for part in ("train", "test") for path in list_images(folder / part)]
    inside = [path.relative_to(folder).parts for path in images]
    odd = ["/".join(parts) for parts in inside if len(parts) != 3]
    if odd:
        raise DataError(f"{printable(folder)}: expected train/CLASS/IMAGE and test/CLASS/IMAGE, got {listing(odd)}")
    names, labels = np.unique([parts[1] for parts in inside], return_inverse=True)
    class_names = tuple(names.tolist())
    tested = np.array([name >= _FIRST_OF_TEST for name in class_names])[labels]
    paths = tuple("/".join(parts) for parts in inside)
    return _collection(folder, paths, labels.astype(np.int64), class_names, tested, complete)


def _collection(
    folder: Path,
    paths: tuple[str, ...],
    labels: np.ndarray,
    names: tuple[str, ...],
    tested: np.ndarray,
    complete: bool,
) -> Collection:
    parts = np.where(tested, TEST, TRAIN)
    if complete:
        sizes = (int((~tested).sum()), int(tested.sum()))
        counts = {what: (size, _COUNTS[what]) for what, size in zip(_COUNTS, sizes, strict=True)}
        check_counts(folder, "Cars-196", counts | {"classes": (len(np.unique(labels)), 196)})
    taxonomy = finish(lambda: names_draft(names, Wanted(), "type"), folder, complete, False, "keep")
    levels = ClassLevels.of(taxonomy, ["body type"])
    images = FileImages(folder, paths, labels)
    return Collection(images, taxonomy.leaves, levels.ids, levels.names, levels.coarse_names, parts)
