"""Retrieval recipes, put together from tables: DATA-NET-DIM-METHOD or DATA-NET-DIM-METHOD-VARIANT.

Without a variant a recipe is the released one. A variant exists where it differs from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import get_args

from hyperdml.training.recipe_part import Part, Values, recipe_yaml
from hyperdml.training.retrieval.recipe_data import DATA
from hyperdml.training.retrieval.recipe_methods import METHODS
from hyperdml.training.retrieval.recipe_nets import NETS, net_values
from hyperdml.training.retrieval.recipe_training import Variant, training_values

VARIANTS: Mapping[str, Part] = {
    "paper": Part("HIER as the paper has it, where that differs from the released scripts", {}),
    "ours": Part("HIER in levels, bfloat16, nothing chosen on the test classes", {}),
}

PARTS: Mapping[str, Mapping[str, Part]] = {
    "DATA": DATA,
    "NET": {net: Part(f"{part.title}, DIM {' or '.join(map(str, part.dims))}", {}) for net, part in NETS.items()},
    "METHOD": METHODS,
    "VARIANT": VARIANTS,
}
"""What a name is made of."""

_Cell = tuple[str, str, int, str, Variant]


def retrieval_names() -> list[str]:
    """Names of all recipes."""
    return list(_cells())


def retrieval_text(name: str) -> str:
    """YAML of a recipe; what a value follows stands behind it as "source: ...".

    Args:
        name: one of `retrieval_names()`.
    """
    cell = _cells()[name]
    data, net, _, method, variant = cell
    remarks = [
        retrieval_title(name),
        f"Name the folder of the release: hyperdml train {name} data.root=FOLDER",
        "Sources: scripts, those that HIER's authors released; paper, Kim et al., CVPR 2023.",
    ]
    if net == "resnet50" and variant == "paper":
        remarks.append('Proxy Anchor, Kim et al., CVPR 2020: "we follow the training setting of" it, says the paper.')
    if METHODS[method].compared:
        remarks.append("The paper quotes a figure from others; this is the training of HIER's scripts with their loss.")
    if METHODS[method].hyp:
        remarks.append("Hyp-ViT, Ermolov et al., CVPR 2022.")
        remarks.append("batch.piece=100 brings the batch through a small GPU in pieces, to the same result.")
    values: Values = {**DATA[data].values, **net_values(net), **training_values(*cell)}
    return recipe_yaml(remarks, values)


def retrieval_title(name: str) -> str:
    """What a recipe is, in a line.

    Args:
        name: one of `retrieval_names()`.
    """
    data, net, dim, method, variant = _cells()[name]
    part = METHODS[method]
    how = {"official": "released", "paper": "the paper's", "ours": "our"}[variant]
    if part.compared:
        how = "HIER's"
    elif part.hyp and net == "resnet50":
        how = "our"
    return f"{DATA[data].title}, {NETS[net].title}, {dim} dimensions: {part.title}, {how} settings."


@cache
def _cells() -> dict[str, _Cell]:
    cells: dict[str, _Cell] = {}
    for data in DATA:
        for net, part in NETS.items():
            for dim in part.dims:
                for method in METHODS:
                    for variant in _variants(data, net, dim, method):
                        ending = "" if variant == "official" else f"-{variant}"
                        cells[f"{data}-{net}-{dim}-{method}{ending}"] = (data, net, dim, method, variant)
    return cells


def _variants(data: str, net: str, dim: int, method: str) -> list[Variant]:
    """The released recipe, and the variants with other values than that."""
    if METHODS[method].compared or METHODS[method].hyp:
        return ["official"]
    settings: dict[Variant, dict[str, object]] = {
        variant: {key: value for key, (value, _) in training_values(data, net, dim, method, variant).items()}
        for variant in get_args(Variant)
    }
    return [name for name in settings if name == "official" or settings[name] != settings["official"]]
