"""Parts of images brought to one size with antialiasing: a batch on the device, or one image in bytes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Interpolation = Literal["bicubic", "bilinear"]


def resample(images: Tensor, boxes: np.ndarray, size: int, interpolation: Interpolation) -> Tensor:
    """Cut a box out of every image of a batch and resize it.

    Resizing is separable, so an image X becomes ``A X B'`` with two matrices that hold the weights of its box: two
    products for the whole batch, whatever the boxes. The weights are Pillow's (bicubic with a = -1/2; the kernels are
    widened by the factor of shrinking), over the pixels of the box only, as where a crop comes before a resize.

    Args:
        images: (N, H, W, 3) uint8.
        boxes: (N, 4) int64 left, top, right, bottom; what lies outside the image is black.
        size: side of the result in pixels.
        interpolation: the kernel.

    Returns:
        (N, 3, size, size) float32 in [0, 1], on the device of the images.
    """
    height, width = images.shape[1:3]
    x = images.permute(0, 3, 1, 2).float() / 255
    if height == width == size and (boxes == (0, 0, size, size)).all():
        return x
    margin = max(0, -int(boxes[:, :2].min()), int((boxes[:, 2:] - (width, height)).max()))
    if margin:
        x = F.pad(x, (margin,) * 4)
    edges = torch.from_numpy((boxes + margin).astype(np.float32)).to(x.device)
    left, top, right, bottom = edges[:, :, None, None].unbind(1)
    rows = _weights(top, bottom, x.shape[2], size, interpolation)
    columns = _weights(left, right, x.shape[3], size, interpolation)
    with torch.autocast(x.device.type, enabled=False):
        # negative weights of the bicubic kernel can leave the range
        return (rows[:, None] @ x @ columns[:, None].mT).clamp_(0, 1)


def resample_one(pixels: np.ndarray, box: np.ndarray, size: int, interpolation: Interpolation) -> Tensor:
    """The same for one image, in bytes, on the CPU, which is many times faster where images are large.

    The bits are those of ``torchvision.transforms.v2.functional.resized_crop`` on bytes, within two levels of Pillow's.
    Both round and clip between the two products too, so that hard edges differ by some levels where the bicubic kernel
    overshoots.

    Args:
        pixels: (H, W, 3) uint8.
        box: (4,) int64 left, top, right, bottom; what lies outside the image is black.
        size: side of the result in pixels.
        interpolation: the kernel.

    Returns:
        (size, size, 3) uint8.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = box.tolist()
    part = pixels[max(top, 0) : bottom, max(left, 0) : right]
    outside = ((max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0)), (0, 0))
    if any(map(any, outside)):
        part = np.pad(part, outside)
    # strides of a batch with the channels last, for which there is a fast kernel
    x = torch.from_numpy(part)[None].permute(0, 3, 1, 2)
    return F.interpolate(x, size=(size, size), mode=interpolation, antialias=True)[0].permute(1, 2, 0)


def _weights(start: Tensor, stop: Tensor, source: int, size: int, interpolation: Interpolation) -> Tensor:
    """(N, size, source) weight of every source pixel in every pixel of the result, along one axis.

    Args:
        start: (N, 1, 1) first edge of the box.
        stop: (N, 1, 1) last edge.
        source: pixels of the source.
        size: pixels of the result.
        interpolation: the kernel.
    """
    scale = (stop - start) / size
    middles = torch.arange(max(source, size), dtype=torch.float32, device=start.device) + 0.5
    pixels, centres = middles[:source], start + middles[:size, None] * scale
    distance = (pixels - centres).abs() / scale.clamp(min=1)
    weights = _bicubic(distance) if interpolation == "bicubic" else (1 - distance).clamp(min=0)
    weights = weights * ((pixels > start) & (pixels < stop))
    return weights / weights.sum(2, keepdim=True)


def _bicubic(x: Tensor) -> Tensor:
    """Keys' kernel with a = -1/2 at x >= 0; exactly 1 at 0 and 0 at whole numbers, so that a mere crop copies."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
