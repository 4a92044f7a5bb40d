"""Training of Proxy Anchor (Kim et al., CVPR 2020), for retrieval recipes of ResNet-50 as HIER's paper has them."""

from __future__ import annotations

from hyperdml.training.recipe_part import Values

_CODE = "Proxy Anchor code"
_README = "Proxy Anchor README"


def proxy_anchor_values(data: str, method: str) -> Values:
    """What the paper's "we follow the training setting of [Proxy Anchor]" means for ResNet-50.

    Args:
        data: a name of `DATA`.
        method: a name of `METHODS`.
    """
    small = data in ("cub", "cars")
    source = _README if small else _README + ", there BN-Inception"
    values: dict[str, tuple[object, str]] = {
        "model.head.kind": ("plain", _CODE + ": no layer norm"),
        "model.head.riemannian_gradient": (False, "the paper does not have it"),
        "model.freeze_bn": ("all" if small else "no", source),
        "batch.size": (120 if small else 180, source),
        "batch.sampler": ("shuffle", _CODE),
        "batch.replace": (False, _CODE),
        "crop.interpolation": ("bilinear", _CODE),
        "optim.epochs": (60, _CODE),
        "optim.lr": (1e-4 if small else 6e-4, source),
        "optim.head_lr_mult": (1.0, _CODE),
        "optim.weight_decay": (1e-4, _CODE),
        "optim.eps": (1e-8, _CODE),
        "optim.warmup_epochs": (5 if small else 1, source),
        "optim.decay": (0.5 if small else 0.25, source),
        "optim.decay_epochs": ({"cub": 5, "cars": 10}.get(data, 20), source),
        "optim.precision": ("float32", _CODE),
    }
    if method == "pa":
        values["optim.class_proxy_lr_mult"] = (100.0, _CODE)
    if method.startswith("ms"):  # 180 random images of SOP hold one pair of a class
        values["batch.sampler"] = ("m_per_class", "ours: pairs of a class, which random batches hardly have")
    return values
