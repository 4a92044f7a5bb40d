"""Strict reading of recipes: YAML and dotted overrides into `TrainConfig`, with errors that name key and origin."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from hyperdml.errors import ConfigError
from hyperdml.training.config import TrainConfig


def recipe_names() -> list[str]:
    """Names of the bundled recipes."""
    folder = resources.files("hyperdml.training") / "recipes"
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def recipe_text(recipe: str) -> str:
    """YAML of a bundled recipe, or of a file.

    Args:
        recipe: name of a bundled recipe, or a path that ends in .yaml or .yml.

    Raises:
        ConfigError: there is no such recipe or file.
    """
    if recipe.endswith((".yaml", ".yml")):
        path = Path(recipe)
        if not path.is_file():
            raise ConfigError(f"no such recipe file: {path}")
        return read_text(path)
    if recipe not in recipe_names():
        close = difflib.get_close_matches(recipe, recipe_names(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"bundled recipes: {', '.join(recipe_names())}"
        raise ConfigError(f"no recipe named {recipe!r}; {hint} (a path must end in .yaml)")
    return (resources.files("hyperdml.training") / "recipes" / f"{recipe}.yaml").read_text()


def load_config(recipe: str, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a recipe and apply overrides.

    Args:
        recipe: name of a bundled recipe or path of a YAML file.
        overrides: "dotted.key=value" texts; values are read as YAML.

    Returns:
        The configuration.

    Raises:
        ConfigError: unknown or duplicate key, value of the wrong type; the message names key, origin and suggestion.
    """
    values = read_yaml(recipe_text(recipe), f"recipe {recipe}")
    _check_keys(TrainConfig, values, f"recipe {recipe}")
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
        place[last] = _read_yaml_value(value, f"override {text!r}")
        _check_keys(TrainConfig, values, f"override {text!r}")
    return config_from_dict(values, f"recipe {recipe}" + (" with overrides" if overrides else ""))


def config_from_dict(values: dict[str, Any], origin: str) -> TrainConfig:
    """Build the configuration from nested mappings, converting and checking every value.

    Args:
        values: nested mapping with the keys of `TrainConfig`; missing keys keep their defaults.
        origin: where the values come from, for messages.

    Raises:
        ConfigError: unknown key or value of the wrong type.
    """
    _check_keys(TrainConfig, values, origin)
    try:
        return TypeAdapter(TrainConfig).validate_python(values)
    except ValidationError as error:
        problems = []
        for detail in error.errors():
            key = ".".join(str(part) for part in detail["loc"])
            problems.append(f"{key}: {detail['msg']}, got {detail['input']!r}")
        raise ConfigError(f"{origin}: " + "; ".join(problems)) from None


def config_to_dict(config: TrainConfig) -> dict[str, Any]:
    """Nested plain containers, the inverse of `config_from_dict`."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=dict))
    return plain


def config_to_yaml(config: TrainConfig) -> str:
    """YAML of the whole configuration, defaults included."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False)


def read_text(path: Path) -> str:
    """Text of a UTF-8 file, or a `ConfigError` that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from None


def refuse_changes(stored: dict[str, Any], config: TrainConfig, written: Path) -> None:
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


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, except that a key given twice is an error and 1e-1 is a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, origin: str) -> dict[str, Any]:
    """Keys and values of a YAML text, or a `ConfigError` that names its origin."""
    values = _read_yaml_value(text, origin)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected keys and values, got {type(values).__name__}")
    return values


# YAML 1.1 reads 1e-1 as text, which nobody who writes a learning rate means
_UniqueKeyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+|\d*\.\d+|\d+\.)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _read_yaml_value(text: str, origin: str) -> Any:
    try:
        return yaml.load(text, _UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: not valid YAML: {error}".replace("\n", " ")) from error


def _check_keys(kind: type, values: dict[str, Any], origin: str, prefix: str = "") -> None:
    """Refuse keys that no dataclass field has, with the nearest name as a suggestion."""
    hints = get_type_hints(kind)
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
