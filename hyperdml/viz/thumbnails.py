"""Small square pictures of images, whatever their files are like."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from hyperdml.data import LabelledImages
from hyperdml.data.image_files import UnreadableImage
from hyperdml.data.resample import resample_one

_SHRINKS = (8, 4, 2, 1)
_SPARE = 2  # JPEG files are decoded smaller down to twice the size that is needed, as Pillow's own thumbnails are
_THREADS = 4  # decoders let other threads run
_GREY, _CROSS = 214, 128


def thumbnail(images: LabelledImages, row: int, side: int) -> np.ndarray:
    """The middle square of an image at a small size.

    Args:
        images: the images.
        row: position among them.
        side: in pixels.

    Returns:
        (side, side, 3) uint8. A file that cannot be read gives a grey tile with a cross.

    Raises:
        ValueError: `side` is not positive.
    """
    if side < 1:
        raise ValueError(f"side must be at least 1, got {side}")
    try:
        shorter = min(images.size(row))
        shrink = next(s for s in _SHRINKS if s == 1 or shorter >= s * _SPARE * side)
        pixels = images.read(row, shrink)
    except UnreadableImage:
        return unreadable_tile(side)
    height, width = pixels.shape[:2]
    edge = min(height, width)
    left, top = (width - edge) // 2, (height - edge) // 2
    box = np.array([left, top, left + edge, top + edge])
    found: np.ndarray = resample_one(pixels, box, side, "bicubic").numpy()
    return found


def thumbnails(images: LabelledImages, rows: Sequence[int] | np.ndarray, side: int) -> np.ndarray:
    """`thumbnail` of several images, read by a few threads.

    Args:
        images: the images.
        rows: n positions among them.
        side: in pixels.

    Returns:
        (n, side, side, 3) uint8, in the order of `rows`.

    Raises:
        ValueError: `side` is not positive.
    """
    if side < 1:
        raise ValueError(f"side must be at least 1, got {side}")
    wanted = [int(row) for row in rows]
    out = np.empty((len(wanted), side, side, 3), np.uint8)
    with ThreadPoolExecutor(_THREADS) as pool:
        for place, tile in enumerate(pool.map(lambda row: thumbnail(images, row, side), wanted)):
            out[place] = tile
    return out


def unreadable_tile(side: int) -> np.ndarray:
    """(side, side, 3) uint8: the grey tile with a cross that stands for an image that cannot be read."""
    across = np.arange(side)
    thick = max(1, side // 16)
    falling = np.abs(across[:, None] - across) < thick
    tile = np.where(falling | falling[:, ::-1], _CROSS, _GREY).astype(np.uint8)
    return np.repeat(tile[:, :, None], 3, 2)
