"""What the prose of the HACE paper says of its tables, counted from a table's cells: the published ones, or ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from hace_paper import Column, Table

Cells = Mapping[str, Mapping[Column, float]]
"""Row to column to per cent; NaN where there is nothing."""

Floats = npt.NDArray[np.float64]

NEAR_ZERO = 10.0
"""Per cent below which the paper leaves a run out: its three are at 2 to 5, the next at 13."""


@dataclass(frozen=True)
class Count:
    """A count such as "15 of 18"."""

    found: int
    total: int

    def __str__(self) -> str:
        """The count in words."""
        return f"{self.found} of {self.total}"


Value = Count | float


def statements(number: int, cells: Cells) -> dict[str, Value]:
    """What is said of a table, from its cells.

    Args:
        number: the table's number.
        cells: its cells; rows and pairs with missing cells are left out.

    Returns:
        Value by what is counted, under the names of `Table.prose`; nothing if no row has cells.
    """
    return _OF_TABLE[number](cells) if any(_known(row) for row in cells.values()) else {}


def follows(prose: str, value: Value) -> bool:
    """Whether a number of the text is this value, to the digits that the text has."""
    if isinstance(value, Count):
        return prose == str(value)
    digits = len(prose.partition(".")[2])
    return abs(value - float(prose)) <= 0.5 * 10.0**-digits + 1e-9


def shown(value: Value) -> str:
    """A value as tables show it."""
    return str(value) if isinstance(value, Count) else f"{value:.2f}"


def published_cells(table: Table) -> dict[str, dict[Column, float]]:
    """The cells of a table of the paper."""
    return {row: dict(zip(table.columns, cells, strict=True)) for row, cells in table.rows.items()}


def class_statements(gains: Floats) -> dict[str, Value]:
    """What is said of figures 2 and 3.

    Args:
        gains: (K,) accuracy of HACE minus that of SCE by class, in points.
    """
    return {"HACE at or above SCE": Count(int((gains >= 0).sum()), len(gains)), "mean gain": float(gains.mean())}


def _pairs(cells: Cells) -> tuple[Floats, Floats]:
    """HACE and SCE of all pairs that are complete."""
    found = [
        (value, row.get((*column[:-1], "SCE"), math.nan))
        for row in cells.values()
        for column, value in row.items()
        if column[-1] == "HACE"
    ]
    both = np.array(found, dtype=np.float64).reshape(-1, 2)
    both = both[~np.isnan(both).any(1)]
    return both[:, 0], both[:, 1]


def _pair_statements(cells: Cells) -> dict[str, Value]:
    hace, sce = _pairs(cells)
    if not len(hace):
        return {}
    gain = hace - sce
    return {
        "HACE above SCE": Count(int((gain > 0).sum()), len(gain)),
        "mean gain": float(gain.mean()),
        "largest gain": max(0.0, float(gain.max())),
        "largest decrease": max(0.0, float(-gain.min())),
    }


def _dilution_statements(cells: Cells) -> dict[str, Value]:
    hace, sce = _pairs(cells)
    found = _pair_statements(cells)
    kept = sce >= NEAR_ZERO
    if kept.any():
        gain = (hace - sce)[kept]
        found["SCE below 10"] = Count(int((~kept).sum()), len(kept))
        found["mean gain without these"] = float(gain.mean())
        found["largest gain without these"] = float(gain.max())
    return found


def _method_statements(cells: Cells) -> dict[str, Value]:
    smoothed: Column = ("HACE", "label smoothing")
    rows = [known for row in cells.values() if smoothed in (known := _known(row)) and len(known) > 2]
    rows = [row for row in rows if any(column[0] != "HACE" for column in row)]
    if not rows:
        return {}
    over_next = [row[smoothed] - max(value for column, value in row.items() if column != smoothed) for row in rows]
    over_others = [
        max(value for column, value in row.items() if column[0] == "HACE")
        - max(value for column, value in row.items() if column[0] != "HACE")
        for row in rows
    ]
    return {
        "HACE with label smoothing best": Count(sum(gain > 0 for gain in over_next), len(rows)),
        "mean gain over the next best": float(np.mean(over_next)),
        "mean gain of the better HACE method over the best other": float(np.mean(over_others)),
    }


def _probe_statements(cells: Cells) -> dict[str, Value]:
    split = []
    for row in map(_known, cells.values()):
        hace = sorted((value for column, value in row.items() if column[-1] == "HACE"), reverse=True)
        others = [value for column, value in row.items() if column[-1] != "HACE"]
        if len(hace) > 1 and others:
            split.append((hace[0], hace[1], max(others)))
    if not split:
        return {}
    best, second, other = np.array(split).T
    return {
        "a HACE method best": Count(int((best > other).sum()), len(split)),
        "both best are HACE's": Count(int((second > other).sum()), len(split)),
        "mean gain over the next best without HACE": float((best - other).mean()),
    }


def _known(row: Mapping[Column, float]) -> dict[Column, float]:
    return {column: value for column, value in row.items() if not math.isnan(value)}


_OF_TABLE: dict[int, Callable[[Cells], dict[str, Value]]] = {
    2: _pair_statements,
    3: _dilution_statements,
    4: _method_statements,
    5: _probe_statements,
    6: _pair_statements,
    9: _pair_statements,
    10: _method_statements,
    11: _probe_statements,
}
