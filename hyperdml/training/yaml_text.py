"""YAML as recipes have it: read safely and strictly, with errors that name where it came from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from hyperdml.errors import ConfigError


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader, except that a key given twice is an error, 1e-1 is a number, and on and no are text.

    Only true and false are truth values: `on` is a key and `no` a value of recipes.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - a copy, so that the rest of the process keeps YAML's
        letter: [entry for entry in entries if entry[0] != "tag:yaml.org,2002:bool"]
        for letter, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


_UniqueKeyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
# YAML 1.1 reads 1e-1 as text, which nobody who writes a learning rate means
_UniqueKeyLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+|\d*\.\d+|\d+\.)[eE][-+]?\d+$"), list("-+.0123456789")
)


def read_text(path: Path) -> str:
    """Text of a UTF-8 file, or a `ConfigError` that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}") from None


def read_yaml(text: str, origin: str) -> dict[str, Any]:
    """Keys and values of a YAML text, or a `ConfigError` that names its origin."""
    values = read_value(text, origin)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{origin}: expected keys and values, got {type(values).__name__}")
    return values


def read_value(text: str, origin: str) -> Any:
    """Whatever a YAML text holds, or a `ConfigError` that names its origin."""
    try:
        return yaml.load(text, _UniqueKeyLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{origin}: not valid YAML: {error}".replace("\n", " ")) from error
