"""Ragged rows of node indices: all values in one array, and where each row starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class CSR:
    """R rows of integers of any length. The arrays cannot be written to.

    Attributes:
        offsets: (R + 1,) int64; row r is `values[offsets[r]:offsets[r + 1]]`.
        values: (offsets[-1],) int64.
    """

    offsets: Ints
    values: Ints

    def __post_init__(self) -> None:
        self.offsets.flags.writeable = False
        self.values.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        # NumPy forgets when it unpickles that an array was not to be written to
        return CSR, (self.offsets, self.values)

    @classmethod
    def from_pairs(cls, rows: Ints, values: Ints, count: int) -> CSR:
        """Rows that hold, in ascending order, the values that stand beside their number.

        Args:
            rows: (E,) row of every value, 0 to count - 1, in any order.
            values: (E,) the values, not negative.
            count: number of rows.
        """
        order = np.lexsort((values, rows))
        return cls(offsets(np.bincount(rows, minlength=count)), values[order].astype(np.int64, copy=False))

    @property
    def counts(self) -> Ints:
        """(R,) length of every row."""
        return np.diff(self.offsets)

    @property
    def row_of_values(self) -> Ints:
        """(V,) the row that each value stands in."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def row(self, index: int) -> Ints:
        """Values of one row."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def rows(self, indices: Ints) -> CSR:
        """Some rows, in the order asked for; a row may be asked for twice.

        Args:
            indices: (n,) row numbers, 0 to R - 1.

        Returns:
            n rows.
        """
        start, counts = self.offsets[indices], self.offsets[indices + 1] - self.offsets[indices]
        ends = offsets(counts)
        return CSR(ends, self.values[np.arange(ends[-1]) + np.repeat(start - ends[:-1], counts)])

    def transposed(self, count: int) -> CSR:
        """Row v holds, ascending, the rows in which v stands.

        Args:
            count: number of rows of the result, more than the largest value.
        """
        # one stable sort: within a value the rows keep their ascending order
        order = np.argsort(self.values, kind="stable")
        return CSR(offsets(np.bincount(self.values, minlength=count)), self.row_of_values[order])


def offsets(counts: Ints) -> Ints:
    """(R + 1,) where rows of these lengths start."""
    out = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=out[1:])
    return out
