"""Images of any folder with one sub-folder per class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.image_data import ImageData
from hyperdml.errors import DataError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_SHOWN = 20


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
            images[row] = _read(path, size)
        except Exception as error:  # Pillow raises many types for damaged, oversized and foreign files
            broken.append(f"{path}: {error}")
    if broken:
        more = f"\n  and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        raise DataError(
            f"{len(broken)} of {len(files)} images cannot be read:\n  " + "\n  ".join(broken[:_SHOWN]) + more
        )
    # a folder without images is no class
    present, labels = np.unique([k for _, k in files], return_inverse=True)
    labels = labels.astype(np.int64)
    names = tuple(classes[k].name for k in present)
    return ImageData(images, labels, labels[:, None], ("class",), names, names)


def _images_in(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def _read(path: Path, size: int) -> np.ndarray:
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
        # 16-bit grey; older Pillow opens it as 32-bit integers from PNG
        if image.mode.startswith("I;16") or (image.mode == "I" and opened.format == "PNG"):
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        elif image.mode in ("I", "F"):
            raise ValueError(
                f"32-bit pixels (mode {image.mode}) have no agreed range; convert the image to 8 or 16 bits"
            )
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        fitted = ImageOps.fit(image.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
        return np.asarray(fitted)
