"""Progress of a run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column


class RunProgress:
    """Implements `hyperdml.training.progress.Progress` with rich.

    Args:
        console: where to write; on a terminal a bar per piece of work, else about ten lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._title = ""
        self._done = self._total = self._first = 0
        self._begun = 0.0
        self._figures: dict[str, float] = {}

    def message(self, text: str) -> None:
        """Print one line."""
        self._console.print(text, highlight=False, markup=False)

    def start(self, title: str, total: int) -> None:
        """Begin a bar, or print the title."""
        self._title, self._total, self._done, self._first, self._figures = title, total, 0, 0, {}
        self._begun = time.perf_counter()
        if not self._console.is_terminal:
            return
        fixed = Column(no_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description:<31}", table_column=fixed),
            BarColumn(None),
            MofNCompleteColumn(table_column=fixed),
            TimeRemainingColumn(table_column=fixed, elapsed_when_finished=True),
            TextColumn("{task.fields[figures]}", table_column=fixed),
            console=self._console,
        )
        self._task = self._bar.add_task(title, total=total, figures="")
        self._bar.start()

    def advance(self, count: int, figures: Mapping[str, float]) -> None:
        """Move the bar, or print a line at every tenth of the work."""
        before, self._done = self._done, self._done + count
        if not figures and before == 0:
            self._first = count  # done in an earlier sitting, which says nothing about the speed of this one
        self._figures.update(figures)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, figures=self._text("loss", "images/s"))
        elif before * 10 // self._total != self._done * 10 // self._total:
            spent = time.perf_counter() - self._begun
            left = spent * (self._total - self._done) / (self._done - self._first) if self._done > self._first else 0
            line = f"{self._title}: {self._done}/{self._total} after {spent:.0f} s"
            line += f", {left:.0f} s left" if self._done < self._total else ""
            line += f"  {self._text(*self._figures)}"
            self.message(line.rstrip())

    def end(self) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Leave the terminal in order, also after an error."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _text(self, *names: str) -> str:
        shown = {name: self._figures[name] for name in names if name in self._figures}
        return "  ".join(f"{name} {value:.{0 if '/' in name else 3}f}" for name, value in shown.items())
