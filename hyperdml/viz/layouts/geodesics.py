"""Geodesics of the unit disk."""

from __future__ import annotations

import numpy as np


def geodesic(start: np.ndarray, end: np.ndarray, steps: int = 24) -> np.ndarray:
    """Points along the geodesics of the unit disk.

    With the Möbius map that moves `start` to 0 the geodesic is a straight ray; its points are moved back.

    Args:
        start: (E,) complex numbers of modulus below 1.
        end: (E,) complex numbers of modulus below 1.
        steps: points per geodesic.

    Returns:
        (E, steps) complex numbers, from start to end at equal hyperbolic distances.
    """
    start, end = start[:, None], end[:, None]
    target = (end - start) / (1 - np.conj(start) * end)
    length = np.arctanh(np.abs(target))
    direction = np.where(length > 0, target / np.maximum(np.abs(target), 1e-300), 0)
    ray = np.tanh(length * np.linspace(0, 1, steps)) * direction
    return (ray + start) / (1 + np.conj(start) * ray)
