"""Where a run comes from: its whole configuration and its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyperdml.training.settings import Config, config_to_yaml
from hyperdml.viz.report import Block, Code, Fold, Paragraph, Table


def read_environment(folder: Path) -> dict[str, Any] | None:
    """What `env.json` holds but for the configuration; None if it is missing or no record."""
    try:
        found = json.loads((folder / "env.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {key: value for key, value in found.items() if key != "config"} if isinstance(found, dict) else None


def origin_blocks(config: Config, environment: Mapping[str, Any] | None) -> list[Block]:
    """The recipe with all defaults, and versions and hardware at the start, both folded."""
    recipe = Fold("Recipe, defaults included (config.yaml)", [Code(config_to_yaml(config).rstrip())])
    if environment is None:
        return [recipe, Paragraph("env.json is not there, so versions and hardware are not known.")]
    rows = [[name, version] for name, version in _flat(environment)]
    return [recipe, Fold("Versions and hardware (env.json)", [Table(["", ""], rows, numbers=False)])]


def _flat(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in environment.items():
        if isinstance(value, Mapping):
            found += [(key, "not installed" if item is None else str(item)) for key, item in value.items()]
        elif isinstance(value, list):
            found.append((name, ", ".join(map(str, value)) or "none"))
        else:
            found.append((name, str(value)))
    return found
