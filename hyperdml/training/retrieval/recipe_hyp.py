"""Training of Hyp-ViT (Ermolov et al., "Hyperbolic vision transformers", CVPR 2022), for retrieval recipes."""

from __future__ import annotations

from hyperdml.training.recipe_part import Values
from hyperdml.training.retrieval.recipe_data import TRAINING
from hyperdml.training.retrieval.recipe_nets import NETS

_CODE = "Hyp-ViT code"
_README = "Hyp-ViT README"


def hyp_values(data: str, net: str) -> Values:
    """Head, batches, crops and optimiser of Hyp-ViT.

    Args:
        data: a name of `DATA`.
        net: a name of `NETS`.
    """
    per_class, epochs = {"cub": (9, 50), "cars": (9, 300), "sop": (2, 200), "in_shop": (2, 400)}[data]
    resnet = net == "resnet50"
    ours = "ours: as HIER's ResNet-50; the paper has a figure and no settings"
    kept = (0.875, _README + ": 224 of 256 pixels") if data == "cub" else (1.0, "Hyp-ViT code: 224 of 224 pixels")
    return {
        "model.head.kind": ("plain", _CODE),
        "model.head.c": (0.1, _CODE),
        "model.head.clip_r": (2.3, _CODE),
        "model.head.riemannian_gradient": (False, _CODE),
        "batch.size": (882 if data == "cars" else 900, _README),
        "batch.per_class": (per_class, _README),
        "batch.sampler": ("unique_class", _CODE),
        "crop.kind": ("resized", _CODE),
        "crop.scale": ([0.08 if resnet else 0.2, 1.0], ours if resnet else _CODE),
        "crop.interpolation": ("bicubic", _CODE),
        "crop.centre": kept,
        "optim.epochs": (epochs, _README),
        "optim.lr": (TRAINING[data].resnet_lr if resnet else NETS[net].hyp_lr, ours if resnet else _README),
        "optim.weight_decay": (1e-2, _CODE),
        "optim.schedule": ("constant", _CODE),
        "optim.clip_value": (None, _CODE),
        "optim.clip_norm": (3.0, _CODE),
        "optim.precision": ("float16", _CODE),
    }
