"""Classification recipes, put together from tables of data sets, nets and losses: DATA-NET-LOSS."""

from __future__ import annotations

from functools import cache

from hyperdml.training.classify.recipe_losses import DATA, LOSSES
from hyperdml.training.classify.recipe_nets import NETS
from hyperdml.training.recipe_part import Part, recipe_yaml

PARTS: dict[str, dict[str, Part]] = {"DATA": DATA, "NET": NETS, "LOSS": LOSSES}
"""What a name is made of."""


def classification_names() -> list[str]:
    """Names of all recipes."""
    return list(_combinations())


def classification_text(name: str) -> str:
    """YAML of a recipe; what a value follows stands behind it as "source: ...".

    Args:
        name: one of `classification_names()`.
    """
    data, net, loss = _combinations()[name]
    values = {"task": ("classification", ""), **DATA[data].values, **NETS[net].values, **LOSSES[loss].values}
    values["optim.epochs"] = (NETS[net].epochs[data], "ours" if data == "emoji" else "Table 8")
    if net == "dinov2_l":
        values["optim.epochs"] = (NETS[net].epochs[data], "ours")
    if data == "cifar100" and net.startswith("resnet"):
        values["data.image_size"] = (32, "ours: the size of the images")
        values["model.stem"] = ("small", "ours: He et al. 2016, Sec. 4.2")
    remarks = [classification_title(name)]
    if data != "emoji":
        remarks.append(f"Name the folder of the release: hyperdml {_command(net)} {name} data.root=FOLDER")
    return recipe_yaml(remarks, values)


def classification_title(name: str) -> str:
    """What a recipe is, in a line.

    Args:
        name: one of `classification_names()`.
    """
    data, net, loss = _combinations()[name]
    return f"{_title(net)} on {DATA[data].title}: {LOSSES[loss].title}."


@cache
def _combinations() -> dict[str, tuple[str, str, str]]:
    return {
        f"{data}-{net}-{loss}": (data, net, loss)
        for data in DATA
        for net, part in NETS.items()
        if data in part.epochs
        for loss in LOSSES
    }


def _title(net: str) -> str:
    title = NETS[net].title
    return title[0].upper() + title[1:]


def _command(net: str) -> str:
    return "probe" if "optim.freeze_backbone" in NETS[net].values else "train"
