"""The pickles of CIFAR-100's Python version, read without running anything that they name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from hyperdml.errors import DataError

_MAX_BYTES = 512 * 2**20  # the largest file of the release holds 155 MB
_REBUILD = "numpy.core.multiarray._reconstruct"
_ALLOWED = (_REBUILD, "numpy.ndarray", "numpy.dtype")


class _Recorded:
    """Stands for a name in a pickle: whatever the pickle calls it with or gives it as its state is only noted."""

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        self.name, self.arguments = name, arguments
        self.state: Any = None

    def __call__(self, *arguments: Any) -> _Recorded:
        return _Recorded(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state


# the one of the two unpicklers that is written in Python: the other one fills as much memory as a damaged file says
class _Reader(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _Recorded(f"{module}.{name}")


class _Refused(Exception):
    """A name that an array does not need."""


def read_pickle(path: Path) -> dict[str, Any]:
    """Content of `train`, `test` or `meta`: numbers, bytes, lists, and arrays of bytes.

    Args:
        path: the file.

    Returns:
        What the file holds, by its keys; strings are bytes, as Python 2 wrote them.

    Raises:
        DataError: the file cannot be read, is no such pickle, or names anything but what rebuilds a NumPy array; the
            message says what. Nothing of it has run then.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(f"{path} holds {path.stat().st_size} bytes; files of CIFAR-100 have at most {_MAX_BYTES}")
        with path.open("rb") as file:
            found = _Reader(file, encoding="bytes").load()
        return {key.decode(): _value(value) for key, value in found.items()}
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except _Refused as error:
        raise DataError(
            f"{path} is refused: it names {error}, and unpickling runs what is named. "
            f"The files of CIFAR-100 name only {', '.join(_ALLOWED)}"
        ) from None
    except DataError:
        raise
    except Exception as error:  # pickle raises nearly any type for what it does not understand
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} is not a pickle of CIFAR-100's Python version: {reason}") from error


def _value(value: Any) -> Any:
    """The array that a record means; anything else as it is."""
    if not isinstance(value, _Recorded):
        return value
    if value.name != _REBUILD or value.state is None:
        raise ValueError(f"{value.name} is no array")
    _, shape, kind, by_columns, content = value.state
    if kind.name != "numpy.dtype" or kind.arguments[0] != b"u1":
        raise ValueError("an array is not of bytes")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if by_columns else "C")
