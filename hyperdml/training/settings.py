"""Strict reading of recipes: YAML and dotted overrides into a configuration, with errors that name key and origin."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from hyperdml.errors import ConfigError
from hyperdml.training.bundled import recipe_text
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.yaml_text import read_value, read_yaml

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config: TypeAlias = TrainConfig | ClassifyConfig

# made once: a reader takes longer to make than a recipe to read
_READERS: dict[type, TypeAdapter[Config]] = {kind: TypeAdapter(kind) for kind in (TrainConfig, ClassifyConfig)}
_TASKS: dict[str, type[Config]] = {"retrieval": TrainConfig, "classification": ClassifyConfig}


def load_config(recipe: str, overrides: Sequence[str] = ()) -> Config:
    """Read a recipe and apply overrides.

    Args:
        recipe: name of a bundled recipe or path of a YAML file.
        overrides: "dotted.key=value" texts; values are read as YAML.

    Returns:
        The configuration, of the kind that the recipe's `task` says: retrieval, if it says nothing.

    Raises:
        ConfigError: unknown or duplicate key, value of the wrong type; the message names key, origin and suggestion.
    """
    kind, values = _kind(read_yaml(recipe_text(recipe), f"recipe {recipe}"), f"recipe {recipe}")
    _check_keys(kind, values, f"recipe {recipe}")
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"override {text!r} is not of the form key=value")
        *path, last = key.split(".")
        place = values
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ConfigError(f"override {text!r}: {part!r} is a value, not a section")
        place[last] = read_value(value, f"override {text!r}")
        _check_keys(kind, values, f"override {text!r}")
    return _build(kind, values, f"recipe {recipe}" + (" with overrides" if overrides else ""))


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Build a configuration from nested mappings, converting and checking every value.

    Args:
        values: nested mapping with the keys of `TrainConfig`, or with `task: classification` of `ClassifyConfig`;
            missing keys keep their defaults.
        origin: where the values come from, for messages.

    Raises:
        ConfigError: unknown key, value of the wrong type, or values that do not go together.
    """
    kind, values = _kind(values, origin)
    _check_keys(kind, values, origin)
    return _build(kind, values, origin)


def _kind(values: dict[str, Any], origin: str) -> tuple[type[Config], dict[str, Any]]:
    """The dataclass of a task, and the values for it."""
    task = values.get("task", "retrieval")
    if not isinstance(task, str) or task not in _TASKS:
        raise ConfigError(f"{origin}: task must be one of {', '.join(_TASKS)}, got {task!r}")
    if task == "retrieval":  # the kind of a recipe that does not say
        values = {key: value for key, value in values.items() if key != "task"}
    return _TASKS[task], values


def _build(kind: type[Config], values: dict[str, Any], origin: str) -> Config:
    try:
        return _READERS[kind].validate_python(values)
    except ValidationError as error:
        problems = []
        for detail in error.errors():
            key = ".".join(str(part) for part in detail["loc"])
            if detail["type"] == "value_error":  # raised by a dataclass; the input is all of its values
                problems.append(str(detail["ctx"]["error"]))
            else:
                problems.append(f"{key}: {detail['msg']}, got {detail['input']!r}")
        raise ConfigError(f"{origin}: " + "; ".join(problems)) from None


def config_to_dict(config: DataclassInstance) -> dict[str, Any]:
    """Nested plain containers, the inverse of `config_from_dict`."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=dict))
    return plain


def config_to_yaml(config: DataclassInstance) -> str:
    """YAML of the whole configuration, defaults included."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False)


def refuse_changes(stored: dict[str, Any], config: DataclassInstance, written: Path) -> None:
    """Raise a `ConfigError` that lists the keys in which `config` differs from what a file was written under."""
    different = differing_keys(stored, config_to_dict(config))
    if different:
        raise ConfigError(f"the configuration changed since {written} was written: {', '.join(different)}")


def differing_keys(a: dict[str, Any], b: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys at which two configurations differ."""
    found = []
    for key in sorted({*a, *b}):
        x, y = a.get(key), b.get(key)
        if isinstance(x, dict) and isinstance(y, dict):
            found += differing_keys(x, y, f"{prefix}{key}.")
        elif x != y:
            found.append(prefix + key)
    return found


@contextmanager
def settings_errors(section: str) -> Iterator[None]:
    """Turn the ValueErrors of constructors that take settings into `ConfigError`s that name the section."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(f"{section}: {error}") from error


def _check_keys(kind: type, values: dict[str, Any], origin: str, prefix: str = "") -> None:
    """Refuse keys that no dataclass field has, with the nearest name as a suggestion."""
    hints = _hints(kind)
    names = [entry.name for entry in fields(kind)]
    for key, value in values.items():
        if key not in names:
            close = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {prefix}{close[0]}?" if close else f"expected one of {', '.join(names)}"
            raise ConfigError(f"{origin}: unknown key {prefix}{key}; {hint}")
        if is_dataclass(hints[key]):
            if not isinstance(value, dict):
                raise ConfigError(f"{origin}: {prefix}{key} is a section with keys of its own, got {value!r}")
            _check_keys(hints[key], value, origin, f"{prefix}{key}.")


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
