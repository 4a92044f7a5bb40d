"""Image files of a folder, each read as a small square of pixels or refused in one line."""

from __future__ import annotations

import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from hyperdml.errors import DataError

Broken = Literal["error", "skip", "replace"]
"""What to do with images that cannot be read: stop, leave them out, or put a white image in their place."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")

MAX_PIXELS = 89_478_485
"""Images of more pixels are refused before they are decoded: Pillow's own threshold of suspicion.

Decoded pixels and one copy of them, at four bytes each, then stay under 0.72 GB."""

# what the suffixes promise, by content; others would bring their own decoders, and one that starts a program (EPS)
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF")
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
    try:
        # opening a pipe would wait for its writer
        if stat.S_ISREG(path.stat().st_mode):
            with _pillow_without_warnings():
                return _decode(path, size)
        reason = "a folder, not a file" if path.is_dir() else "not a regular file"
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many types for damaged and foreign files
        reason = _reason(error)
    # raised here, since the traceback of Pillow's error would keep the half decoded image in memory
    raise UnreadableImage(path, reason)


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


def _decode(path: Path, size: int) -> np.ndarray:
    from PIL import Image, ImageOps

    with path.open("rb") as file:
        image: Image.Image = Image.open(file, formats=_FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels are more than the {MAX_PIXELS:,} that are allowed")
        from_png = image.format == "PNG"
        ImageOps.exif_transpose(image, in_place=True)
    # every step lets go of the image before it, so that two copies of the pixels exist at most
    # 16-bit grey; older Pillow opens it as 32-bit integers from PNG
    if image.mode.startswith("I;16") or (image.mode == "I" and from_png):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise ValueError(f"32-bit pixels (mode {image.mode}) have no agreed range; convert the image to 8 or 16 bits")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    if mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return np.array(image)


def _reason(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return f"no image in a known format ({', '.join(_FORMATS)}), or cut off at its beginning"
    text = (isinstance(error, OSError) and error.strerror) or str(error)
    return " ".join(text.split()) or type(error).__name__


_lock = threading.Lock()
_readers = 0
_silence = warnings.catch_warnings()


@contextmanager
def _pillow_without_warnings() -> Iterator[None]:
    """Ignore warnings that Pillow gives: damaged tags do no harm, and oversized images are refused anyway.

    `catch_warnings` alone leaves the wrong filters behind when threads enter and leave it in turns; here the first
    reader sets the filter and the last one takes it away.
    """
    global _readers, _silence
    with _lock:
        if _readers == 0:
            _silence = warnings.catch_warnings()
            _silence.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                _silence.__exit__(None, None, None)
