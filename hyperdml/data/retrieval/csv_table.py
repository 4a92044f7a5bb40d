"""The table of a data set in a CSV file: its columns, cell by cell."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperdml.data.image_files import printable
from hyperdml.errors import DataError
from hyperdml.taxonomy.formats.tables import table_rows
from hyperdml.taxonomy.names import listing, suggestion

BOX = ("x_1", "y_1", "x_2", "y_2")
"""Left, top, right and bottom."""
CATEGORY = "category"
"""A level above the class, of images as open-metric-learning has it: those of one class may differ."""
_KNOWN = ("path", "label", "split", "is_query", "is_gallery", CATEGORY, *BOX)
_TRUE, _FALSE, _NOTHING = ("true", "1", "1.0"), ("false", "0", "0.0"), ("", "none", "nan", "null", "<na>")
_MOST = 2**31


@dataclass(frozen=True)
class Table:
    """Cells of a file by column, without white space around them.

    Attributes:
        path: the file.
        lines: line of every row.
        columns: name to cells.
    """

    path: Path
    lines: list[int]
    columns: dict[str, list[str]]

    def fault(self, row: int, message: str) -> DataError:
        """The error of a row, to raise."""
        return DataError(f"{printable(self.path)}, line {self.lines[row]}: {message}")

    def level_columns(self) -> list[str]:
        """Columns of levels above the class, coarse to fine: those called level or level_NAME, else `category`."""
        found = [name for name in self.columns if name == "level" or name.startswith("level_")]
        return found or [name for name in self.columns if name == CATEGORY]

    def filled(self, name: str) -> list[str]:
        """A column without empty cells.

        Raises:
            DataError: a cell is empty.
        """
        cells = self.columns[name]
        if "" in cells:
            raise self.fault(cells.index(""), f"{name} is empty")
        return cells

    def marks(self, name: str, wanted: np.ndarray) -> np.ndarray:
        """(N,) bool of a column of true and false; False where it does not matter.

        Args:
            name: the column.
            wanted: (N,) bool, rows whose cell matters.

        Raises:
            DataError: such a cell is neither true nor false.
        """
        found = np.zeros(len(self.lines), dtype=bool)
        for row in np.flatnonzero(wanted).tolist():
            cell = self.columns[name][row].casefold()
            if cell not in _TRUE + _FALSE:
                raise self.fault(row, f"{name} must be True or False, got {self.columns[name][row][:40]!r}")
            found[row] = cell in _TRUE
        return found

    def boxes(self) -> np.ndarray | None:
        """(N, 4) int64 left, top, right and bottom in pixels, zeros for whole images; None without such columns.

        Raises:
            DataError: only some of the columns are there, or numbers are no box.
        """
        there = [name for name in BOX if name in self.columns]
        if not there:
            return None
        if len(there) < len(BOX):
            raise DataError(f"{printable(self.path)}: a box needs the columns {', '.join(BOX)}, found {listing(there)}")
        found = np.zeros((len(self.lines), 4), dtype=np.int64)
        for row, cells in enumerate(zip(*(self.columns[name] for name in BOX), strict=True)):
            if all(cell.casefold() in _NOTHING for cell in cells):
                continue
            numbers = [_number(cell) for cell in cells]
            left, top, right, bottom = numbers
            if not (0 <= left < right < _MOST and 0 <= top < bottom < _MOST):
                raise self.fault(row, f"expected x_1 < x_2 and y_1 < y_2, from 0 in pixels, got {listing(cells)}")
            found[row] = numbers
        return found


def read_table(path: Path) -> Table:
    """Read a file with a header; columns that mean nothing here are left out.

    Args:
        path: file with cells divided by commas, semicolons or tabs.

    Raises:
        DataError: the file is missing, no table, has no `path` or `label`, a column twice, a row of another length, or
            no rows.
    """
    if not path.is_file():
        raise DataError(f"data.root: no such file: {printable(path)}; it must be the table itself")
    rows = table_rows(path)
    header = [cell.strip() for cell in next(rows, (0, []))[1]]
    kept = [k for k, name in enumerate(header) if name in _KNOWN or name == "level" or name.startswith("level_")]
    twice = [name for name, times in Counter(header[k] for k in kept).items() if times > 1]
    if twice:
        raise DataError(f"{printable(path)}: columns given twice: {listing(twice)}")
    for name in ("path", "label"):
        if name not in header:
            meant = suggestion(name, header)
            raise DataError(f"{printable(path)}: no column {name!r} among {listing(header, 20) or 'none'}{meant}")
    lines: list[int] = []
    columns: dict[str, list[str]] = {header[k]: [] for k in kept}
    for line, cells in rows:
        if len(cells) != len(header):
            raise DataError(f"{printable(path)}, line {line}: {len(cells)} cells, but the header has {len(header)}")
        lines.append(line)
        for k in kept:
            columns[header[k]].append(cells[k].strip())
    if not lines:
        raise DataError(f"{printable(path)} lists no images")
    return Table(path, lines, columns)


def _number(cell: str) -> int:
    try:
        value = float(cell)
    except ValueError:
        return -1
    return round(value) if math.isfinite(value) else -1
