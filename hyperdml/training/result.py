"""What a run found: the rows of its table and the radius report, and their file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from hyperdml.errors import DataError
from hyperdml.files import write_atomic
from hyperdml.metrics import RadiusReport


@dataclass(frozen=True)
class Row:
    """One row of the result table.

    Attributes:
        title: what was trained.
        figures: shares in [0, 1] on the test classes.
        seconds: training time.
    """

    title: str
    figures: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class RunResult:
    """What a run found on the test classes.

    Attributes:
        rows: untrained backbone, control, main arm.
        radius: radius report of the main arm (of its images alone if it has no proxies).
        images: number of test images.
        classes: number of test classes.
    """

    rows: tuple[Row, ...]
    radius: RadiusReport
    images: int
    classes: int


def save_result(folder: Path, result: RunResult) -> None:
    """Write `results.json`."""
    write_atomic(folder / "results.json", json.dumps(asdict(result), indent=2).encode() + b"\n")


def load_result(folder: Path) -> RunResult | None:
    """Result of a finished run, or None.

    Args:
        folder: run folder.

    Raises:
        DataError: `results.json` is damaged.
    """
    path = folder / "results.json"
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text())
        rows = tuple(Row(**row) for row in stored.pop("rows"))
        return RunResult(rows=rows, radius=RadiusReport(**stored.pop("radius")), **stored)
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
