"""`hyperdml train`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hyperdml.errors import ConfigError, DataError, DivergedError, EnvironmentProblem


def train(
    recipe: str,
    /,
    *overrides: str,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
) -> None:
    """Train a recipe, with the metric loss alone as its control, and write a run folder.

    Prints Recall@k, MAP@R and the coarser levels on classes unseen in training, for the untrained backbone, the metric
    loss alone and the metric loss with HIER, then what the radii look like.

    hyperdml train quickstart

    hyperdml train quickstart seed=1 hier.mode=paper hier.weight=1

    hyperdml train quickstart data.name=folder data.root=PHOTOS optim.steps=200

    hyperdml train my_recipe.yaml --out runs/mine

    Args:
        recipe: name of a bundled recipe (hyperdml recipes list), or the path of a YAML file.
        overrides: settings as key=value, for example hier.weight=1 (hyperdml recipes show quickstart --full lists the
            keys).
        out: run folder; by default runs/RECIPE, or the next free runs/RECIPE-2, runs/RECIPE-3, ...
    """
    from hyperdml.cli.conclude import conclude
    from hyperdml.models.backbone import SOURCES
    from hyperdml.training.folder import create_run, discard_unstarted
    from hyperdml.training.settings import load_config

    config = load_config(recipe, overrides)
    # a run can be resumed from anywhere
    if config.data.root is not None:
        config = replace(config, data=replace(config.data, root=str(Path(config.data.root).absolute())))
    if config.model.weights not in SOURCES:
        config = replace(config, model=replace(config.model, weights=str(Path(config.model.weights).absolute())))
    folder = _free_folder(Path("runs") / Path(recipe).stem) if out is None else out
    made = create_run(config, folder)
    try:
        conclude(config, folder)
    except (ConfigError, DataError, DivergedError, EnvironmentProblem):
        discard_unstarted(folder, made)
        raise


def _free_folder(folder: Path) -> Path:
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free
