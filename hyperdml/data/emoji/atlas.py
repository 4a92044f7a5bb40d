"""Many square tiles as one picture or a few, and back."""

from __future__ import annotations

import io
import math

import numpy as np

from hyperdml.errors import DataError

MAX_SIDE = 8192
"""Longest side of a page in pixels: WebP ends at 16383, Pillow warns of a decompression bomb above 89 Mpx."""


def grid(count: int, tile: int) -> list[tuple[int, int, int]]:
    """Pages that hold `count` tiles of `tile` pixels: (tiles, rows, columns) of each, nearly square."""
    most = (MAX_SIDE // tile) ** 2
    pages = []
    for start in range(0, count, most):
        tiles = min(most, count - start)
        columns = math.ceil(math.sqrt(tiles))
        pages.append((tiles, math.ceil(tiles / columns), columns))
    return pages


def pack(tiles: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Lay tiles (N, S, S, 3) out row by row on a white page (rows S, columns S, 3)."""
    count, size = tiles.shape[:2]
    page = np.full((rows * columns, size, size, 3), 255, dtype=np.uint8)
    page[:count] = tiles
    return page.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)


def unpack(page: np.ndarray, count: int, tile: int) -> np.ndarray:
    """First `count` tiles (count, tile, tile, 3) of a page that `pack` laid out.

    Raises:
        DataError: the page does not divide into that many tiles.
    """
    height, width, _ = page.shape
    rows, columns = height // tile, width // tile
    if height % tile or width % tile or rows * columns < count:
        raise DataError(f"page of {width} x {height} pixels does not hold {count} tiles of {tile} pixels")
    tiles = page.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)
    return tiles[:count]


def encode(page: np.ndarray, quality: int | None) -> bytes:
    """Page as WebP bytes, lossy at `quality` 0..100, lossless where it is None; no metadata, one thread."""
    from PIL import Image

    buffer = io.BytesIO()
    image = Image.fromarray(page)
    if quality is None:
        image.save(buffer, "WEBP", lossless=True, quality=75, method=4)
    else:
        # sharp YUV keeps coloured outlines on white from bleeding when chroma is halved
        image.save(buffer, "WEBP", quality=quality, method=6, use_sharp_yuv=True)
    return buffer.getvalue()


def decode(content: bytes) -> np.ndarray:
    """Page (H, W, 3) uint8 of WebP bytes.

    Raises:
        DataError: the bytes are not a picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except OSError as error:
        raise DataError(f"not a readable picture: {error}") from error
