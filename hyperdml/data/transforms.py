"""Batches of uint8 images to normalised tensors, on the device, with or without augmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

AUGMENT_NUMBERS = 8
"""Random numbers that `augmented` takes for an image."""


@dataclass(frozen=True)
class AugmentConfig:
    """Random affine map, flip and colour change of every training image; 0 switches a part off.

    Attributes:
        rotate: largest rotation in degrees, either way.
        scale: largest relative change of size.
        translate: largest shift as a share of the image.
        flip: probability of a horizontal flip.
        brightness: largest additive change, in units of the pixel range.
        contrast: largest relative change about the mean.
        grey: probability of losing all colour.
    """

    rotate: float = 15.0
    scale: float = 0.2
    translate: float = 0.1
    flip: float = 0.5
    brightness: float = 0.1
    contrast: float = 0.2
    grey: float = 0.1


def to_input(
    images: Tensor,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    augment: AugmentConfig | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Resize (bilinear, antialiased when shrinking), augment, normalise.

    Args:
        images: (N, S, S, 3) uint8, RGB.
        size: side of the network's input in pixels.
        mean: channel means of pixel values in [0, 1].
        std: channel deviations.
        augment: settings; None for evaluation.
        generator: CPU generator of the augmentation.

    Returns:
        (N, 3, size, size) float32.
    """
    x = images.permute(0, 3, 1, 2).float() / 255
    if augment is not None:
        numbers = torch.stack([torch.rand(len(x), generator=generator) for _ in range(AUGMENT_NUMBERS)], 1)
        x = augmented(x, size, augment, numbers)
    elif x.shape[-1] != size:
        x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return normalised(x, mean, std)


def normalised(x: Tensor, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor) -> Tensor:
    """``(x - mean) / std`` by channel, of (N, 3, H, W) pixels in [0, 1]."""
    offset, scale = (torch.as_tensor(v, device=x.device).view(1, 3, 1, 1) for v in (mean, std))
    return (x - offset) / scale


def augmented(x: Tensor, size: int, config: AugmentConfig, numbers: Tensor) -> Tensor:
    """Change images at random.

    Args:
        x: (N, 3, S, S) pixels in [0, 1], on any device.
        size: side of the result in pixels.
        config: settings.
        numbers: (N, AUGMENT_NUMBERS) float32, uniform in [0, 1): all the chance there is. Where they lie on the CPU,
            so does the work on them, with the same bits for every device of x.

    Returns:
        (N, 3, size, size) pixels in [0, 1].
    """
    angle, zoom, mirror, across, down, contrast, brightness, grey = numbers.unbind(1)
    x = _affine(x, size, config, angle, zoom, mirror, torch.stack([across, down], 1))
    return _colour(x, config, contrast, brightness, grey)


def _affine(
    x: Tensor, size: int, config: AugmentConfig, angle: Tensor, zoom: Tensor, mirror: Tensor, shift: Tensor
) -> Tensor:
    """Similarity maps; what comes into view from outside repeats the border."""
    n = len(x)
    angle = _symmetric(angle) * math.radians(config.rotate)
    zoom = 1 + _symmetric(zoom) * config.scale
    mirror = torch.where(mirror < config.flip, -1.0, 1.0)
    shift = _symmetric(shift) * (2 * config.translate)
    rows = [torch.cos(angle) * zoom * mirror, -torch.sin(angle) * zoom, shift[:, 0]]
    rows += [torch.sin(angle) * zoom * mirror, torch.cos(angle) * zoom, shift[:, 1]]
    theta = torch.stack(rows, 1).view(n, 2, 3).to(x.device)
    if x.shape[-1] > size:
        x = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    grid = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(x, grid, padding_mode="border", align_corners=False)


def _colour(x: Tensor, config: AugmentConfig, contrast: Tensor, brightness: Tensor, grey: Tensor) -> Tensor:
    n = len(x)
    factor = (1 + _symmetric(contrast) * config.contrast).view(n, 1, 1, 1).to(x.device)
    offset = (_symmetric(brightness) * config.brightness).view(n, 1, 1, 1).to(x.device)
    without = (grey < config.grey).view(n, 1, 1, 1).to(x.device)
    x = (x - 0.5) * factor + 0.5 + offset
    x = torch.where(without, x.mean(1, keepdim=True), x)
    return x.clamp(0, 1)


def _symmetric(numbers: Tensor) -> Tensor:
    return numbers * 2 - 1
