"""Training of retrieval recipes: HIER's released scripts, its paper, and ours."""

from __future__ import annotations

from typing import Literal

from hyperdml.training.recipe_part import Values
from hyperdml.training.retrieval.recipe_data import TRAINING
from hyperdml.training.retrieval.recipe_hyp import hyp_values
from hyperdml.training.retrieval.recipe_methods import METHODS
from hyperdml.training.retrieval.recipe_nets import NETS
from hyperdml.training.retrieval.recipe_proxy_anchor import proxy_anchor_values

Variant = Literal["official", "paper", "ours"]

_UNTOLD = "scripts; the paper does not say"
_LEVELLED_RATE = 5e-3
"""Learning rate of the proxies of our levelled HIER: that of quickstart."""


def training_values(data: str, net: str, dim: int, method: str, variant: Variant) -> dict[str, tuple[object, str]]:
    """Head, batches, crops, loss, optimiser and evaluation of a recipe, in the order in which they are written.

    Args:
        data: a name of `DATA`.
        net: a name of `NETS`.
        dim: embedding size.
        method: a name of `METHODS`.
        variant: "official" (the released scripts), "paper" (what the paper says where it says something), or "ours".
    """
    head = {"model.head.embedding_size": (dim, "paper, Table 1")}
    loss = METHODS[method].values
    if METHODS[method].hyp:
        return {**head, **hyp_values(data, net), **loss, "hier.weight": (0, ""), **_evaluation(data)}
    values = {**head, **_released(data, net), **loss, **_regulariser(data, net, method, variant), **_evaluation(data)}
    if method == "xbm":
        size = (55000, "XBM code") if data == "sop" else (TRAINING[data].images, "ours: all training images")
        values["metric_loss.memory"] = size
    if method == "proxynca" and net == "resnet50":
        values["model.pooling"] = ("max", "ProxyNCA++ code")
    if variant == "paper":
        values["optim.epochs"] = (TRAINING[data].paper_epochs, "paper, Table 3")
        if net == "resnet50":
            values |= proxy_anchor_values(data, method)
            if values["batch.sampler"][0] == "shuffle":
                del values["batch.per_class"]
    elif variant == "ours":
        values |= {
            "batch.replace": (False, "ours: no image twice in a batch"),
            "optim.eps": (1e-8, "ours: 1e-4 was for float16"),
            "optim.precision": ("bfloat16", "ours: nothing overflows"),
        }
        if net == "resnet50":
            values["optim.warmup_epochs"] = (0, "ours: later advice of HIER's authors")
    if variant != "ours":  # ours looks at nothing before the end
        later = ", there from epoch 40 on" if data in ("sop", "in_shop") and variant == "official" else ""
        values["evaluation.every_epochs"] = (TRAINING[data].every, "scripts" + later)
        values["evaluation.on"] = ("test", "scripts: nothing is held out")
    return values


def _released(data: str, net: str) -> dict[str, tuple[object, str]]:
    found, resnet = TRAINING[data], net == "resnet50"
    decay, epochs = found.resnet_decay
    schedule: Values = {"optim.schedule": ("constant", "scripts")}
    if resnet:
        schedule = {
            "optim.schedule": ("step", "scripts"),
            "optim.decay": (decay, "scripts"),
            "optim.decay_epochs": (epochs, "scripts"),
        }
    return {
        "model.head.kind": ("released", "scripts"),
        "model.head.c": (0.1, "paper, Sec. 4.1"),
        "model.head.clip_r": (2.3, "paper, Sec. 4.1"),
        "model.head.riemannian_gradient": (True, "scripts"),
        "batch.size": (180, "scripts: 90 on each of two GPUs"),
        "batch.per_class": (2, "scripts"),
        "batch.sampler": ("m_per_class", "scripts"),
        "batch.replace": (True, "scripts: an image can come twice"),
        "crop.kind": ("resized", "scripts"),
        "crop.scale": ([0.08 if resnet else 0.2, 1.0], "scripts"),
        "crop.interpolation": ("bicubic", "scripts"),
        "crop.centre": (0.875, "paper, Sec. 4.1: 224 of 256 pixels"),
        "optim.epochs": (found.epochs, "scripts"),
        "optim.lr": (_rate(data, net), "scripts"),
        "optim.head_lr_mult": (1.0 if resnet else found.last_layer, "scripts" if resnet else "paper, Table 3"),
        "optim.weight_decay": (found.weight_decay, "paper, Table 3"),
        "optim.decay_norms": (True, "scripts"),
        "optim.eps": (1e-4, "scripts"),
        "optim.warmup_epochs": (found.warmup, "paper, Table 3"),
        **schedule,
        "optim.clip_value": (10.0, "scripts"),
        "optim.precision": ("float16", "scripts"),
    }


def _regulariser(data: str, net: str, method: str, variant: Variant) -> Values:
    geometry = METHODS[method].hier
    if geometry is None:
        return {"hier.weight": (0, "")}
    spherical = geometry == "spherical"
    where = "paper, Table 2; the scripts' own switch gives NaN" if spherical else "scripts"
    values: dict[str, tuple[object, str]] = {"hier.mode": ("official", "scripts"), "hier.geometry": (geometry, where)}
    if variant == "ours":
        why = "ours: 4 times as much, for distances that are smaller" if spherical else "ours"
        values |= {
            "hier.mode": ("default", "ours: levels of proxies"),
            "hier.weight": (2.0 if spherical else 0.5, why),
            "optim.hier_proxy_lr_mult": (
                round(_LEVELLED_RATE / _rate(data, net), 2),
                f"ours: a rate of {_LEVELLED_RATE:g}",
            ),
        }
        if TRAINING[data].levels:
            values["hier.levels"] = (list(TRAINING[data].levels or ()), "ours: the finest about as many as classes")
        return values
    if variant == "paper":
        values["hier.mode"] = ("paper", "paper, Sec. 3.2: labels unused")
    return {
        **values,
        "hier.weight": (1.0, "paper, Sec. 4.1") if variant == "paper" else (0.5, "scripts; the paper has 1"),
        "hier.num_proxies": (512, "paper, Sec. 4.1"),
        "hier.k": (20, "paper, Sec. 4.1"),
        "hier.margin": (0.1, "paper, Sec. 4.1"),
        "optim.hier_proxy_lr_mult": (50.0, _UNTOLD if variant == "paper" else "scripts"),
    }


def _rate(data: str, net: str) -> float:
    """Learning rate of the scripts."""
    return NETS[net].lr or TRAINING[data].resnet_lr


def _evaluation(data: str) -> Values:
    return {
        "evaluation.ks": (list(TRAINING[data].ks), "scripts"),
        "evaluation.controls": ([], "ours: what they train has recipes of its own"),
    }
