"""Classification recipes, put together from tables of data sets, nets and losses: DATA-NET-LOSS."""

from __future__ import annotations

from functools import cache

import yaml

from hyperdml.training.classify.recipe_losses import DATA, LOSSES
from hyperdml.training.classify.recipe_nets import NETS

_REMARK = "  # source: "


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
    lines = [f"# {_title(net)} on {DATA[data].title}: {LOSSES[loss].title}."]
    if data != "emoji":
        lines.append(f"# Name the folder of the release: hyperdml {_command(net)} {name} data.root=FOLDER")
    sections: dict[str, list[str]] = {}
    for key, (value, source) in values.items():
        *path, last = key.split(".")
        text = yaml.safe_dump({last: value}).rstrip()
        sections.setdefault("".join(path), []).append(text + (_REMARK + source if source else ""))
    lines += sections.pop("")
    for section, entries in sections.items():
        lines += [f"{section}:", *(f"  {entry}" for entry in entries)]
    return "\n".join(lines) + "\n"


def overview() -> list[str]:
    """What the names are made of, in a few lines."""
    lines = []
    for title, parts in (("DATA", DATA), ("NET", NETS), ("LOSS", LOSSES)):
        for name, part in parts.items():
            where = f" ({', '.join(part.epochs)})" if part.epochs else ""
            lines.append(f"  {title:<5} {name:<15} {part.title}{where}")
            title = ""
    return lines


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
