"""Networks of retrieval recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hyperdml.training.recipe_part import Part, Values


@dataclass(frozen=True)
class Net(Part):
    """A backbone.

    Attributes:
        dims: embedding sizes that it has recipes for; any other is one override away.
        lr: learning rate of HIER's scripts; that of ResNet-50 depends on the data set.
        hyp_lr: learning rate of Hyp-ViT.
    """

    dims: tuple[int, ...] = (128, 384)
    lr: float | None = None
    hyp_lr: float | None = None


NETS: Mapping[str, Net] = {
    "resnet50": Net("ResNet-50", {}, dims=(128, 512)),
    "vit_s": Net("ViT-S/16 of ImageNet-21k", {}, lr=1e-5, hyp_lr=3e-5),
    "deit_s": Net("distilled DeiT-S", {}, lr=1e-5, hyp_lr=3e-5),
    "dino_s": Net("DINO ViT-S/16", {}, lr=5e-6, hyp_lr=1e-5),
}

_POOLING = {
    "avg_max": "scripts: the sum of average and maximum",
    "cls_train": "scripts: in training the class token alone",
    "timm": "scripts: the class token",
}


def net_values(net: str) -> Values:
    """Settings of a backbone, from the presets of the models.

    Args:
        net: a name of `NETS`.
    """
    from hyperdml.models.presets import PRESETS  # brings torch, which a list of names can do without

    preset = PRESETS[net]
    return {
        "model.backbone": (preset.backbone, "scripts, by its name in timm today"),
        "model.weights": ("hub", ""),
        "model.pooling": (preset.pooling, _POOLING[preset.pooling]),
        "model.freeze": (list(preset.freeze), "paper, Sec. 4.1" if preset.freeze else "scripts"),
        "model.freeze_bn": (preset.freeze_bn, "scripts: on all data sets" if preset.freeze_bn != "no" else ""),
    }
