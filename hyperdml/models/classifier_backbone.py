"""The backbone of a classifier: a timm model for images of one size, with or without the stem for small images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperdml.errors import ConfigError
from hyperdml.models.backbone import create_backbone


@dataclass(frozen=True)
class ClassifierConfig:
    """Settings of `Classifier`.

    Attributes:
        backbone: timm model name.
        weights: "packaged", "hub", "none", or the path of a state dict (`create_backbone`).
        stem: "standard", or "small": a ResNet begins with one 3 x 3 convolution of stride 1 and no pooling, as for
            CIFAR (He et al. 2016, Sec. 4.2), so that images of 32 pixels keep their size; without weights only.
        drop_rate: dropout of the features before the head.
        drop_path_rate: stochastic depth, for backbones of timm that have it.
        normalize: features of length 1.
        patch_size: side of the patches of a transformer; None: its own.
    """

    backbone: str = "resnet18"
    weights: str = "none"
    stem: Literal["standard", "small"] = "standard"
    drop_rate: float = 0.0
    drop_path_rate: float = 0.0
    normalize: bool = False
    patch_size: int | None = None


def make_backbone(config: ClassifierConfig, image_size: int) -> nn.Module:
    """The backbone of a `Classifier`.

    Args:
        config: settings.
        image_size: side of the images in pixels, handed to timm for backbones that are made for one size.

    Raises:
        ConfigError: see `create_backbone`; or the stem is not known or does not fit the backbone or its weights,
            drop_path_rate or patch_size is out of range, or the image is not a whole number of patches.
    """
    if config.stem not in ("standard", "small"):
        raise ConfigError(f"model.stem must be 'standard' or 'small', got {config.stem!r}")
    if not 0 <= config.drop_path_rate < 1:
        raise ConfigError(f"model.drop_path_rate must be in [0, 1), got {config.drop_path_rate}")
    if config.patch_size is not None and not 1 <= config.patch_size <= image_size:
        raise ConfigError(
            f"model.patch_size must be from 1 to the image's {image_size} pixels, got {config.patch_size}"
        )
    arguments: dict[str, Any] = {}
    if config.drop_path_rate:
        arguments["drop_path_rate"] = config.drop_path_rate
    if config.patch_size is not None:
        arguments["patch_size"] = config.patch_size
    backbone = create_backbone(config.backbone, config.weights, arguments, image_size)
    if config.stem == "small":
        _make_stem_small(backbone, config)
    return backbone


def pooled(backbone: nn.Module, images: Tensor, normalize: bool) -> Tensor:
    """(B, F) features of images, of length 1 if asked for."""
    features: Tensor = backbone(images)
    return F.normalize(features, dim=1) if normalize else features


def _make_stem_small(backbone: nn.Module, config: ClassifierConfig) -> None:
    from timm.models.resnet import ResNet

    stem = getattr(backbone, "conv1", None)
    if not isinstance(backbone, ResNet) or not isinstance(stem, nn.Conv2d):
        raise ConfigError(
            f"model.stem: 'small' is for ResNets that begin with one convolution, not {config.backbone!r}"
        )
    if config.weights != "none":
        raise ConfigError(
            f"model.stem: 'small' is drawn at random; model.weights must be 'none', got {config.weights!r}"
        )
    small = nn.Conv2d(stem.in_channels, stem.out_channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(small.weight, mode="fan_out", nonlinearity="relu")  # as timm draws the others
    backbone.add_module("conv1", small.to(memory_format=torch.channels_last))
    backbone.add_module("maxpool", nn.Identity())
