"""Settings of an `EmbeddingModel`, and the backbone that they describe."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from hyperdml.models.backbone import create_backbone
from hyperdml.models.freezing import FreezeBN
from hyperdml.models.head import HeadConfig
from hyperdml.models.pooling import Pooling, set_pooling
from hyperdml.models.presets import timm_name


@dataclass(frozen=True)
class ModelConfig:
    """Settings of `EmbeddingModel`.

    Attributes:
        backbone: a name of `PRESETS`, which stands for timm's name of it, or any timm model name.
        weights: "packaged", "hub", "none", or the path of a state dict (`create_backbone`).
        head: settings of the head.
        pooling: how a feature map or tokens become one vector (`set_pooling`); "timm": as timm does it.
        freeze: names of sub-modules of the backbone that are not trained; "patch_embed" means the stem that cuts an
            image into patches, whatever it is called (ViT, DeiT, DINO, Swin, ConvNeXt).
        freeze_bn: "no"; "statistics": batch norms keep their running statistics, as HIER; "all": their scale and
            shift too, as Proxy Anchor.
    """

    backbone: str = "tf_efficientnet_lite0"
    weights: str = "packaged"
    head: HeadConfig = field(default_factory=HeadConfig)
    pooling: Pooling = "timm"
    freeze: tuple[str, ...] = ()
    freeze_bn: FreezeBN = "no"


def embedding_backbone(config: ModelConfig, image_size: int | None = None) -> nn.Module:
    """The backbone of an `EmbeddingModel`, all of it under training.

    Args:
        config: settings.
        image_size: side of the images in pixels, see `create_backbone`.

    Raises:
        ConfigError: see `create_backbone` and `set_pooling`.
    """
    name = timm_name(config.backbone)
    backbone = create_backbone(name, config.weights, image_size=image_size)
    set_pooling(backbone, name, config.pooling)
    return backbone
