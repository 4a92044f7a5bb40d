"""Backbones of the papers by short names: which weights of timm they are, how they are pooled, what is not trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hyperdml.models.freezing import FreezeBN
from hyperdml.models.pooling import Pooling

Statistics = tuple[float, float, float]

_IMAGENET: tuple[Statistics, Statistics] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF: tuple[Statistics, Statistics] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class Preset:
    """A backbone with the settings that go with it.

    Attributes:
        backbone: timm's name, with the tag of the weights.
        statistics: mean and deviation by channel of RGB values in [0, 1], as the weights expect them.
        pooling: recommended `ModelConfig.pooling`.
        freeze: recommended `ModelConfig.freeze`.
        freeze_bn: recommended `ModelConfig.freeze_bn`.
    """

    backbone: str
    statistics: tuple[Statistics, Statistics]
    pooling: Pooling = "timm"
    freeze: tuple[str, ...] = ("patch_embed",)
    freeze_bn: FreezeBN = "no"


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        # the four of HIER (CVPR 2023); Hyp-ViT (CVPR 2022) has the same transformers
        "resnet50": Preset("resnet50.tv_in1k", _IMAGENET, "avg_max", (), "statistics"),
        "vit_s": Preset("vit_small_patch16_224.augreg_in21k_ft_in1k", _HALF),
        "deit_s": Preset("deit_small_distilled_patch16_224.fb_in1k", _IMAGENET, "cls_train"),
        "dino_s": Preset("vit_small_patch16_224.dino", _IMAGENET),
        # newer ones; the patch embedding stays as it is, as in the papers' transformers
        "dinov2_s": Preset("vit_small_patch14_dinov2.lvd142m", _IMAGENET),
        "dinov2_b": Preset("vit_base_patch14_dinov2.lvd142m", _IMAGENET),
        "dinov2_l": Preset("vit_large_patch14_dinov2.lvd142m", _IMAGENET),
        "convnext_t": Preset("convnext_tiny.fb_in22k_ft_in1k", _IMAGENET),
        "swin_t": Preset("swin_tiny_patch4_window7_224.ms_in1k", _IMAGENET),
    }
)


def timm_name(backbone: str) -> str:
    """The name that timm knows a backbone by.

    A preset stands for timm's name and nothing else here: pooling and freezing are what the configuration says.

    Args:
        backbone: a name of `PRESETS`, or one of timm's.
    """
    return PRESETS[backbone].backbone if backbone in PRESETS else backbone
