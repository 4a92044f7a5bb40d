"""What is compared: arms, and the runs that every arm makes, one a seed and unit."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hyperdml.errors import ConfigError
from hyperdml.training.settings import Config, config_from_dict, config_to_dict

CONTROLS = "evaluation.controls"

Unit = Mapping[str, Any]
"""Settings that make one unit of the pairing, for example {"data.held_out": "noto"}; empty without units."""


@dataclass(frozen=True)
class Arm:
    """One way to train, to be compared with others.

    Attributes:
        name: its name in tables and in the ledger.
        config: its configuration; the seed and the controls in it are not used: arms are each other's controls.
    """

    name: str
    config: Config


@dataclass(frozen=True)
class Job:
    """One run of an arm.

    Attributes:
        arm: name of the arm.
        unit: settings of the unit.
        config: the arm's configuration with the seed and the unit's settings in it, and without controls.
    """

    arm: str
    unit: Unit
    config: Config

    @property
    def title(self) -> str:
        """Arm, unit and seed in words."""
        return ", ".join([self.arm, *([unit_label(self.unit)] if self.unit else []), f"seed {self.config.seed}"])

    @property
    def folder(self) -> str:
        """A name for the folder of the run: readable, and different for different configurations."""
        return f"{re.sub(r'[^A-Za-z0-9._=-]+', '-', self.title)}-{digest(self.config)[:8]}"


def plan(arms: Sequence[Arm], seeds: Sequence[int], pair: Mapping[str, Sequence[Any]] | None = None) -> list[Job]:
    """All runs of a comparison, in the order in which they are made: all arms of a seed and unit, then the next.

    So whatever is there when a comparison is interrupted can be compared, and a setting that an arm cannot run with is
    met in the first round.

    Args:
        arms: what is compared.
        seeds: the seeds, the same for every arm.
        pair: values of further settings, which every arm is run under.

    Returns:
        len(arms) * len(seeds) * (product of the numbers of values) runs.

    Raises:
        ConfigError: a name, configuration, seed or value is given twice, or a setting is not valid for an arm.
    """
    units = units_of(pair)
    _refuse_repeats(arms, seeds, units[0])
    return [
        Job(arm.name, unit, with_settings(arm, {"seed": seed, CONTROLS: [], **unit}))
        for seed, unit, arm in itertools.product(seeds, units, arms)
    ]


def units_of(pair: Mapping[str, Sequence[Any]] | None) -> list[dict[str, Any]]:
    """The product of the values of all settings; one empty unit without any.

    Raises:
        ConfigError: a setting has no values, or one of them twice.
    """
    pair = pair or {}
    for key, values in pair.items():
        texts = [value_text(value) for value in values]
        if not texts or len(set(texts)) < len(texts):
            raise ConfigError(
                f"{key} needs at least one value, and none of them twice, got {', '.join(texts) or 'none'}"
            )
    return [dict(zip(pair, values, strict=True)) for values in itertools.product(*pair.values())]


def with_settings(arm: Arm, settings: Mapping[str, Any]) -> Config:
    """An arm's configuration with other values for some dotted keys.

    Raises:
        ConfigError: the arm has no such key, or the value is not valid; the message names the arm.
    """
    origin = f"arm {arm.name!r}"
    values = config_to_dict(arm.config)
    for key, value in settings.items():
        *path, last = key.split(".")
        place = values
        for part in path:
            place = place.get(part, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{origin}: there is no setting {key}")
        if last not in place:
            raise ConfigError(f"{origin}: there is no setting {key}")
        place[last] = value
    return config_from_dict(values, origin)


def value_text(value: Any) -> str:
    """A setting's value in a name: texts as they are, all else as JSON, which is YAML too."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def unit_label(unit: Unit) -> str:
    """A unit in words: the bare value where there is one setting."""
    if len(unit) == 1:
        return value_text(*unit.values())
    return " ".join(f"{key}={value_text(value)}" for key, value in unit.items())


def digest(config: Config) -> str:
    """Hexadecimal SHA-256 of a configuration."""
    return hashlib.sha256(json.dumps(config_to_dict(config), sort_keys=True).encode()).hexdigest()


def _refuse_repeats(arms: Sequence[Arm], seeds: Sequence[int], unit: Unit) -> None:
    if not arms or not seeds:
        raise ConfigError("a comparison needs at least one arm and one seed")
    for number, seed in enumerate(seeds):
        if seed in seeds[:number]:
            raise ConfigError(f"seed {seed} is given twice")
    seen: dict[str, str] = {}
    for number, arm in enumerate(arms):
        if arm.name in [other.name for other in arms[:number]]:
            raise ConfigError(f"two arms are called {arm.name!r}")
        same = seen.setdefault(digest(with_settings(arm, {"seed": 0, CONTROLS: [], **unit})), arm.name)
        if same != arm.name:
            where = f" under {unit_label(unit)}" if unit else ""
            raise ConfigError(f"the arms {same!r} and {arm.name!r} have the same configuration{where}")
