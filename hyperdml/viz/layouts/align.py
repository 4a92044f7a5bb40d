"""Layouts brought into the same frame by isometries of the disk."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.complex128]


def centroid(places: Places) -> complex:
    """The centroid of the hyperboloid (Law et al., ICML 2019): the mean of the lifts, scaled back.

    Args:
        places: (N,) complex numbers of modulus below 1, N at least 1.
    """
    rest = 1 - np.abs(places) ** 2
    lift, time = (2 * places / rest).mean(), ((1 + np.abs(places) ** 2) / rest).mean()
    return complex(lift / (np.sqrt(time**2 - np.abs(lift) ** 2) + time))


def centred(places: Places, count: int | None = None) -> Places:
    """The places moved by the Möbius map that takes the `centroid` of the first of them to 0.

    Args:
        places: (N,) complex numbers of modulus below 1, N at least 1.
        count: how many of them have a say; None for all.

    Returns:
        (N,) complex numbers at the same hyperbolic distances from each other.
    """
    centre = centroid(places[:count])
    moved: Places = (places - centre) / (1 - np.conj(centre) * places)
    return moved


def align(moving: Places, fixed: Places, count: int | None = None) -> Places:
    """A layout in the frame of another layout of the same points: centred, then turned or mirrored (Procrustes).

    Args:
        moving: (N,) complex numbers of modulus below 1.
        fixed: (N,) the same points in the layout that stays; or (count,) the first of them.
        count: how many of the points have a say; None for all.

    Returns:
        (N,) places of `moving` at the same hyperbolic distances from each other, as near to `centred(fixed)` as turning
        and mirroring bring them.

    Raises:
        ValueError: other numbers of points.
    """
    own, other = centred(moving, count), centred(fixed, count)[:count]
    if own[:count].shape != other.shape:
        raise ValueError(f"layouts to align must be of the same points, got {own[:count].shape} and {other.shape}")
    turns = [np.vdot(version[:count], other) for version in (own, np.conj(own))]
    mirrored = abs(turns[1]) > abs(turns[0])
    turn = turns[int(mirrored)]
    rotation = turn / abs(turn) if abs(turn) > 0 else 1.0
    found: Places = np.asarray((np.conj(own) if mirrored else own) * rotation, dtype=np.complex128)
    return found
