"""Images of any folder with one sub-folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.image_data import ImageData
from hyperdml.data.image_files import SUFFIXES, UnreadableImage, name_broken, read_image
from hyperdml.errors import DataError


def load_folder(root: Path, size: int) -> ImageData:
    """Read `root/CLASS/IMAGE` into memory, each image upright, in RGB on white, cropped to its middle square.

    Args:
        root: folder whose sub-folders are the classes, in alphabetical order.
        size: side in pixels to which the images are resized.

    Returns:
        All images, with the class as the only level.

    Raises:
        DataError: the folder is missing or has no images in class folders, or images cannot be read (up to 20 are
            named).
    """
    if not root.is_dir():
        raise DataError(f"data.root: no such folder: {root}")
    classes = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    files = [(path, k) for k, entry in enumerate(classes) for path in _images_in(entry)]
    if not files:
        raise DataError(f"data.root: expected images as {root}/CLASS/IMAGE ({', '.join(SUFFIXES)}), found none")
    images = np.empty((len(files), size, size, 3), np.uint8)
    broken = []
    for row, (path, _) in enumerate(files):
        try:
            images[row] = read_image(path, size)
        except UnreadableImage as error:
            broken.append(error)
    if broken:
        raise name_broken(broken, f"{len(files)} images")
    # a folder without images is no class
    present, labels = np.unique([k for _, k in files], return_inverse=True)
    labels = labels.astype(np.int64)
    names = tuple(classes[k].name for k in present)
    return ImageData(images, labels, labels[:, None], ("class",), names, names)


def _images_in(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
