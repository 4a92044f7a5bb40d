"""Images of any folder with one sub-folder for each part and, in it, one for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hyperdml.data.classification.config import ClassificationDataConfig
from hyperdml.data.classification.splits import ClassificationSplits
from hyperdml.data.classification.validation import hold_out_tenth
from hyperdml.data.image_files import list_images, printable
from hyperdml.data.labelled_images import FileImages
from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy, read_taxonomy
from hyperdml.taxonomy.names import listing


def load_class_folders(config: ClassificationDataConfig) -> ClassificationSplits:
    """Read `root/train/CLASS/IMAGE` and `root/test/CLASS/IMAGE`, or `root/val/CLASS/IMAGE` for validation.

    Classes are the folders of `train` with images in them, in alphabetical order, which is the order of the labels.
    Images may lie deeper than their class folder. Without `val` a tenth of `train` is drawn for validation.

    Args:
        config: its root, taxonomy, evaluate_on and split_seed count.

    Raises:
        DataError: a folder is missing or has no images, an image is in no class folder, a class is not in `train`, or
            class folders are no nodes of the taxonomy; the message names them.
    """
    root = Path(config.root or "")
    validation = config.evaluate_on == "validation"
    paths, classes = _listed(root, "train")
    names = sorted(set(classes))
    if len(names) < 2:
        raise DataError(f"{printable(root / 'train')}: classification needs at least 2 classes, found {listing(names)}")
    taxonomy = _flat(root, names) if config.taxonomy is None else _from_file(config.taxonomy, names)
    labels = {name: label for label, name in enumerate(names)}
    train = _images(root, paths, classes, labels)
    if validation and not (root / "val").is_dir():
        return hold_out_tenth(train, taxonomy, config.split_seed)
    part = "val" if validation else "test"
    return ClassificationSplits(train, _images(root, *_listed(root, part), labels), taxonomy)


def _listed(root: Path, part: str) -> tuple[list[str], list[str]]:
    """Relative path and class of every image of a part."""
    folder = root / part
    if not folder.is_dir():
        raise DataError(f"data.root: no such folder: {printable(folder)}; images are expected as {part}/CLASS/IMAGE")
    inside = [path.relative_to(folder).parts for path in list_images(folder)]
    loose = [parts[0] for parts in inside if len(parts) == 1]
    if loose:
        raise DataError(f"{printable(folder)}: {len(loose)} images are in no class folder: {listing(loose)}")
    return ["/".join((part, *parts)) for parts in inside], [parts[0] for parts in inside]


def _images(root: Path, paths: Sequence[str], classes: Sequence[str], labels: dict[str, int]) -> FileImages:
    unknown = sorted(set(classes) - set(labels))
    if unknown:
        part = paths[0].split("/", 1)[0]
        raise DataError(f"{printable(root)}: {len(unknown)} classes of {part} are not in train: {listing(unknown)}")
    return FileImages(root, tuple(paths), np.array([labels[name] for name in classes], dtype=np.int64))


def _flat(root: Path, names: Sequence[str]) -> Taxonomy:
    top = "root" if "root" not in names else "all classes"
    try:
        return Taxonomy.from_edges([(top, name) for name in names], names)
    except ValueError as error:
        raise DataError(f"{printable(root / 'train')}: its folders cannot be classes: {error}") from error


def _from_file(path: str, names: Sequence[str]) -> Taxonomy:
    try:
        return read_taxonomy(Path(path), classes=names)
    except ValueError as error:  # a name that no node can have
        raise DataError(f"data.taxonomy={path}: {error}") from error
