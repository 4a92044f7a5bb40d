"""The runs behind every cell of the HIER paper's tables and figures, from the recipes of `hyperdml recipes`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from paper_published import DATA, TABLES, TRAINING, Column, Row

from hyperdml.training.bundled import recipe_names
from hyperdml.training.compare import Arm
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.settings import load_config

RECIPE_NETS: Mapping[str, str] = MappingProxyType(
    {"R": "resnet50", "B": "resnet50", "De": "deit_s", "DN": "dino_s", "V": "vit_s"}
)
"""Nets of our runs by the paper's short names. There is no Inception: its rows are trained with ResNet-50."""

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "NSoftmax": "nsoftmax",
        "XBM": "xbm",
        "HTL": "htl",
        "MS": "ms",
        "SoftTriple": "softtriple",
        "PA": "pa",
        "ProxyNCA++": "proxynca",
        "Hyp": "hyp",
        "HIER": "pa_hier",
        "PA + HIER_sph": "pa_hier_sph",
        "PA + HIER": "pa_hier",
        "MS + HIER_sph": "ms_hier_sph",
        "MS + HIER": "ms_hier",
    }
)
"""Names of methods in recipes."""

ZERO_SHOT = ("DeiT-S", "DINO", "ViT-S")
"""Rows of Table 1 in which nothing is trained."""

DIMENSIONS = (32, 64, 128, 256, 384)
AXES: Mapping[str, tuple[str, tuple[float, ...]]] = MappingProxyType(
    {
        "K": ("hier.k", (5, 10, 20, 40)),
        "proxies": ("hier.num_proxies", (128, 256, 512, 1024)),
        "lambda": ("hier.weight", (0, 0.1, 0.5, 1, 2)),
        "delta": ("hier.margin", (0.05, 0.1, 0.2, 0.5)),
    }
)
"""Axes of Figure 7: key and values. The values are ours: the paper's are only drawn."""

_WIDTH = "model.head.embedding_size"
_UNTRAINED = ("hier.weight=0", "optim.freeze_backbone=true")


@dataclass(frozen=True)
class Run:
    """One way to train: a recipe with settings.

    Attributes:
        data: recipe name of the data.
        recipe: the recipe.
        settings: beside the recipe's.
        zero_shot: score the frozen features in cosine instead of training.
    """

    data: str
    recipe: str
    settings: tuple[str, ...] = ()
    zero_shot: bool = False

    @property
    def name(self) -> str:
        """Its name in the ledger."""
        return f"{self.recipe} zero-shot" if self.zero_shot else " ".join([self.recipe, *self.settings])


def recipe_run(data: str, net: str, dim: int, method: str, variant: str, settings: Sequence[str] = ()) -> Run:
    """The run of a cell: its recipe, or that of another dimension with the dimension set.

    Args:
        data: recipe name of the data.
        net: the paper's short name of the net.
        dim: dimension of the embeddings.
        method: name of the method in recipes.
        variant: "official", "paper" or "ours"; a method that does not differ in it has its one recipe.
        settings: further settings.

    Raises:
        ValueError: there is no such recipe in any dimension.
    """
    for width in dict.fromkeys([dim, 128, 384, 512]):
        stem = f"{data}-{RECIPE_NETS[net]}-{width}-{method}"
        for recipe in (f"{stem}-{variant}", stem):
            if recipe in _recipes():
                own = () if width == dim else (f"{_WIDTH}={dim}",)
                return Run(data, recipe, (*own, *settings))
    raise ValueError(f"no recipe trains {method} with {RECIPE_NETS[net]} on {data}")


def row_runs(row: Row, columns: Sequence[Column], variant: str) -> dict[str, Run]:
    """The run of every data set that a row of a table has figures of; none where the method is not in the package."""
    found = {}
    for data, title in DATA.items():
        if all(cell is None for head, cell in zip(columns, row.cells, strict=True) if head[0] == title):
            continue
        if row.method in ZERO_SHOT:
            run = recipe_run(data, row.net, row.dim, "pa_hier", variant, _UNTRAINED)
            found[data] = Run(run.data, run.recipe, run.settings, zero_shot=True)
        elif row.method in METHODS:
            found[data] = recipe_run(data, row.net, row.dim, METHODS[row.method], variant)
    return found


def table_runs(name: str, variant: str) -> dict[str, dict[str, Run]]:
    """Runs of a table, by title of the row and data set. Table 4 has a row of HIER, of which we have no figures."""
    table = TABLES[name]
    found = {row.title: row_runs(row, table.columns, variant) for row in table.rows}
    if name == "4":
        found["HIER, De-128"] = {data: recipe_run(data, "De", 128, "pa_hier", variant) for data in DATA}
    return found


def figure_runs(name: str, variant: str) -> dict[str, dict[str, Run]]:
    """Runs of a figure, by curve and place."""
    if name == "6":
        return {
            title: {str(d): recipe_run("in_shop", "V", d, METHODS[title], variant) for d in DIMENSIONS}
            for title in ("HIER", "Hyp")
        }
    return {
        curve: {f"{value:g}": _changed(key, value, variant) for value in values}
        for curve, (key, values) in AXES.items()
    }


def _changed(key: str, value: float, variant: str) -> Run:
    """HIER on Cars with one option at a value; the plain recipe where that is the value it has."""
    if key == "hier.weight" and value == 0:
        return recipe_run("cars", "De", 128, "pa", variant)
    run = recipe_run("cars", "De", 128, "pa_hier", variant)
    plain = load_config(run.recipe)
    changed = load_config(run.recipe, [setting := f"{key}={json.dumps(value)}"])
    return run if plain == changed else Run(run.data, run.recipe, (setting,))


def distinct(parts: Iterable[Mapping[str, Mapping[str, Run]]]) -> list[Run]:
    """The different runs of some tables and figures, in order."""
    return list(dict.fromkeys(run for part in parts for row in part.values() for run in row.values()))


def make_arm(run: Run, roots: Mapping[str, str], before: Sequence[str], after: Sequence[str]) -> Arm:
    """The arm of a run.

    Args:
        run: the run.
        roots: folders of the releases, by recipe name of the data.
        before: settings of all arms that a run's own may change.
        after: settings of all arms that stand above everything.

    Raises:
        ConfigError: a setting is not valid.
    """
    root = [f"data.root={json.dumps(roots[run.data])}"] if run.data in roots else []
    return Arm(run.name, load_config(run.recipe, [*before, *run.settings, *root, *after]))


def steps_of(config: TrainConfig) -> int:
    """Optimiser steps of a run on the whole release, counted by its sampler."""
    import numpy as np

    from hyperdml.data.sampling import create_sampler
    from hyperdml.training.retrieval.schedule import schedule_of

    images, classes = TRAINING[DATA[config.data.name]]
    batch = config.batch
    labels = np.arange(images) % classes
    sampler = create_sampler(
        batch.sampler,
        labels,
        size=batch.size,
        per_class=batch.per_class,
        seed=0,
        replace=batch.replace,
        super_classes=batch.super_classes,
        levels=np.stack([labels % 2, labels], 1),
    )
    return schedule_of(config, len(sampler)).steps


@cache
def _recipes() -> frozenset[str]:
    return frozenset(recipe_names())
