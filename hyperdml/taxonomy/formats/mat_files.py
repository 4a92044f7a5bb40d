"""MATLAB files of version 5, as far as lists of images need them: structures, cells, texts and numbers.

SciPy reads more of the format, but files that are damaged or cut off can end the process in its compiled code.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from hyperdml.errors import DataError

Value = str | np.ndarray | list["Value"] | dict[str, list["Value"]]

_MOST = 2**28  # bytes of a file, and of a variable when it is unpacked
_DEEPEST = 8
_MATRIX, _COMPRESSED = 14, 15
# fmt: off
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
# fmt: on
_CELL, _STRUCTURE, _TEXT, _NUMERIC = 1, 2, 4, range(6, 16)


def read_mat(path: Path, name: str) -> Value:
    """One variable of a file.

    Args:
        path: file as `scipy.io.savemat` and MATLAB up to -v7 write it.
        name: of the variable.

    Returns:
        Text as str, numbers as a flat array, cells as a list, a structure as the values of every field; all in the
        order of the file, which is by columns.

    Raises:
        DataError: the file is missing, damaged, too large, of another version or without this variable.
    """
    try:
        if path.stat().st_size > _MOST:
            raise ValueError(f"it holds more than {_MOST} bytes")
        return _variable(path.read_bytes(), name)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, struct.error, zlib.error) as error:
        raise DataError(f"{path}: no {name} can be read from this MATLAB file: {error}") from error


def _variable(content: bytes, name: str) -> Value:
    mark = content[124:128]
    if mark not in (b"\x00\x01IM", b"\x01\x00MI"):
        raise ValueError("it is not of version 5, or cut off")
    order = "<" if mark == b"\x00\x01IM" else ">"
    at, found = 128, []
    while at < len(content):
        kind, start, stop, at = _tag(content, at, len(content), order)
        data, first, last = content, start, stop
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj()
            data = unpacked.decompress(content[start:stop], _MOST)
            if unpacked.unconsumed_tail or not unpacked.eof:
                raise ValueError("a variable is cut off or too large")
            kind, first, last, _ = _tag(data, 0, len(data), order)
            at = stop  # what is compressed is not padded
        if kind == _MATRIX:
            reader = _Reader(data, order)
            found.append(reader.head(first, last)[2])
            if found[-1] == name:
                return reader.matrix(first, last, 0)
    raise ValueError(f"its variables are {', '.join(map(repr, found)) or 'missing'}")


class _Reader:
    """Reads the elements of one variable; every length is held to what is there."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order = data, order

    def head(self, start: int, stop: int) -> tuple[int, int, str, int]:
        """Class, number of entries and name of a matrix, and where its content begins."""
        _, flags, _, at = _tag(self.data, start, stop, self.order)
        kind = struct.unpack_from(f"{self.order}I", self.data, flags)[0] & 0xFF
        _, first, last, at = _tag(self.data, at, stop, self.order)
        sizes = np.frombuffer(self.data[first:last], f"{self.order}i4").tolist()
        if min(sizes, default=-1) < 0:
            raise ValueError("a matrix has no size")
        _, first, last, at = _tag(self.data, at, stop, self.order)
        return kind, math.prod(sizes), self.data[first:last].decode("latin-1"), at

    def matrix(self, start: int, stop: int, depth: int) -> Value:
        """The value of a matrix."""
        if start == stop:  # as empty matrices within others may be written
            return np.zeros(0)
        if depth > _DEEPEST:
            raise ValueError("matrices are nested too deep")
        kind, count, _, at = self.head(start, stop)
        if kind in (_CELL, _STRUCTURE) and count > stop - at:
            raise ValueError(f"a matrix of {count} entries is cut off")
        if kind == _CELL:
            return self._matrices(at, stop, count, depth)
        if kind == _STRUCTURE:
            _, first, _, at = _tag(self.data, at, stop, self.order)
            width = struct.unpack_from(f"{self.order}i", self.data, first)[0]
            _, first, last, at = _tag(self.data, at, stop, self.order)
            if width < 1 or count * ((last - first) // width) > stop - at:
                raise ValueError(f"a structure of {count} entries is cut off")
            raw = [self.data[k : k + width] for k in range(first, last, width)]
            names = [name.split(b"\0")[0].decode("latin-1") for name in raw]
            values = self._matrices(at, stop, count * len(names), depth)
            return {name: values[k :: len(names)] for k, name in enumerate(names)}
        if kind != _TEXT and kind not in _NUMERIC:
            raise ValueError(f"matrices of class {kind} are not known here")
        stored, first, last, _ = _tag(self.data, at, stop, self.order)
        if kind == _TEXT and stored in _TEXTS:
            code = _TEXTS[stored] + {"<": "-le", ">": "-be"}[self.order] * (stored in (4, 17, 18))
            return self.data[first:last].decode(code)
        if stored not in _NUMBERS:
            raise ValueError(f"numbers of type {stored} are not known")
        found = np.frombuffer(self.data[first:last], self.order + _NUMBERS[stored])
        if len(found) != count:
            raise ValueError(f"a matrix of {count} entries holds {len(found)}")
        return found

    def _matrices(self, at: int, stop: int, count: int, depth: int) -> list[Value]:
        found = []
        for _ in range(count):
            kind, first, last, at = _tag(self.data, at, stop, self.order)
            if kind != _MATRIX:
                raise ValueError(f"expected a matrix, got type {kind}")
            found.append(self.matrix(first, last, depth + 1))
        return found


def _tag(data: bytes, at: int, stop: int, order: str) -> tuple[int, int, int, int]:
    """Type of the element at a place, where its content begins and ends, and where the next one begins."""
    if at + 8 > stop:
        raise ValueError("it is cut off")
    kind, size = struct.unpack_from(f"{order}II", data, at)
    if kind >> 16:  # up to four bytes are kept within the tag
        kind, size = kind & 0xFFFF, kind >> 16
        begin, after = at + 4, at + 8
    else:
        begin = at + 8
        after = begin + (size + 7) // 8 * 8
    if begin + size > stop or (size > 4 and begin == at + 4):
        raise ValueError("it is cut off")
    return kind, begin, begin + size, min(after, stop)
