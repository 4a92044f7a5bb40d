"""One process at a time works in a run folder, under the configuration that the run began with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hyperdml.errors import ConfigError, DataError
from hyperdml.files import remove_leftovers, write_atomic
from hyperdml.training.environment import environment
from hyperdml.training.settings import Config, config_to_dict, refuse_changes


@contextmanager
def claimed(folder: Path, config: Config) -> Iterator[None]:
    """Work in a run folder: clear what a killed process left, note or compare the configuration.

    Args:
        folder: run folder.
        config: the run.

    Raises:
        ConfigError: another process works there, or the run began under another configuration.
        DataError: `env.json` is damaged.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ConfigError(f"another process is working in {folder}") from None
    try:
        remove_leftovers(folder)
        _same_as_before(config, folder)
        yield
    finally:
        lock.release()


def _same_as_before(config: Config, folder: Path) -> None:
    """Refuse to go on under another configuration than the run began with, which `env.json` keeps."""
    path = folder / "env.json"
    if not path.is_file():
        record = {**environment(), "config": config_to_dict(config)}
        write_atomic(path, json.dumps(record, indent=2).encode() + b"\n")
        return
    try:
        stored = json.loads(path.read_text())["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {path}: {error!r}") from error
    refuse_changes(stored, config, path)
