"""One reading of the curvature for the whole package."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import geoopt


def curvature_of(c: Any) -> float:
    """The positive number c of a ball of curvature -c, from a number or a `geoopt.PoincareBall`.

    geoopt keeps c in float32 behind an inverse softplus, so `PoincareBall(c=0.1).c` is 0.10000005; a float given
    here stays exact.

    Args:
        c: a positive number, a one-element tensor, or a `geoopt.PoincareBall`.

    Returns:
        c as a Python float.

    Raises:
        ValueError: c is not positive and finite.
    """
    value = float(getattr(c, "c", c))
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"curvature c must be positive and finite (the ball has curvature -c), got {value!r}")
    return value


def poincare_ball(c: float, dtype: torch.dtype = torch.float64) -> geoopt.PoincareBall:
    """A `geoopt.PoincareBall` of curvature -c, with c kept in `dtype` (geoopt alone would round it to float32).

    Args:
        c: positive curvature magnitude.
        dtype: precision in which geoopt stores c.

    Returns:
        The manifold, for `geoopt.ManifoldParameter`, `geoopt.optim.RiemannianAdam` and the like.
    """
    with warnings.catch_warnings():
        # geoopt is built on torch.jit.script, which newer torch announces as deprecated dozens of times
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        import geoopt
    # geoopt changes a tensor c in place: it gets one of its own
    return geoopt.PoincareBall(c=torch.tensor(curvature_of(c), dtype=dtype))
