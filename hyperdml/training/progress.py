"""How work in progress is told about."""

from __future__ import annotations

import time
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


class Rate:
    """Images a second over the latest steps, evaluation left out.

    Args:
        images: images of a step.
    """

    def __init__(self, images: int) -> None:
        self._images = images
        self._last: float | None = None
        self._seconds = 0.0

    def after_step(self) -> float:
        """Take in a step, and give the rate; 0 before there is one."""
        now = time.perf_counter()
        if self._last is not None:
            spent = now - self._last
            self._seconds = spent if self._seconds == 0 else 0.9 * self._seconds + 0.1 * spent
        self._last = now
        return self._images / self._seconds if self._seconds else 0.0

    def pause(self) -> None:
        """Forget when the last step ended."""
        self._last = None
