"""Arrays as the page reads them: little-endian numbers in base64."""

from __future__ import annotations

import base64
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Kind = Literal["f8", "f4", "i4", "u1"]


def encoded(values: ArrayLike, kind: Kind) -> dict[str, str]:
    """An array of numbers for JSON; `decoded` reads it.

    Args:
        values: of any shape, flattened row by row.
        kind: type of a number in the file: float64, float32, int32 or uint8.
    """
    flat = np.ascontiguousarray(np.asarray(values), dtype=f"<{kind}")
    return {"dtype": kind, "data": base64.b64encode(flat.tobytes()).decode()}


def encoded_places(places: NDArray[np.complex128]) -> dict[str, str]:
    """Points of the disk as x0, y0, x1, y1, ... in float64: near the rim float32 has no digits left."""
    return encoded(np.stack([places.real, places.imag], 1), "f8")


def decoded(field: dict[str, Any]) -> NDArray[Any]:
    """The array that `encoded` wrote, flat."""
    found: NDArray[Any] = np.frombuffer(base64.b64decode(field["data"]), dtype=f"<{field['dtype']}")
    return found
