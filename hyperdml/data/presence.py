"""Whether a release is whole: the images that it lists are there, and as many as there should be."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from hyperdml.data.image_files import printable
from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets.common import PART_HINT

_SHOWN = 20


def check_present(root: Path, paths: Sequence[str]) -> None:
    """Look for image files by listing their folders, once each; no file is opened.

    Args:
        root: folder of the release.
        paths: relative to it, with "/".

    Raises:
        DataError: a path leads out of the folder, or files are missing; up to 20 are named.
    """
    astray = [path for path in paths if path.startswith("/") or ".." in path.split("/")]
    if astray:
        raise DataError(f"{printable(root)}: images must lie within this folder, got {printable(astray[0])}")
    listed: dict[str, set[str]] = {}
    missing = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder not in listed:
            listed[folder] = _names(root / folder)
        if name not in listed[folder]:
            missing.append(path)
    if missing:
        more = f"\n  and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        lines = "\n  ".join(printable(path) for path in missing[:_SHOWN])
        raise DataError(f"{len(missing)} of {len(paths)} images are missing in {printable(root)}:\n  {lines}{more}")


def check_counts(where: Path, title: str, counts: Mapping[str, tuple[int, int]]) -> None:
    """Hold a release to the counts that it has when it is whole.

    Args:
        where: its folder or list.
        title: its name.
        counts: what is counted: how many there are, how many there should be.

    Raises:
        DataError: counts differ; the message names each.
    """
    wrong = [f"{expected:,} {what}, found {found:,}" for what, (found, expected) in counts.items() if found != expected]
    if wrong:
        raise DataError(f"{printable(where)}: {title} has {'; '.join(wrong)}. {PART_HINT}")


def _names(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except (FileNotFoundError, ValueError):  # a name that no folder can have
        return set()
    except OSError as error:
        raise DataError(f"cannot list the folder {printable(folder)}: {error.strerror}") from error
