"""Small images of the page, many in one picture."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperdml.data import LabelledImages
from hyperdml.viz.explorer.encode import encoded
from hyperdml.viz.thumbnails import thumbnails

SIDE, COLUMNS, ROWS = 48, 64, 64  # pixels; pictures of 3,072 a side at most, which every browser takes
BUDGET = 12_000_000  # bytes of base64 in a page
_QUALITY = 60  # of WebP: about 0.5 to 1 KB an image

Ints = NDArray[np.int64]


def atlases(
    images: LabelledImages, rows: Ints, *, side: int = SIDE, budget: int = BUDGET
) -> tuple[dict[str, Any], int]:
    """Thumbnails in pictures of 64 by 64, as data URIs of WebP, in the order of `rows`.

    Args:
        images: the images.
        rows: those that get one, the most wanted first.
        side: of a thumbnail in pixels.
        budget: most bytes; pictures that would pass it are left out.

    Returns:
        The part of the page's data, and how many images have a thumbnail in it.
    """
    from PIL import Image

    found: list[str] = []
    used = done = 0
    for first in range(0, len(rows), COLUMNS * ROWS):
        few = rows[first : first + COLUMNS * ROWS]
        lines = -(-len(few) // COLUMNS)
        cells = np.full((lines * COLUMNS, side, side, 3), 255, np.uint8)
        cells[: len(few)] = thumbnails(images, few, side)
        sheet = cells.reshape(lines, COLUMNS, side, side, 3).swapaxes(1, 2).reshape(lines * side, COLUMNS * side, 3)
        buffer = io.BytesIO()
        Image.fromarray(sheet).save(buffer, "WEBP", quality=_QUALITY)
        text = base64.b64encode(buffer.getvalue()).decode()
        if used + len(text) > budget:
            break
        found.append(f"data:image/webp;base64,{text}")
        used, done = used + len(text), done + len(few)
    part = {
        "side": side,
        "columns": COLUMNS,
        "rows_per_atlas": ROWS,
        "atlases": found,
        "cells": encoded(rows[:done], "i4"),
    }
    return part, done


def wanted(count: int, first: Ints, labels: Ints | None, most: int, seed: int) -> Ints:
    """Which images get a thumbnail: some that must, then the others, every class in turn.

    Args:
        count: number of images N.
        first: rows that come first, with repeats.
        labels: (N,) classes; None for one.
        most: how many.
        seed: of the order within a class.
    """
    order = np.random.default_rng(seed).permutation(count)
    known = np.zeros(count, np.int64) if labels is None else labels[order]
    by_class = np.argsort(known, kind="stable")
    counts = np.bincount(np.unique(known, return_inverse=True)[1])
    turn = np.empty(count, np.int64)
    turn[by_class] = np.concatenate([np.arange(size) for size in counts]) if count else turn
    rest = order[np.argsort(turn, kind="stable")]
    _, places = np.unique(np.r_[first, rest], return_index=True)
    found: Ints = np.r_[first, rest][np.sort(places)][:most]
    return found
