"""What a network sees of an image: the box that is cut out, mirroring, changes of shape and colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from hyperdml.data.resample import Interpolation
from hyperdml.data.transforms import AUGMENT_NUMBERS, AugmentConfig, augmented, normalised
from hyperdml.seeds import derive_seed

CropKind = Literal["resized", "padded", "affine", "none"]

VIEW_NUMBERS = 32
"""Random numbers for one view of an image; the last one decides about mirroring."""

_FLIPPING: tuple[CropKind, ...] = ("resized", "padded")
_BELONGS: dict[str, tuple[CropKind, ...]] = {
    "scale": ("resized",),
    "ratio": ("resized",),
    "padding": ("padded",),
    "affine": ("affine",),
    "flip": _FLIPPING,
}
_AFFINE = AugmentConfig()

_Numbers = TypeVar("_Numbers", np.ndarray, Tensor)


@dataclass(frozen=True)
class CropConfig:
    """How training images are cropped and changed, and which part of an image evaluation looks at.

    Attributes:
        kind: "resized": a random part of the image, resized (Szegedy et al. 2015, the usual choice for photographs);
            "padded": the image on a black border, a window of its own size out of it (He et al. 2016, Sec. 4.2, for
            CIFAR); "affine": random similarity maps and colours of `AugmentConfig`, for drawings; "none": as in
            evaluation.
        scale: "resized": smallest and largest share of the area (torchvision and timm: 0.08, 1).
        ratio: "resized": smallest and largest ratio of width to height (3/4, 4/3).
        flip: "resized" and "padded": probability of a horizontal mirror image.
        padding: "padded": width of the border as a share of the side (4 of 32 pixels).
        affine: "affine": its settings, the mirroring among them.
        centre: share of the shorter side that evaluation keeps, in the middle; None: 0.875 for "resized" (224 of 256
            pixels, the usual one), else 1.
        interpolation: kernel of resizing, in training and evaluation; antialiased.

    Raises:
        ValueError: a value is out of range, or an option of one kind is given with another.
    """

    kind: CropKind = "resized"
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    padding: float = 0.125
    affine: AugmentConfig = _AFFINE
    centre: float | None = None
    interpolation: Interpolation = "bicubic"

    def __post_init__(self) -> None:
        if self.kind not in ("resized", "padded", "affine", "none"):
            raise ValueError(f"crop.kind must be 'resized', 'padded', 'affine' or 'none', got {self.kind!r}")
        if self.interpolation not in ("bicubic", "bilinear"):
            raise ValueError(f"crop.interpolation must be 'bicubic' or 'bilinear', got {self.interpolation!r}")
        for name, kinds in _BELONGS.items():
            if self.kind not in kinds and getattr(self, name) != getattr(CropConfig, name):
                where = " or ".join(f"'{kind}'" for kind in kinds)
                hint = "; crop.affine.flip is what you want" if (name, self.kind) == ("flip", "affine") else ""
                raise ValueError(f"crop.{name} needs crop.kind {where}, but it is {self.kind!r}{hint}")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"crop.scale must be two shares in (0, 1], the smaller first, got {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1] < math.inf:
            raise ValueError(f"crop.ratio must be two positive numbers, the smaller first, got {self.ratio}")
        for name, value in (("flip", self.flip), ("padding", self.padding)):
            if not 0 <= value <= 1:
                raise ValueError(f"crop.{name} must be in [0, 1], got {value}")
        if self.centre is not None and not 0 < self.centre <= 1:
            raise ValueError(f"crop.centre must be in (0, 1], got {self.centre}")

    @property
    def kept(self) -> float:
        """Share of the shorter side that evaluation keeps."""
        if self.centre is not None:
            return self.centre
        return 0.875 if self.kind == "resized" else 1.0


def view_numbers(seed: int, view: int, rows: np.ndarray, times: np.ndarray | None = None) -> np.ndarray:
    """Uniform random numbers of images, each a function of (seed, view, row, time, column) and nothing else.

    Splitmix64 (Steele, Lea and Flood 2014) as a hash of the counter, for all images at once: generators that are made
    for every image take longer than the image.

    Args:
        seed: the run's seed.
        view: epoch, step, or number of the view.
        rows: (B,) positions of the images in their data set, below 2^40.
        times: (B,) int64, to tell several views of one row apart; None for 0.

    Returns:
        (B, VIEW_NUMBERS) float32 in [0, 1), multiples of 2^-24.
    """
    start = np.uint64(derive_seed(seed, "view", view))
    columns = np.arange(1, VIEW_NUMBERS + 1, dtype=np.uint64)
    seen = rows if times is None else rows + (times << 40)
    counter = seen[:, None].astype(np.uint64) * np.uint64(VIEW_NUMBERS) + columns
    bits: np.ndarray = start + counter * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def mirrored(config: CropConfig, numbers: _Numbers) -> _Numbers:
    """(B,) bool: which images are mirrored as they are, without a further change of their shape.

    Args:
        config: settings.
        numbers: (B, VIEW_NUMBERS) of `view_numbers`, as an array or a tensor.
    """
    return numbers[:, -1] < (config.flip if config.kind in _FLIPPING else 0)


def finished(
    x: Tensor, config: CropConfig, numbers: Tensor | None, mean: Sequence[float] | Tensor, std: Sequence[float] | Tensor
) -> Tensor:
    """Everything behind the crop: mirroring, affine maps, colours, and normalisation.

    Args:
        x: (B, 3, S, S) pixels in [0, 1].
        config: settings.
        numbers: (B, VIEW_NUMBERS) of `view_numbers`, on the device of x; None for evaluation.
        mean: channel means.
        std: channel deviations.

    Returns:
        (B, 3, S, S) float32.
    """
    if numbers is not None and config.kind == "affine":
        x = augmented(x, x.shape[-1], config.affine, numbers[:, :AUGMENT_NUMBERS])
    elif numbers is not None and config.kind in _FLIPPING:
        x = torch.where(mirrored(config, numbers)[:, None, None, None], x.flip(3), x)
    return normalised(x, mean, std)
