"""What a check found, and checks that cannot fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        level: "ok"; "warning": it works, but less well than it could; "problem": something does not work.
        about: what was looked at.
        text: what was found.
        advice: what to do about it; empty where nothing needs to be done.
    """

    level: Level
    about: str
    text: str
    advice: str = ""


Check = Callable[[], Iterator[Finding]]


def guarded(about: str, check: Check) -> Iterator[Finding]:
    """The findings of a check; whatever it raises becomes a problem, and what it found until then is kept."""
    try:
        yield from check()
    except Exception as error:  # a broken package can raise anything
        text = str(error).strip() or type(error).__name__
        yield Finding("problem", about, text, "" if str(error).strip() else "see the traceback of this check in Python")
