"""`hyperdml probe`."""

from __future__ import annotations

from pathlib import Path

from hyperdml.cli.train import Out, check_cache, start_run
from hyperdml.errors import ConfigError


def probe(recipe: str, /, *overrides: str, cache: Path | None = None, out: Out = None) -> None:
    """Linear probing: train a linear layer over a taxonomy on features of a frozen backbone.

    The features are computed once and kept: another loss, seed or learning rate takes seconds. Everything else is as
    in hyperdml train, which trains such recipes too.

    hyperdml probe emoji-lite0-hace

    hyperdml probe emoji-lite0-hxe data.held_out=twemoji

    hyperdml probe nabirds-dinov2_l-hace data.root=NABIRDS --cache FEATURES

    Args:
        recipe: name of a bundled recipe with optim.freeze_backbone (hyperdml recipes list probe), or the path of a
            YAML file.
        overrides: settings as key=value.
        cache: folder of the features; by default features/ in the user's cache.
        out: run folder; by default runs/RECIPE, or the next free runs/RECIPE-2, runs/RECIPE-3, ...
    """
    from hyperdml.training.classify.config import ClassifyConfig
    from hyperdml.training.settings import load_config

    config = load_config(recipe, overrides)
    if not isinstance(config, ClassifyConfig):
        raise ConfigError(f"recipe {recipe} is not one of classification; train it with: hyperdml train {recipe}")
    if not config.optim.freeze_backbone:
        raise ConfigError(
            f"recipe {recipe} trains its backbone: use hyperdml train, or optim.freeze_backbone=true to probe"
        )
    check_cache(cache)
    start_run(config, recipe, out, cache)
