"""Words of the command line into arms, seeds and units."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hyperdml.errors import ConfigError
from hyperdml.training.bundled import recipe_title
from hyperdml.training.compare.arms import Arm, units_of, value_text
from hyperdml.training.settings import load_config
from hyperdml.training.yaml_text import read_yaml


def read_arms(words: Sequence[str], grid: Mapping[str, Sequence[Any]] | None = None) -> list[Arm]:
    """Arms of recipes and settings.

    Args:
        words: recipes, as RECIPE or RECIPE:key=value,key=value with settings of this arm alone, and key=value for all
            arms.
        grid: values of settings; every recipe makes one arm for each element of their product.

    Returns:
        Arms called by their recipe, own settings and place in the grid.

    Raises:
        ConfigError: no recipe, an unknown recipe or key, a value that an arm cannot have, a setting given twice.
    """
    common = [word for word in words if "=" in word and ":" not in word.partition("=")[0]]
    recipes = [word for word in words if word not in common]
    if not recipes:
        raise ConfigError("name at least one recipe to compare")
    arms = []
    for word in recipes:
        recipe, _, own = word.partition(":")
        # a comma ends a setting only where another one follows: values such as [1, 2] have commas too
        settings = re.split(r",(?=[\w.]+=)", own) if own else []
        for place in units_of(grid):
            axes = [f"{key}={value_text(value)}" for key, value in place.items()]
            name = " ".join([recipe_title(recipe), *settings, *axes])
            _refuse_repeats([*common, *settings, *axes], name)
            try:
                arms.append(Arm(name, load_config(recipe, [*common, *settings, *axes])))
            except ConfigError as error:
                raise ConfigError(f"arm {name!r}: {error}") from error
    return arms


def read_seeds(text: str) -> tuple[int, ...]:
    """Seeds 0 to N-1 of "N", or those of a list "0,3,7"; "7," is the one seed 7.

    Raises:
        ConfigError: these are no numbers of 0 or more, or there are none.
    """
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"--seeds must be a number of seeds or a list such as 0,3,7, got {text!r}")
    if "," in text:
        return tuple(map(int, parts))
    if int(text) == 0:
        raise ConfigError("--seeds must be at least 1, got 0")
    return tuple(range(int(text)))


def read_values(words: Sequence[str], option: str) -> dict[str, list[Any]]:
    """Settings with several values each, "key=value,value", the values read as YAML.

    Args:
        words: the texts.
        option: where they come from, for messages.

    Raises:
        ConfigError: a text is not of this form, or a key is given twice.
    """
    found: dict[str, list[Any]] = {}
    for word in words:
        key, equals, values = word.partition("=")
        if not equals or not key or not values.strip():
            raise ConfigError(f"{option} {word!r} is not of the form key=value,value")
        if key == "seed":
            raise ConfigError(f"{option} {word!r}: seeds are given by --seeds")
        if key in found:
            raise ConfigError(f"{option} has {key} twice")
        found[key] = read_yaml(f"values: [{values}]", f"{option} {word!r}")["values"]
    return found


def refuse_settings(
    arms_words: Sequence[str], grid: Mapping[str, Sequence[Any]], pair: Mapping[str, Sequence[Any]]
) -> None:
    """Raise a `ConfigError` if a setting that pairs the runs is also set for an arm, which it would overrule."""
    for key in pair:
        pattern = rf"(?:^|[:,]){re.escape(key)}="
        if key in grid or any(re.search(pattern, word) for word in arms_words):
            raise ConfigError(f"{key} is given by --pair and for arms too; give it once")


def _refuse_repeats(settings: Sequence[str], name: str) -> None:
    keys = [setting.partition("=")[0] for setting in settings]
    for number, key in enumerate(keys):
        if key == "seed":
            raise ConfigError(f"arm {name!r}: seeds are given by --seeds, not as {settings[number]}")
        if key in keys[:number]:
            raise ConfigError(f"arm {name!r}: {key} is given twice")
