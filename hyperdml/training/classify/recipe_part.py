"""What classification recipes are put together from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Values = Mapping[str, tuple[object, str]]
"""Dotted key to value and where it is from: "Table 8", "ours" with the recipe it follows, or nothing to be said."""


@dataclass(frozen=True)
class Part:
    """A data set, a net or a loss.

    Attributes:
        title: what it is, for the recipe's first line.
        values: its settings.
        epochs: of a net, by the data sets that it is offered for.
    """

    title: str
    values: Values
    epochs: Mapping[str, int] = field(default_factory=dict)
