"""Nets that classification recipes train, with the optimisers of Table 8 of the paper that introduces HACE.

Its learning rates, weight decays, momentum and dropout are lost in the text we have. Values that are "ours" are those
of the recipe that they name.
"""

from __future__ import annotations

from hyperdml.training.recipe_part import Part

_TABLE8 = "Table 8"
_PAPER = ("cifar100", "aircraft", "nabirds")


def _epochs(cifar100: int, aircraft: int, nabirds: int) -> dict[str, int]:
    return dict(zip(_PAPER, (cifar100, aircraft, nabirds), strict=True))


def _resnet(depth: int) -> Part:
    return Part(
        f"ResNet-{depth}",
        {
            "model.backbone": (f"resnet{depth}", ""),
            "model.weights": ("none", ""),
            "optim.name": ("sgd", _TABLE8),
            "optim.batch_size": (128, _TABLE8),
            "optim.schedule": ("cosine", _TABLE8),
            "optim.lr": (0.1, "ours: He et al. 2016"),
            "optim.weight_decay": (1e-4, "ours: He et al. 2016"),
            "optim.momentum": (0.9, "ours: He et al. 2016"),
        },
        _epochs(450, 750, 750),
    )


NETS = {
    "resnet18": _resnet(18),
    "resnet34": _resnet(34),
    "resnet50": _resnet(50),
    "convnext_t": Part(
        "ConvNeXt-T",
        {
            "model.backbone": ("convnext_tiny", ""),
            "model.weights": ("none", ""),
            "model.drop_path_rate": (0.1, "ours: Liu et al. 2022, Table 5"),
            "optim.name": ("adamw", _TABLE8),
            "optim.batch_size": (128, _TABLE8),
            "optim.schedule": ("cosine", _TABLE8),
            "optim.lr": (1.25e-4, "ours: Liu et al. 2022, 4e-3 at batch 4096, scaled linearly"),
            "optim.weight_decay": (0.05, "ours: Liu et al. 2022"),
            "optim.decay_norms": (False, "ours: Liu et al. 2022, their code"),
        },
        _epochs(400, 400, 500),
    ),
    "swin_t": Part(
        "Swin-T",
        {
            "model.backbone": ("swin_tiny_patch4_window7_224", ""),
            "model.weights": ("none", ""),
            "model.drop_path_rate": (0.2, "ours: Liu et al. 2021"),
            "optim.name": ("adamw", _TABLE8),
            "optim.batch_size": (128, _TABLE8),
            "optim.schedule": ("warmup_cosine", "Table 8 says Lambda; ours: Liu et al. 2021"),
            "optim.warmup_epochs": (20, "ours: Liu et al. 2021"),
            "optim.lr": (1.25e-4, "ours: Liu et al. 2021, 1e-3 at batch 1024, scaled linearly"),
            "optim.weight_decay": (0.05, "ours: Liu et al. 2021"),
            "optim.decay_norms": (False, "ours: Liu et al. 2021, their code"),
            "optim.clip_norm": (5.0, "ours: Liu et al. 2021, their code"),
        },
        _epochs(500, 500, 500),
    ),
    "vit_b16": Part(
        "ViT-B/16",
        {
            "model.backbone": ("vit_base_patch16_224", ""),
            "model.weights": ("none", ""),
            "model.drop_rate": (0.1, "ours: Dosovitskiy et al. 2021, Table 3; here before the head alone"),
            "optim.name": ("adamw", _TABLE8),
            "optim.batch_size": (64, _TABLE8),
            "optim.schedule": ("warmup_cosine", "Table 8 says Lambda; ours: Dosovitskiy et al. 2021"),
            "optim.warmup_epochs": (32, "ours: Dosovitskiy et al. 2021, 10,000 steps of batch 4096 on ImageNet"),
            "optim.lr": (4.6875e-5, "ours: Dosovitskiy et al. 2021, 3e-3 at batch 4096, scaled linearly"),
            "optim.weight_decay": (0.3, "ours: Dosovitskiy et al. 2021, Table 3"),
            "optim.clip_norm": (1.0, "ours: Dosovitskiy et al. 2021, Table 3"),
        },
        _epochs(300, 300, 300),
    ),
    "dinov2_l": Part(
        "linear probing of DINOv2-L",
        {
            "model.backbone": ("vit_large_patch14_dinov2", ""),
            "model.weights": ("hub", ""),
            "model.normalize": (True, "the paper, A.6"),
            "optim.freeze_backbone": (True, "the paper, A.6"),
            "optim.name": ("adamw", "ours"),
            "optim.batch_size": (128, "ours"),
            "optim.schedule": ("cosine", "ours"),
            "optim.lr": (1e-2, "ours"),
            "optim.weight_decay": (0.0, "ours"),
        },
        _epochs(100, 100, 100),
    ),
    "lite0": Part(
        "linear probing of EfficientNet-Lite0",
        {
            "data.image_size": (112, "ours"),
            "model.backbone": ("tf_efficientnet_lite0", ""),
            "model.weights": ("packaged", ""),
            "model.normalize": (True, "the paper, A.6"),
            "optim.freeze_backbone": (True, "the paper, A.6"),
            "optim.name": ("adamw", "ours"),
            "optim.batch_size": (128, "ours"),
            "optim.schedule": ("cosine", "ours"),
            "optim.lr": (0.03, "ours, chosen for cross-entropy on a validation family"),
            "optim.weight_decay": (0.0, "ours"),
        },
        {"emoji": 10},
    ),
    "small": Part(
        "a small ResNet",
        {
            "data.image_size": (32, "ours"),
            "model.backbone": ("resnet10t", ""),
            "model.weights": ("none", ""),
            "optim.name": ("adamw", "ours"),
            "optim.batch_size": (64, "ours"),
            "optim.schedule": ("cosine", "ours"),
            "optim.lr": (3e-3, "ours"),
            "optim.weight_decay": (0.05, "ours"),
        },
        {"emoji": 30},
    ),
}
