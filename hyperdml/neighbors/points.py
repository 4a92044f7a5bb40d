"""Points as a search takes them, checked once."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.neighbors.spaces import Space

_BLOCK = 1 << 16  # points looked at in float64 at once: 64 MB at d = 128


def search_points(x: Tensor, name: str, space: Space) -> Tensor:
    """(N, d) points for a search.

    Args:
        x: points, on any device, with or without gradient.
        name: what to call them in errors.
        space: the distance.

    Returns:
        The same points, detached, on a device that has float64.

    Raises:
        ValueError: not an (N, d) tensor of floating-point numbers, or see `check_points`.
    """
    x = torch.as_tensor(x).detach().contiguous()  # sums of strided rows round otherwise, which reorders ties
    x = x.cpu() if x.device.type == "mps" else x
    if x.ndim != 2 or x.shape[1] == 0 or not x.dtype.is_floating_point:
        raise ValueError(f"{name} must be an (N, d) floating-point tensor, got {tuple(x.shape)} of {x.dtype}")
    check_points(x, name, space)
    return x


def check_points(x: Tensor, name: str, space: Space) -> None:
    """See that (N, d) points are finite and belong to the space, a block at a time.

    Raises:
        ValueError: a row is not finite, or see `Space.check`; the message names the first such row.
    """
    for first in range(0, len(x), _BLOCK):
        block = x[first : first + _BLOCK].double()
        finite = block.isfinite().all(1)
        if not finite.all():
            raise ValueError(f"{name} row {first + int((~finite).nonzero()[0])} is not finite")
        space.check(block, name, first)
