"""One reading of the curvature for the whole package: a number, or a tensor where it is learned."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import geoopt

Curvature: TypeAlias = "float | Tensor | geoopt.PoincareBall"


def curvature_of(c: Curvature) -> float:
    """The positive number c of a ball of curvature -c; a learned one is read as it stands, without gradient.

    geoopt keeps c in float32 behind an inverse softplus, so `PoincareBall(c=0.1).c` is 0.10000005; a float given
    here stays exact.

    Args:
        c: a positive number, a one-element tensor, or a `geoopt.PoincareBall`.

    Returns:
        c as a Python float. Of a tensor on an accelerator this is a device synchronisation.

    Raises:
        ValueError: c is not positive and finite.
    """
    given: Any = getattr(c, "c", c)
    value = float(given.detach() if isinstance(given, Tensor) else given)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"curvature c must be positive and finite (the ball has curvature -c), got {value!r}")
    return value


def curvature(c: Curvature, dtype: torch.dtype) -> float | Tensor:
    """C as the geometry computes with it: differentiable where it is learned, a float otherwise.

    Args:
        c: a positive number, a one-element tensor, or a `geoopt.PoincareBall`.
        dtype: precision of the computation, for a tensor.

    Returns:
        A 0-dim tensor for a tensor and for a ball whose c is learned, connected to its graph; else a float. The
        value of a tensor is looked at on the CPU only: elsewhere that would be a device synchronisation.

    Raises:
        ValueError: c is not positive and finite, or a tensor of several elements.
    """
    if isinstance(c, float):
        return curvature_of(c)
    ball = learnable_ball(c)
    given: Any = c if ball is None else ball.c
    if not isinstance(given, Tensor):
        return curvature_of(given)
    if given.numel() != 1:
        raise ValueError(f"curvature c must be one number, got a tensor of shape {tuple(given.shape)}")
    if given.device.type == "cpu" and not torch.compiler.is_compiling():
        curvature_of(given)
    return given.reshape(()).to(dtype)


def root(c: float | Tensor) -> float | Tensor:
    """``sqrt(c)`` of what `curvature` returns."""
    return c.sqrt() if isinstance(c, Tensor) else math.sqrt(c)


def learnable_ball(c: Curvature) -> geoopt.PoincareBall | None:
    """The `geoopt.PoincareBall` whose c is a parameter under training, for a module to keep as its submodule; or None.

    Args:
        c: a curvature in any form.
    """
    if isinstance(c, nn.Module) and any(parameter.requires_grad for parameter in c.parameters()):
        return c
    return None


def kept_curvature(c: Curvature) -> tuple[float, geoopt.PoincareBall | None]:
    """What a module keeps of the curvature it is given: the number, and the ball to train if it is learned.

    Args:
        c: a curvature in any form.

    Returns:
        c as it stands, and the learnable ball, for the module to keep as its submodule, or None.

    Raises:
        ValueError: c is not positive and finite, or a bare tensor under training, which no module could own.
    """
    if isinstance(c, Tensor) and c.requires_grad:
        raise ValueError(
            "c is a tensor that requires a gradient, which a module cannot own; give a "
            "geoopt.PoincareBall(c=..., learnable=True), such as ToPoincare(learn_curvature=True).manifold"
        )
    return curvature_of(c), learnable_ball(c)


def poincare_ball(c: Curvature, dtype: torch.dtype = torch.float64, learnable: bool = False) -> geoopt.PoincareBall:
    """A `geoopt.PoincareBall` of curvature -c, with c kept in `dtype` (geoopt alone would round it to float32).

    Args:
        c: positive curvature magnitude.
        dtype: precision in which geoopt stores c.
        learnable: whether c is a parameter under training, kept positive by a softplus.

    Returns:
        The manifold, for `geoopt.ManifoldParameter`, `geoopt.optim.RiemannianAdam`, and as c of everything here.
    """
    with warnings.catch_warnings():
        # geoopt is built on torch.jit.script, which newer torch announces as deprecated dozens of times
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        import geoopt
    # geoopt changes a tensor c in place: it gets one of its own
    return geoopt.PoincareBall(c=torch.tensor(curvature_of(c), dtype=dtype), learnable=learnable)
