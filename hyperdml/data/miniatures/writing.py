"""Writing a release: all of its files, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hyperdml.files import new_folder


@contextmanager
def new_release(folder: Path, name: str) -> Iterator[Path]:
    """A folder to write into, which gets its name when everything is written.

    Args:
        folder: where the release goes; made if it is not there.
        name: what its archive unpacks to.

    Raises:
        DataError: it is there already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with new_folder(folder / name) as unfinished:
        yield unfinished


def write_rows(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Lines of cells, divided by single spaces."""
    path.write_text("".join(" ".join(str(cell) for cell in row) + "\n" for row in rows), encoding="utf-8")


def write_jpeg(path: Path, pixels: np.ndarray) -> None:
    """(H, W, 3) uint8 as JPEG; the folder is made if it is not there."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "JPEG", quality=90)


def check_counts(least: int = 1, most: int | None = None, **counts: int) -> None:
    """Refuse to make classes without images, or more classes than there are names for.

    Raises:
        ValueError: a count is out of range; the message names it.
    """
    for name, count in counts.items():
        if count < least:
            raise ValueError(f"{name} must be at least {least}, got {count}")
        if most is not None and count > most:
            raise ValueError(f"{name} must be at most {most}, got {count}")
