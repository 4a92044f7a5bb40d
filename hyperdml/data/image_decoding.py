"""From an image file to upright pixels in RGB on white: its middle square, or a part of it at its own size."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom at or below 0 count from the edges of the image."""

WHOLE: Box = (0, 0, 0, 0)

MAX_PIXELS = 89_478_485
"""Images of more pixels are refused before they are decoded: Pillow's own threshold of suspicion.

Decoded pixels and one copy of them, at four bytes each, then stay under 0.72 GB."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF")
"""What the suffixes promise, by content; others would bring decoders of their own, one that starts a program (EPS)."""

_SHRINKING = ("JPEG", "MPO")  # MPO: several JPEG images in one file
_ORIENTATION = 0x0112
_ON_THEIR_SIDE = (5, 6, 7, 8)


def decode_square(path: Path, size: int) -> np.ndarray:
    """The middle square, resized (bicubic): (size, size, 3) uint8."""
    from PIL import Image, ImageOps

    return _decode(path, lambda image: ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))


def decode_part(path: Path, box: Box, shrink: int) -> np.ndarray:
    """The part in a box, (H, W, 3) uint8; see `hyperdml.data.image_files.read_full`."""
    whole: tuple[int, int] | None = None

    def lessen(image: Image) -> None:
        nonlocal whole
        if shrink > 1 and image.format in _SHRINKING:
            whole = _upright(image)
            image.draft(None, (max(1, image.width // shrink), max(1, image.height // shrink)))

    def cut(image: Image) -> Image:
        size = whole or image.size
        part = _inside(box, size)
        if part == (0, 0, *size):
            return image
        scales = [now / full for now, full in zip(image.size * 2, size * 2, strict=True)]
        left, top, right, bottom = (round(scale * edge) for scale, edge in zip(scales, part, strict=True))
        return image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))

    return _decode(path, cut, lessen)


def part_size(path: Path, box: Box) -> tuple[int, int]:
    """Width and height of the part in a box."""
    with path.open("rb") as file:
        left, top, right, bottom = _inside(box, _upright(_open(file)))
    return right - left, bottom - top


def orientation(image: Image) -> int:
    """How an opened image is stored, as EXIF counts it: 1 upright, 2 to 8 turned or mirrored; TIFF is given upright."""
    return 1 if image.format == "TIFF" else image.getexif().get(_ORIENTATION, 1)


@contextmanager
def pillow_without_warnings() -> Iterator[None]:
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


_lock = threading.Lock()
_readers = 0
_silence = warnings.catch_warnings()


def _decode(path: Path, shape: Callable[[Image], Image], lessen: Callable[[Image], None] | None = None) -> np.ndarray:
    """Pixels of a file.

    Args:
        path: the file.
        shape: what is done to the upright image, in RGB or RGBA.
        lessen: what is done to the opened image before its pixels are decoded.
    """
    from PIL import Image, ImageOps

    with path.open("rb") as file:
        image = _open(file)
        from_png = image.format == "PNG"
        if lessen is not None:
            lessen(image)
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
    image = shape(image)
    if mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return np.array(image)


def _open(file: BinaryIO) -> Image:
    from PIL import Image

    image = Image.open(file, formats=FORMATS)
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are more than the {MAX_PIXELS:,} that are allowed")
    return image


def _upright(image: Image) -> tuple[int, int]:
    """Width and height of an opened image after `exif_transpose`."""
    return image.size[::-1] if orientation(image) in _ON_THEIR_SIDE else image.size


def _inside(box: Box, size: tuple[int, int]) -> Box:
    """The box with its edges counted from the left and the top.

    Raises:
        ValueError: it is empty or reaches out of the image.
    """
    width, height = size
    left, top, right, bottom = box
    right, bottom = right if right > 0 else width + right, bottom if bottom > 0 else height + bottom
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"box {box} (left, top, right, bottom) is not within its {width} x {height} pixels")
    return left, top, right, bottom
