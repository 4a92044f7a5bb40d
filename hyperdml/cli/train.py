"""`hyperdml train`, and what it shares with `hyperdml probe`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hyperdml.errors import ConfigError, DataError, DivergedError, EnvironmentProblem

if TYPE_CHECKING:
    from hyperdml.training.settings import Config

Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]
"""Option for the run folder."""


def train(recipe: str, /, *overrides: str, out: Out = None) -> None:
    """Train a recipe beside its controls, and write a run folder.

    A retrieval recipe (quickstart) trains the metric loss with HIER, and alone as its control. It prints Recall@k,
    MAP@R and the coarser levels on classes unseen in training, then what the radii look like.

    A classification recipe (such as emoji-small-hace) trains a loss over a taxonomy, and cross-entropy as its control.
    It prints accuracy at every level and how bad the mistakes are.

    hyperdml train quickstart

    hyperdml train quickstart seed=1 hier.mode=paper hier.weight=1

    hyperdml train quickstart data.name=folder data.root=PHOTOS optim.steps=200

    hyperdml train emoji-small-hace loss.dilution=0.7

    hyperdml train cifar100-resnet18-hace data.root=CIFAR

    hyperdml train my_recipe.yaml --out runs/mine

    Args:
        recipe: name of a bundled recipe (hyperdml recipes list), or the path of a YAML file.
        overrides: settings as key=value, for example hier.weight=1 (hyperdml recipes show quickstart --full lists the
            keys).
        out: run folder; by default runs/RECIPE, or the next free runs/RECIPE-2, runs/RECIPE-3, ...
    """
    from hyperdml.training.settings import load_config

    start_run(load_config(recipe, overrides), recipe, out)


def start_run(config: Config, recipe: str, out: Path | None, cache: Path | None = None) -> None:
    """Make the run folder of a configuration and carry the run to its end; a mistake leaves no folder behind.

    Args:
        config: the run.
        recipe: what the folder is called after.
        out: run folder; None for the next free one.
        cache: folder of features of frozen backbones.
    """
    from hyperdml.cli.conclude import conclude
    from hyperdml.training.bundled import recipe_title
    from hyperdml.training.folder import create_run, discard_unstarted

    config = _from_anywhere(config)
    if out is None:
        out = _free_folder(Path("runs") / recipe_title(recipe))
    made = create_run(config, out)
    try:
        conclude(config, out, cache)
    except (ConfigError, DataError, DivergedError, EnvironmentProblem, OSError):
        discard_unstarted(out, made)
        raise


def _from_anywhere(config: Config) -> Config:
    """The same with absolute paths, so that a run can be resumed from any folder."""
    from hyperdml.models.backbone import SOURCES
    from hyperdml.training.classify.config import ClassifyConfig
    from hyperdml.training.settings import config_from_dict, config_to_dict

    values = config_to_dict(config)
    paths = [("data", "root")] + ([("data", "taxonomy")] if isinstance(config, ClassifyConfig) else [])
    if config.model.weights not in SOURCES:
        paths.append(("model", "weights"))
    for section, key in paths:
        if values[section][key] is not None:
            values[section][key] = str(Path(values[section][key]).absolute())
    return config_from_dict(values, "configuration")


def _free_folder(folder: Path) -> Path:
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free
