"""The run folder: made, undone, read, and the log of steps in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hyperdml.errors import ConfigError, DataError
from hyperdml.files import write_atomic
from hyperdml.training.settings import Config, config_from_dict, config_to_yaml
from hyperdml.training.yaml_text import read_text, read_yaml


def create_run(config: Config, folder: Path) -> list[Path]:
    """Make a run folder with its configuration.

    Args:
        config: the run.
        folder: must not exist or must be empty.

    Returns:
        The folders that had to be made, outermost first.

    Raises:
        ConfigError: the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty; choose another --out, or use: hyperdml resume {folder}")
    made = [path for path in [*reversed(folder.parents), folder] if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # exclusively: of two processes that found the folder empty, one gets it
        with (folder / "config.yaml").open("xb") as file:
            file.write(config_to_yaml(config).encode())
    except FileExistsError:
        raise ConfigError(f"another process has just taken {folder}; choose another --out") from None
    return made


def discard_unstarted(folder: Path, made: list[Path]) -> None:
    """Undo `create_run` if no step was trained, so that a wrong setting leaves nothing behind.

    Args:
        folder: the run folder.
        made: what `create_run` returned; other folders stay.
    """
    if (folder / "metrics.jsonl").exists():
        return
    for name in ("config.yaml", "env.json", ".lock"):
        (folder / name).unlink(missing_ok=True)
    for path in reversed(made):
        with suppress(OSError):  # not empty: somebody else works there
            path.rmdir()


def read_run(folder: Path) -> Config:
    """Configuration of a run folder.

    Args:
        folder: run folder.

    Raises:
        DataError: it is not a run folder.
        ConfigError: its configuration is not valid.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise DataError(f"{folder} is not a run folder: {path} is missing")
    return config_from_dict(read_yaml(read_text(path), str(path)), str(path))


def forget_later_steps(log: Path, title: str, done: int) -> None:
    """Drop an arm's records beyond its checkpoint, and a last line that a crash cut off: those steps are repeated."""
    if not log.is_file():
        return
    kept = []
    for line in log.read_text().splitlines():
        with suppress(ValueError):
            record = json.loads(line)
            if record["arm"] != title or record["step"] <= done:
                kept.append(line + "\n")
    write_atomic(log, "".join(kept).encode())


def append(log: Path, record: Mapping[str, Any]) -> None:
    """Add one record to the log."""
    with log.open("a") as file:
        file.write(json.dumps(record) + "\n")
