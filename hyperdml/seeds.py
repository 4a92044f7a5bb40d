"""Randomness derived from names instead of stored: the same (seed, path) gives the same numbers on every machine."""

from __future__ import annotations

import zlib

import numpy as np


def derive_seed(seed: int, *path: int | str) -> int:
    """A 63-bit seed for one purpose.

    Args:
        seed: the run's seed.
        path: what it is for, for example ("augment", step).

    Returns:
        A seed for torch or NumPy; different paths give independent streams.
    """
    words = [part if isinstance(part, int) else zlib.crc32(part.encode()) for part in path]
    # the length keeps ("a",) and ("a", 0) apart: trailing zeros do not count in a seed sequence
    return int(np.random.SeedSequence([seed, len(words), *words]).generate_state(1, np.uint64)[0] >> 1)
