"""How work in progress is told about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Progress(Protocol):
    """How a run reports: implemented by the command line with rich, or by nothing at all."""

    def message(self, text: str) -> None:
        """One line of text."""

    def start(self, title: str, total: int) -> None:
        """A piece of work of `total` units begins."""

    def advance(self, count: int, figures: Mapping[str, float]) -> None:
        """So many units more are done."""

    def end(self) -> None:
        """The piece of work ended."""
