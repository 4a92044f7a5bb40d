"""The file of a feature bank: one tensor in safetensors format, with what it is and a checksum in its head.

Head and tensor lie in one buffer, so that neither writing nor reading holds the features twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from hyperdml.files import write_atomic

Precision = Literal["float32", "float16"]

_TYPES: dict[Precision, tuple[str, torch.dtype, int]] = {
    "float32": ("F32", torch.float32, 4),
    "float16": ("F16", torch.float16, 2),
}


class BankFile:
    """A buffer with room for the features, and the features in it.

    Args:
        key: what the features are.
        shape: (N, V, F).
        dtype: of the features.

    Attributes:
        features: (N, V, F), to be filled.
    """

    def __init__(self, key: str, shape: tuple[int, int, int], dtype: Precision) -> None:
        self._key, self._shape, self._dtype = key, shape, dtype
        self._start = len(self._head("0" * 64))
        count = shape[0] * shape[1] * shape[2]
        self._buffer = bytearray(self._start + count * _TYPES[dtype][2])
        self.features = _view(self._buffer, self._start, shape, dtype)

    def write(self, path: Path) -> None:
        """Write the file, atomically.

        Raises:
            OSError: see `hyperdml.files.write_atomic`.
        """
        digest = hashlib.sha256(memoryview(self._buffer)[self._start :]).hexdigest()
        self._buffer[: self._start] = self._head(digest)
        write_atomic(path, self._buffer)

    def _head(self, digest: str) -> bytes:
        name, _, width = _TYPES[self._dtype]
        size = self._shape[0] * self._shape[1] * self._shape[2] * width
        head = {
            "__metadata__": {"key": self._key, "sha256": digest},
            "features": {"dtype": name, "shape": list(self._shape), "data_offsets": [0, size]},
        }
        text = json.dumps(head).encode()
        text += b" " * (-len(text) % 8)  # the tensor begins at a multiple of 8 bytes
        return len(text).to_bytes(8, "little") + text


def read_bank(path: Path, key: str, rows: tuple[int, int], message: Callable[[str], None]) -> Tensor | None:
    """The features in a file.

    Args:
        path: the file.
        key: what the features must be.
        rows: (N, V) that they must have.
        message: told why a file that is there cannot be used.

    Returns:
        (N, V, F) features, or None.
    """
    if not path.is_file():
        return None
    try:
        buffer = bytearray(path.stat().st_size)
        with path.open("rb") as file:
            if file.readinto(buffer) != len(buffer):
                raise ValueError("it is cut off")
        start = 8 + int.from_bytes(buffer[:8], "little")
        head = json.loads(buffer[8:start])
        meta, entry = head["__metadata__"], head["features"]
        if meta["key"] != key:
            raise ValueError(f"it holds other features: {meta['key']}")
        if meta["sha256"] != hashlib.sha256(memoryview(buffer)[start:]).hexdigest():
            raise ValueError("its checksum is wrong")
        count, views, width = entry["shape"]
        if (count, views) != rows:
            raise ValueError(f"it holds {count} x {views} features, expected {rows[0]} x {rows[1]}")
        dtype = next(name for name, (code, _, _) in _TYPES.items() if code == entry["dtype"])
        return _view(buffer, start, (count, views, width), dtype)
    except Exception as error:  # a damaged head can hold anything
        message(f"{path} cannot be used, the features are computed again: {error or type(error).__name__}")
        return None


def _view(buffer: bytearray, start: int, shape: tuple[int, int, int], dtype: Precision) -> Tensor:
    return torch.frombuffer(buffer, dtype=_TYPES[dtype][1], offset=start).view(shape)
