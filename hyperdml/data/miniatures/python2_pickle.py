"""Pickles as Python 2 wrote them, protocol 2: strings are strings of bytes, which Python 3 no longer writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Union

import numpy as np

Value = Union[str, int, "np.ndarray", Sequence["Value"]]


def dumps(content: Mapping[str, Value]) -> bytes:
    """Bytes of a pickled dictionary of strings, whole numbers, (N, D) uint8 arrays and lists of these.

    The opcodes are those of the standard library's `pickletools`; an array is rebuilt by the names that NumPy had when
    CIFAR-100 was released.
    """
    items = b"".join(_value(key) + _value(value) for key, value in content.items())
    return b"\x80\x02}(" + items + b"u."


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        raw = value.encode("latin-1")
        return b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + len(raw).to_bytes(4, "little") + raw
    if isinstance(value, int):
        return b"J" + value.to_bytes(4, "little", signed=True)
    if isinstance(value, np.ndarray):
        return _array(value)
    return b"](" + b"".join(_value(entry) for entry in value) + b"e"


def _array(array: np.ndarray) -> bytes:
    shape = b"(" + b"".join(_value(side) for side in array.shape) + b"t"
    dtype_state = b"(" + _value(3) + _value("|") + b"NNN" + _value(-1) + _value(-1) + _value(0) + b"tb"
    dtype = b"cnumpy\ndtype\n" + _value("u1") + _value(0) + _value(1) + b"\x87R" + dtype_state
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + _value(0) + b"\x85" + _value("b") + b"\x87R"
    raw = array.tobytes()
    return empty + b"(" + _value(1) + shape + dtype + b"\x89T" + len(raw).to_bytes(4, "little") + raw + b"tb"
