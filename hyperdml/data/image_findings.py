"""What there is to say about one image file: why it cannot be read, or what is unusual about it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from hyperdml.data.image_decoding import FORMATS, orientation, pillow_without_warnings
from hyperdml.data.image_files import UnreadableImage, read_full

_TINY = 32  # pixels of the shorter side
_BY_SUFFIX = {
    ".jpg": ("JPEG", "MPO"),
    ".jpeg": ("JPEG", "MPO"),
    ".png": ("PNG",),
    ".webp": ("WEBP",),
    ".bmp": ("BMP", "DIB"),
    ".gif": ("GIF",),
    ".tif": ("TIFF",),
    ".tiff": ("TIFF",),
}
_NUMBER = re.compile(r"\d[\d,]*")


@dataclass(frozen=True)
class ImageFinding:
    """Something about one image.

    Attributes:
        part: part of the data set that it is in.
        path: below the root, with "/".
        kind: short, the same for all images that it is true of, so that they can be counted.
        text: the whole of it.
    """

    part: str
    path: str
    kind: str
    text: str


@dataclass(frozen=True)
class ImageLook:
    """What one look at a file found.

    Attributes:
        broken: why it cannot be read; None if it can.
        unusual: kind and text of what is worth knowing about an image that can be read.
        digest: SHA-256 of the content; empty if it cannot be read.
    """

    broken: str | None
    unusual: tuple[tuple[str, str], ...]
    digest: bytes


def look_at(path: Path) -> ImageLook:
    """Decode an image as training does, at its full size, and look at its head."""
    try:
        height, width, _ = read_full(path).shape
        unusual = _unusual(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except UnreadableImage as error:
        return ImageLook(error.reason, (), b"")
    except OSError as error:  # gone since it was read
        return ImageLook(error.strerror or str(error), (), b"")
    except MemoryError:
        return ImageLook("its pixels do not fit into memory", (), b"")
    if min(height, width) < _TINY:
        unusual = (*unusual, (f"a side below {_TINY} pixels", f"{width} x {height} pixels"))
    return ImageLook(None, unusual, digest)


def kind_of(reason: str) -> str:
    """A reason without its numbers, which are other ones in every file."""
    return _NUMBER.sub("N", reason)


def _unusual(path: Path) -> tuple[tuple[str, str], ...]:
    from PIL import Image

    found = []
    with path.open("rb") as file, pillow_without_warnings():
        image = Image.open(file, formats=FORMATS)
        if image.mode != "RGB":
            found.append((f"mode {image.mode}", f"mode {image.mode}, read as RGB"))
        if orientation(image) in range(2, 9):
            found.append(("turned", "stored turned or mirrored (EXIF orientation), read upright"))
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            found.append(("several frames", f"{getattr(image, 'n_frames', 1)} frames, of which the first is read"))
        expected = _BY_SUFFIX.get(path.suffix.lower())
        if expected is not None and image.format not in expected:
            found.append((f"{image.format} named {path.suffix.lower()}", f"{image.format} by its content"))
    return tuple(found)
