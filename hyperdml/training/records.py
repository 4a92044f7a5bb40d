"""What runs leave on disk as JSON, and the row of a table that every kind of run has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from hyperdml.errors import DataError
from hyperdml.files import write_atomic

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


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
