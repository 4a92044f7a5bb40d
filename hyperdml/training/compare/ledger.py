"""The ledger of a comparison: one JSON line for every finished run, written once and never changed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from hyperdml.errors import ConfigError, DataError
from hyperdml.files import write_atomic
from hyperdml.training.compare.arms import CONTROLS, Arm, Job
from hyperdml.training.settings import config_to_dict, differing_keys


@dataclass(frozen=True)
class Record:
    """One finished run.

    Attributes:
        arm: name of the arm.
        seed: its seed.
        unit: settings of its unit.
        config: the whole configuration it ran under.
        figures: what it scored; None where a figure was not finite.
        diverged: why training ended without figures, or None.
        seconds: wall time of the run, of its last sitting if it was interrupted.
        environment: digest of packages and hardware.
        version: version of hyperdml.
    """

    arm: str
    seed: int
    unit: Mapping[str, Any]
    config: Mapping[str, Any]
    figures: Mapping[str, float | None]
    diverged: str | None
    seconds: float
    environment: str
    version: str


class Ledger:
    """Records of one file; made by `open_ledger`.

    Args:
        path: the file.
        records: what it holds.
    """

    def __init__(self, path: Path, records: Sequence[Record]) -> None:
        self.path = path
        self._records = {_key(record.arm, record.config): record for record in records}

    def find(self, job: Job) -> Record | None:
        """The record of a run: that of its arm under its whole configuration."""
        return self._records.get(_key(job.arm, config_to_dict(job.config)))

    def append(self, record: Record) -> None:
        """Add a record, on the disk when this returns."""
        finite = {key: v if v is not None and math.isfinite(v) else None for key, v in record.figures.items()}
        line = json.dumps({**asdict(record), "figures": finite}, allow_nan=False).encode() + b"\n"
        if not self.path.exists():
            write_atomic(self.path, line)  # makes the new name durable too
        else:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        self._records[_key(record.arm, record.config)] = record

    def refuse_changes(self, arms: Sequence[Arm], varied: Sequence[str]) -> None:
        """Raise a `ConfigError` if an arm ran under other settings than it has now.

        Args:
            arms: the arms.
            varied: dotted keys that differ between the runs of an arm, beside the seed.
        """
        configs = {arm.name: config_to_dict(arm.config) for arm in arms}
        for record in self._records.values():
            if record.arm in configs:
                different = differing_keys(dict(record.config), configs[record.arm])
                different = [key for key in different if key not in ("seed", CONTROLS, *varied, *record.unit)]
                if different:
                    raise ConfigError(
                        f"{self.path} has runs of {record.arm!r} under other settings: {', '.join(different)}; give "
                        "another --out, or another name to the arm"
                    )


@contextmanager
def open_ledger(path: Path) -> Iterator[tuple[Ledger, bool]]:
    """Read a ledger and keep other processes from writing to it.

    A last line that a crash cut off is removed.

    Args:
        path: the file; its folder is made.

    Yields:
        The ledger, and whether a line was removed.

    Raises:
        ConfigError: another process has it open, or it is a folder.
        DataError: a line is not a record, or repeats a run.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; a ledger is a JSONL file")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0).acquire()
    except Timeout:
        raise ConfigError(f"another process is working on {path}") from None
    with lock:
        records, torn = _read(path)
        yield Ledger(path, records), torn


def _read(path: Path) -> tuple[list[Record], bool]:
    if not path.is_file():
        return [], False
    whole, _, last = path.read_bytes().rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    kind = TypeAdapter(Record)
    torn = False
    if last:
        # a line without its end is whole if it can be read: no part of an object is an object
        try:
            kind.validate_json(last)
            lines.append(last)
        except ValidationError:
            torn = True
    records: list[Record] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines, 1):
        try:
            record = kind.validate_json(line)
        except ValidationError as error:
            detail = error.errors()[0]
            where = ".".join(map(str, detail["loc"]))
            raise DataError(
                f"{path}, line {number} is not a record of a run: {where} {detail['msg']}".strip()
            ) from None
        first = seen.setdefault(_key(record.arm, record.config), number)
        if first != number:
            raise DataError(f"{path}, line {number} repeats the run of line {first}: {record.arm}, seed {record.seed}")
        records.append(record)
    if last:
        write_atomic(path, b"".join(line + b"\n" for line in lines))
    return records, torn


def _key(arm: str, config: Mapping[str, Any]) -> tuple[str, str]:
    return arm, json.dumps(config, sort_keys=True)
