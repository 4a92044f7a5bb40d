"""Which part of an image training and evaluation look at."""

from __future__ import annotations

import numpy as np

from hyperdml.data.views import CropConfig

_ATTEMPTS = 10
_AREAS, _RATIOS = slice(0, _ATTEMPTS), slice(_ATTEMPTS, 2 * _ATTEMPTS)
_ACROSS, _DOWN = 2 * _ATTEMPTS, 2 * _ATTEMPTS + 1


def evaluation_boxes(config: CropConfig, sizes: np.ndarray) -> np.ndarray:
    """The middle squares that evaluation looks at.

    With 7/8 kept and resized to 224 it is what the usual resizing of the shorter side to 256 and cutting 224 out of the
    middle shows. Two things differ: edges are whole pixels of the image here and of the resized image there, so that
    the middles may lie up to a pixel apart, and the kernel sees nothing beyond the square.

    Args:
        config: settings.
        sizes: (B, 2) int64 widths and heights.

    Returns:
        (B, 4) int64 left, top, right, bottom.
    """
    side = np.rint(sizes.min(1) * config.kept).astype(np.int64).clip(1)
    return _placed((sizes - side[:, None]) // 2, side, side)


def training_boxes(config: CropConfig, sizes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The boxes that training looks at.

    Those of kind "resized" have the distribution of torchvision's RandomResizedCrop.

    Args:
        config: settings.
        sizes: (B, 2) int64 widths and heights.
        numbers: (B, VIEW_NUMBERS) of `view_numbers`.

    Returns:
        (B, 4) int64 left, top, right, bottom; those of kind "padded" reach beyond the image.
    """
    chance = numbers.astype(np.float64)
    if config.kind == "resized":
        return _random_parts(config, sizes, chance)
    boxes = evaluation_boxes(config, sizes)
    if config.kind == "padded":
        border = np.rint((boxes[:, 2:] - boxes[:, :2]) * config.padding).astype(np.int64)
        shift = np.floor(chance[:, [_ACROSS, _DOWN]] * (2 * border + 1)).astype(np.int64) - border
        boxes += np.concatenate([shift, shift], 1)
    return boxes


def _random_parts(config: CropConfig, sizes: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """The first of ten random parts that fits into the image; if none does, the largest middle of a ratio allowed."""
    width, height = sizes[:, :1], sizes[:, 1:]
    low, high = config.scale
    area = width * height * (low + (high - low) * chance[:, _AREAS])
    flat, wide = np.log(config.ratio)
    ratio = np.exp(flat + (wide - flat) * chance[:, _RATIOS])
    w, h = np.rint(np.sqrt(area * ratio)).astype(np.int64), np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
    first = fits.argmax(1)[:, None]
    w, h = np.take_along_axis(w, first, 1)[:, 0], np.take_along_axis(h, first, 1)[:, 0]
    room = sizes - np.stack([w, h], 1)
    start = np.floor(chance[:, [_ACROSS, _DOWN]] * (room + 1)).astype(np.int64)
    none = ~fits.any(1)
    if none.any():
        whole_w, whole_h = sizes[none].T
        w[none] = np.minimum(whole_w, np.rint(whole_h * config.ratio[1]).astype(np.int64))
        h[none] = np.minimum(whole_h, np.rint(whole_w / config.ratio[0]).astype(np.int64))
        start[none] = (sizes[none] - np.stack([w[none], h[none]], 1)) // 2
    return _placed(start, w, h)


def _placed(start: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    return np.concatenate([start, start + np.stack([width, height], 1)], 1)
