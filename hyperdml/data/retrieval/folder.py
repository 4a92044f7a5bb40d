"""Images of any folder with one sub-folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.image_files import SUFFIXES, list_images, printable
from hyperdml.data.labelled_images import FileImages
from hyperdml.data.retrieval.collection import ClassLevels, Collection
from hyperdml.data.retrieval.config import DataConfig
from hyperdml.errors import DataError
from hyperdml.taxonomy import read_taxonomy
from hyperdml.taxonomy.names import listing


def load_folder(config: DataConfig) -> Collection:
    """Images as `root/CLASS/IMAGE`, or deeper below their class; classes are in alphabetical order.

    Folders without images are no classes; what begins with a dot is left out.

    Args:
        config: its root and taxonomy count.

    Raises:
        DataError: the folder is missing, has no images, or has images outside of class folders; or the taxonomy cannot
            be read, or does not give every class the same number of levels.
    """
    root = Path(config.root or "")
    if not root.is_dir():
        raise DataError(f"data.root: no such folder: {printable(root)}")
    try:
        inside = [path.relative_to(root).parts for path in list_images(root)]
    except DataError as error:
        raise DataError(f"data.root: expected images as {printable(root)}/CLASS/IMAGE: {error}") from error
    loose = [parts[0] for parts in inside if len(parts) == 1]
    if loose:
        raise DataError(
            f"data.root: expected images as {printable(root)}/CLASS/IMAGE ({', '.join(SUFFIXES)}), but {len(loose)} "
            f"are in no class folder: {listing(loose)}"
        )
    names, labels = np.unique([parts[0] for parts in inside], return_inverse=True)
    class_names = tuple(names.tolist())
    images = FileImages(root, tuple("/".join(parts) for parts in inside), labels.astype(np.int64))
    levels = ClassLevels.flat(class_names) if config.taxonomy is None else _levels(config.taxonomy, class_names)
    return Collection(images, class_names, levels.ids, levels.names, levels.coarse_names)


def _levels(path: str, class_names: tuple[str, ...]) -> ClassLevels:
    try:
        return ClassLevels.of(read_taxonomy(Path(path), classes=class_names))
    except ValueError as error:
        raise DataError(f"data.taxonomy={path}: {error}") from error
