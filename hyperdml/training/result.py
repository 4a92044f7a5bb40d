"""What a run found: the rows of its tables and the radius report, and their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from hyperdml.errors import DataError
from hyperdml.files import write_atomic
from hyperdml.metrics import RadiusReport
from hyperdml.tree import ProxyTreeReport

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

LEARNED = "its proxies"
FITTED = "k-means after training"


@dataclass(frozen=True)
class Row:
    """One row of the result table.

    Attributes:
        title: what was trained.
        figures: scores on the evaluated images, shares in [0, 1] but for distances.
        seconds: training time.
    """

    title: str
    figures: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class TreeRow:
    """One tree over the test images, with its scores.

    Attributes:
        title: what was trained.
        source: where the proxies come from, `LEARNED` or `FITTED`.
        report: scores and null models.
    """

    title: str
    source: str
    report: ProxyTreeReport


@dataclass(frozen=True)
class ArmResult:
    """What one arm left: its row and its trees."""

    row: Row
    trees: tuple[TreeRow, ...]


@dataclass(frozen=True)
class RunResult:
    """What a run found on the test classes.

    Attributes:
        rows: untrained backbone, controls, main arm.
        trees: trees of the arms, in the same order.
        radius: radius report of the main arm (of its images alone if it has no proxies).
        images: number of test images.
        classes: number of test classes.
    """

    rows: tuple[Row, ...]
    trees: tuple[TreeRow, ...]
    radius: RadiusReport
    images: int
    classes: int


def save_arm(folder: Path, result: ArmResult) -> None:
    """Write `arm.json`, which marks the arm as finished."""
    write_record(folder / "arm.json", result)


def load_arm(folder: Path) -> ArmResult | None:
    """Result of a finished arm, or None.

    Raises:
        DataError: `arm.json` is damaged.
    """
    return read_record(folder / "arm.json", ArmResult)


def save_result(folder: Path, result: RunResult) -> None:
    """Write `results.json`."""
    write_record(folder / "results.json", result)


def load_result(folder: Path) -> RunResult | None:
    """Result of a finished run, or None.

    Raises:
        DataError: `results.json` is damaged.
    """
    return read_record(folder / "results.json", RunResult)


def write_record(path: Path, record: DataclassInstance) -> None:
    """Write a dataclass as JSON."""
    write_atomic(path, json.dumps(asdict(record), indent=2).encode() + b"\n")


def read_record(path: Path, kind: type[T]) -> T | None:
    """The dataclass that `write_record` wrote, or None if there is no file.

    Raises:
        DataError: the file is damaged.
    """
    if not path.is_file():
        return None
    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        raise DataError(
            f"cannot read {path}: {error.error_count()} problems, the first: {error.errors()[0]}"
        ) from error
