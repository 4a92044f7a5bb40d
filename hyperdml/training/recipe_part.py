"""What recipes of the tables are put together from, and how they are written."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import yaml

Values = Mapping[str, tuple[object, str]]
"""Dotted key to value and where it is from: "Table 8", "ours" with the recipe it follows, or nothing to be said."""

_REMARK = "  # source: "


@dataclass(frozen=True)
class Part:
    """A data set, a net, a loss or a method.

    Attributes:
        title: what it is, for the recipe's first line.
        values: its settings.
        epochs: of a net for classification, by the data sets that it is offered for.
    """

    title: str
    values: Values
    epochs: Mapping[str, int] = field(default_factory=dict)


def recipe_yaml(remarks: Iterable[str], values: Values) -> str:
    """YAML of a recipe: remarks first, then the keys by section, each with its source behind it.

    Args:
        remarks: lines in front.
        values: settings by dotted key.
    """
    tree: dict[str, object] = {}
    for key, found in values.items():
        *path, last = key.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})  # type: ignore[assignment]  # a section
        place[last] = found
    return "\n".join([*(f"# {line}" for line in remarks), *_lines(tree, "")]) + "\n"


def overview(parts: Mapping[str, Mapping[str, Part]]) -> list[str]:
    """What the names of a table are made of, in a few lines.

    Args:
        parts: parts by name for each place in a name ("DATA", "NET", ...).
    """
    lines = []
    for place, choices in parts.items():
        entries = []
        for name, part in choices.items():
            where = f" ({', '.join(part.epochs)})" if part.epochs else ""
            entries.append(f"{name}: {part.title}{where}")
        start = f"  {place:<8}"
        wrapper = textwrap.TextWrapper(110, start, " " * len(start), break_on_hyphens=False)
        lines += wrapper.wrap("; ".join(entries))
    return lines


def _lines(tree: Mapping[str, object], indent: str) -> list[str]:
    lines = []
    for key, found in tree.items():
        if isinstance(found, tuple):
            value, source = found
            text = yaml.safe_dump({key: value}, default_flow_style=None if isinstance(value, list) else False)
            lines.append(indent + text.rstrip() + (_REMARK + source if source else ""))
        else:
            lines += [f"{indent}{key}:", *_lines(found, indent + "  ")]  # type: ignore[arg-type]  # a section
    return lines
