"""Looking for something in a folder and in the folders within it, nearest first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hyperdml.data.image_files import printable
from hyperdml.errors import DataError

DEPTH = 2
"""Folders between the one that a user names and a release in it: archives of archives unpack to NAME/NAME."""


def folders_within(root: Path, depth: int = DEPTH) -> Iterator[list[Path]]:
    """The folder itself, then all folders in it, then all in these, and so on; by path, hidden ones left out.

    Args:
        root: the folder.
        depth: how far down.

    Raises:
        DataError: a folder cannot be listed.
    """
    level = [root]
    yield level
    for _ in range(depth):
        level = [below for folder in level for below in _inside(folder)]
        yield level


def _inside(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot list the folder {printable(folder)}: {error.strerror}") from error
