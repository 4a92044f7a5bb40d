"""The folder of a stored index: one writer at a time, nothing of others touched, nothing left over."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hyperdml.errors import ConfigError, DataError
from hyperdml.files import write_atomic
from hyperdml.index.manifest import MANIFEST, is_part, read_manifest

_LOCK, _WRITER = ".lock", ".writer"
_TEMPORARY = re.compile(r"\.(points|ids|metadata|manifest|\.writer)[-.].*\.part")  # names of `write_atomic`


def is_index(folder: Path) -> bool:
    """Whether a path is the folder of a stored index, damaged or not."""
    return (folder / MANIFEST).is_file()


def refuse_foreign(folder: Path) -> None:
    """See that a folder without an index is new, empty, or holds only leftovers of a first save that was killed.

    Raises:
        ConfigError: it holds something else; the message names it.
        DataError: it is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, not a folder for an index")
    if folder.is_dir() and not is_index(folder):
        foreign = sorted(path.name for path in folder.iterdir() if not _is_ours(path.name))
        if foreign:
            raise ConfigError(f"{folder} is not the folder of an index: it holds {foreign[0]}; choose another")


def refuse_occupied(folder: Path) -> None:
    """See that a folder for an export is new or empty.

    Raises:
        ConfigError: it holds something, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty; choose another folder")


def _is_ours(name: str) -> bool:
    return name in (_LOCK, _WRITER) or is_part(name) or _TEMPORARY.fullmatch(name) is not None


def sweep(folder: Path) -> None:
    """Remove what the manifest on disk does not name and temporary files of killed writers."""
    try:
        named = {file.name for file in read_manifest(folder)[0].files.values()} if is_index(folder) else set()
    except DataError:
        return
    for path in folder.iterdir():
        if (is_part(path.name) and path.name not in named) or _TEMPORARY.fullmatch(path.name):
            with suppress(OSError):  # the index is whole without it; the next writer tries again
                path.unlink()


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder.

    Raises:
        ConfigError: another process holds it; the message says which.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder / _LOCK, timeout=0):
            write_atomic(folder / _WRITER, f"process {os.getpid()} on {platform.node()}".encode())
            try:
                yield
            finally:
                (folder / _WRITER).unlink(missing_ok=True)
    except Timeout:
        who = "another process"
        with suppress(OSError):
            who = (folder / _WRITER).read_text(errors="replace")[:200] or who
        raise ConfigError(f"{who} is writing to the index in {folder}; try again when it is done") from None
