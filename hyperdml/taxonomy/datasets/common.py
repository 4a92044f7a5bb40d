"""What the readers of data sets share: finding files, their rows, and counts that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from hyperdml.errors import DataError
from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft
from hyperdml.taxonomy.formats.text import read_lines
from hyperdml.taxonomy.taxonomy import Taxonomy

PART_HINT = (
    "To read a part of the data set, give complete=False (data.complete=false in a recipe, --partial to hyperdml "
    "datasets)"
)
"""What to do about counts that differ, wherever they were asked for."""


def find_file(folder: Path, *names: str) -> Path:
    """The first of some files that is in a folder.

    Raises:
        DataError: none is.
    """
    folder = Path(folder)
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise DataError(f"{folder} holds no {' or '.join(names)}")
    return found


def rows(path: Path, columns: int, header: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Lines with their cells, divided at spaces; the last cell may hold spaces.

    Args:
        path: the file.
        columns: number of cells.
        header: the first line with words is none.

    Raises:
        DataError: a line has fewer cells; the message names it.
    """
    for number, line in read_lines(path):
        cells = line.split(maxsplit=columns - 1)
        if not cells:
            continue
        if header:
            header = False
            continue
        if len(cells) < columns:
            raise DataError(f"{path}, line {number}: expected {columns} cells, got {line[:80]!r}")
        yield number, [cell.strip() for cell in cells]


def integer(path: Path, line: int, cell: str) -> int:
    """An id.

    Raises:
        DataError: it is no number.
    """
    if not (cell.isascii() and cell.isdigit() and len(cell) < 19):
        raise DataError(f"{path}, line {line}: {cell[:40]!r} is not an id")
    return int(cell)


def count_notes(title: str, counts: Mapping[str, tuple[int, int]]) -> list[Finding]:
    """A note for each count that is not that of the whole data set.

    Args:
        title: name of the data set.
        counts: what is counted: how many there are, how many there should be.
    """
    return [
        Finding("warning", "counts", f"{title} has {expected} {what}, found {found}")
        for what, (found, expected) in counts.items()
        if found != expected
    ]


def finish(read: Callable[[], Draft], path: Path, complete: bool, virtual_root: bool | str, unary: str) -> Taxonomy:
    """The taxonomy of a data set.

    Raises:
        DataError: see `Draft.taxonomy`; or the files cannot be understood, or the data set is to be complete and counts
            differ.
    """
    try:
        draft = read()
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    wrong = [note.message for note in draft.notes if note.kind == "counts"]
    if complete and wrong:
        raise DataError(f"{path}: {'; '.join(wrong)}. {PART_HINT}")
    return draft.taxonomy(path, virtual_root, unary)
