"""Image files of a folder, each read as a square of pixels or at its own size, or refused in one line."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from hyperdml.data.image_decoding import (
    FORMATS,
    MAX_PIXELS,
    WHOLE,
    Box,
    decode_part,
    decode_square,
    part_size,
    pillow_without_warnings,
)
from hyperdml.errors import DataError

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "Box",
    "Broken",
    "UnreadableImage",
    "list_images",
    "name_broken",
    "printable",
    "read_full",
    "read_image",
    "upright_size",
]

Broken = Literal["error", "skip", "replace"]
"""What to do with images that cannot be read: stop, leave them out, or put a white image in their place."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")

_Read = TypeVar("_Read")

_SHOWN = 20


class UnreadableImage(DataError):
    """An image cannot be read.

    Attributes:
        path: the file.
        reason: one line that says why.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{printable(path)}: {reason}")
        self.path, self.reason = path, reason


def list_images(folder: Path) -> list[Path]:
    """All images of a folder and its sub-folders, by suffix, in the order of their paths.

    Files and folders whose name begins with a dot are left out. Links to folders are followed, but no folder is
    entered twice: loops end, and an image that can be reached in two ways is listed under its path without links. What
    has the suffix of an image but is none (a dead link, a pipe) is listed too, for `read_image` to refuse.

    Args:
        folder: a folder, or one image, whatever its suffix.

    Raises:
        DataError: there is no such folder or file, a sub-folder cannot be listed, or there are no images.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise DataError(f"no such folder or image: {printable(folder)}")
    found: list[Path] = []
    links: list[Path] = []
    entered: set[tuple[int, int]] = set()
    _walk(folder, found, links, entered)
    while links:  # only after the real folders, so that images keep their own paths
        later: list[Path] = []
        for link in sorted(links):
            _walk(link, found, later, entered)
        links = later
    if not found:
        raise DataError(f"no images ({', '.join(SUFFIXES)}) in {printable(folder)}")
    return sorted(found)


def read_image(path: Path, size: int) -> np.ndarray:
    """Read one image upright, in RGB on white, cropped to its middle square and resized (bicubic).

    16-bit channels are brought to 8 bits, and of an animation the first frame is taken. The content decides about the
    format, not the suffix.

    Args:
        path: JPEG, PNG, WebP, BMP, GIF or TIFF file.
        size: side of the result in pixels.

    Returns:
        (size, size, 3) uint8.

    Raises:
        UnreadableImage: the file is missing, no regular file, damaged, cut off, of another format, has more than
            `MAX_PIXELS` pixels or pixels without an agreed range.
        ValueError: `size` is not positive.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    return _read(path, lambda: decode_square(path, size))


def read_full(path: Path, box: Box | None = None, shrink: int = 1) -> np.ndarray:
    """Read one image, or a part of it, upright, in RGB on white, at its own size.

    16-bit channels and animations are treated as `read_image` does.

    Args:
        path: JPEG, PNG, WebP, BMP, GIF or TIFF file.
        box: left, top, right and bottom of the part, in pixels of the upright image; right and bottom at or below 0
            count from its edges: (0, 0, 0, -20) is all but the last 20 rows. None for the whole image.
        shrink: 1, 2, 4 or 8: JPEG images are decoded with their sides divided by this (rounded up), which is several
            times faster; images of other formats are not.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UnreadableImage: see `read_image`; or the box is empty or not within the image.
        ValueError: `shrink` is none of these.
    """
    if shrink not in (1, 2, 4, 8):
        raise ValueError(f"shrink must be 1, 2, 4 or 8, got {shrink}")
    return _read(path, lambda: decode_part(path, box or WHOLE, shrink))


def upright_size(path: Path, box: Box | None = None) -> tuple[int, int]:
    """Width and height of what `read_full` gives without shrinking.

    Only the head of the file is read, but PNG files are decoded: their orientation may stand behind the pixels.

    Args:
        path: see `read_full`.
        box: see `read_full`.

    Raises:
        UnreadableImage: see `read_full`.
    """
    return _read(path, lambda: part_size(path, box or WHOLE))


def name_broken(broken: list[UnreadableImage], looked_at: str) -> DataError:
    """One error for several images, the first 20 by name.

    Args:
        broken: what `read_image` raised.
        looked_at: words for the images that were read, as "30 images".
    """
    more = f"\n  and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    lines = "\n  ".join(str(error) for error in broken[:_SHOWN])
    return DataError(f"{len(broken)} of {looked_at} cannot be read:\n  {lines}{more}")


def printable(name: Path | str) -> str:
    """A path or name on one line that every terminal and file takes: what cannot be printed is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(name))


def _walk(folder: Path, found: list[Path], links: list[Path], entered: set[tuple[int, int]]) -> None:
    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            info = current.stat()
            if (info.st_dev, info.st_ino) in entered:
                continue
            entered.add((info.st_dev, info.st_ino))
            with os.scandir(current) as listing:
                entries = [entry for entry in listing if not entry.name.startswith(".")]
            for entry in entries:
                if entry.is_dir():
                    (links if entry.is_symlink() else pending).append(Path(entry.path))
                elif Path(entry.name).suffix.lower() in SUFFIXES:
                    found.append(Path(entry.path))
        except OSError as error:
            raise DataError(f"cannot list the folder {printable(current)}: {error.strerror}") from error


def _read(path: Path, decode: Callable[[], _Read]) -> _Read:
    try:
        # opening a pipe would wait for its writer
        if stat.S_ISREG(path.stat().st_mode):
            with pillow_without_warnings():
                return decode()
        reason = "a folder, not a file" if path.is_dir() else "not a regular file"
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many types for damaged and foreign files
        reason = _reason(error)
    # raised here, since the traceback of Pillow's error would keep the half decoded image in memory
    raise UnreadableImage(path, reason)


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"no image in a known format ({', '.join(FORMATS)}), or cut off at its beginning"
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    return " ".join(text.split()) or type(error).__name__
