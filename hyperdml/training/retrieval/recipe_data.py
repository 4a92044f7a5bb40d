"""Data sets of retrieval recipes, and what HIER's training does differently on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hyperdml.training.recipe_part import Part, Values


def _values(name: str) -> Values:
    return {
        "checkpoint_every": (500, "ours"),
        "data.name": (name, ""),
        "data.image_size": (224, "scripts"),
    }


DATA: Mapping[str, Part] = {
    "cub": Part("CUB-200-2011", _values("cub")),
    "cars": Part("Cars-196", _values("cars")),
    "sop": Part("Stanford Online Products", _values("sop")),
    "in_shop": Part("In-Shop", _values("in_shop")),
}


@dataclass(frozen=True)
class Training:
    """How one data set is trained on.

    Attributes:
        epochs: of the released scripts.
        paper_epochs: of the paper's Table 3.
        warmup: epochs with the backbone's learning rate at 0.
        weight_decay: of all groups.
        last_layer: learning rate of the last layer of transformers, in learning rates of the backbone.
        every: epochs between evaluations.
        resnet_lr: learning rate of ResNet-50.
        resnet_decay: its factor, after so many epochs.
        ks: of Recall@k.
        images: in the training classes.
        levels: proxies of our levelled HIER, the finest about as many as classes; None: those of the module.
    """

    epochs: int
    paper_epochs: int
    warmup: int
    weight_decay: float
    last_layer: float
    every: int
    resnet_lr: float
    resnet_decay: tuple[float, int]
    ks: tuple[int, ...]
    images: int
    levels: tuple[int, ...] | None = None


TRAINING: Mapping[str, Training] = {
    "cub": Training(100, 50, 1, 1e-2, 1.0, 1, 1e-4, (0.5, 5), (1, 2, 4, 8), 5864, (8, 32, 128)),
    "cars": Training(100, 50, 1, 1e-2, 1.0, 1, 1e-4, (0.5, 10), (1, 2, 4, 8), 8054, (8, 32, 128)),
    "sop": Training(150, 150, 5, 1e-4, 100.0, 5, 6e-4, (0.3, 25), (1, 10, 100, 1000), 59551),
    "in_shop": Training(150, 150, 5, 1e-4, 100.0, 1, 6e-4, (0.3, 20), (1, 10, 20, 30), 25882),
}
