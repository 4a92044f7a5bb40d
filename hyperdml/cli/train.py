"""`hyperdml train`, and what it shares with `hyperdml probe`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hyperdml.errors import ConfigError, DataError, DivergedError, EnvironmentProblem

if TYPE_CHECKING:
    from hyperdml.training.settings import Config

Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]
"""Option for the run folder."""


def train(
    recipe: str,
    /,
    *overrides: str,
    data_root: Path | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    cache: Path | None = None,
    out: Out = None,
) -> None:
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

    hyperdml train cub-vit_s-384-pa_hier --data-root CUB_200_2011 --dry-run

    hyperdml train my_recipe.yaml --out runs/mine

    torchrun --nproc_per_node 2 -m hyperdml train cub-vit_s-384-pa_hier --data-root CUB_200_2011

    Args:
        recipe: name of a bundled recipe (hyperdml recipes list), or the path of a YAML file.
        overrides: settings as key=value, for example hier.weight=1 (hyperdml recipes show quickstart --full lists the
            keys).
        data_root: where the data is; the same as data.root=...
        dry_run: build everything, check the data, take one batch forward and backward, and print memory, time and
            parameter groups; writes nothing.
        cache: folder of features of frozen backbones; by default features/ in the user's cache.
        out: run folder; by default runs/RECIPE, or the next free runs/RECIPE-2, runs/RECIPE-3, ...
    """
    from hyperdml.training.settings import load_config

    check_cache(cache)
    if data_root is not None:
        overrides = (*overrides, f"data.root={json.dumps(str(data_root))}")
    config = load_config(recipe, overrides)
    if dry_run:
        from hyperdml.cli.dry_run import show_dry_run
        from hyperdml.training.engine.processes import launched

        if launched():
            raise ConfigError("--dry-run takes one process; start it without torchrun")

        show_dry_run(_from_anywhere(config))
    else:
        start_run(config, recipe, out, cache)


def check_cache(cache: Path | None) -> None:
    """Refuse a cache that is a file."""
    if cache is not None and cache.exists() and not cache.is_dir():
        raise ConfigError(f"--cache: {cache} is a file; features are kept in a folder")


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
    from hyperdml.training.engine.processes import is_first, joined, text_of_first
    from hyperdml.training.folder import create_run, discard_unstarted

    config = _from_anywhere(config)
    refuse_processes(config)
    with joined(config.device):
        made: list[Path] = []
        if is_first():
            out = _free_folder(Path("runs") / recipe_title(recipe)) if out is None else out
            made = create_run(config, out)
        folder = Path(text_of_first(str(out)))
        try:
            conclude(config, folder, cache)
        except (ConfigError, DataError, DivergedError, EnvironmentProblem, OSError):
            if is_first():
                discard_unstarted(folder, made)
            raise


def refuse_processes(config: Config) -> None:
    """Refuse what does not train in several processes."""
    from hyperdml.training.classify.config import ClassifyConfig
    from hyperdml.training.engine.processes import launched

    if isinstance(config, ClassifyConfig) and launched():
        raise ConfigError("classification trains in one process; start it without torchrun")


def _from_anywhere(config: Config) -> Config:
    """The same with absolute paths, so that a run can be resumed from any folder; ~ is the home folder."""
    from hyperdml.models.weights import SOURCES
    from hyperdml.training.settings import config_from_dict, config_to_dict

    values = config_to_dict(config)
    places = [(values["data"], "root"), (values["data"], "taxonomy"), (values, "start_from")]
    if config.model.weights not in SOURCES:
        places.append((values["model"], "weights"))
    for place, key in places:
        if place.get(key) is not None:
            place[key] = str(Path(place[key]).expanduser().absolute())
    return config_from_dict(values, "configuration")


def _free_folder(folder: Path) -> Path:
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free
