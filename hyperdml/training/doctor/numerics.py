"""The geometry against its formulas, on every device: a wrong build of torch shows here, not in a paper."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from hyperdml.training.doctor.finding import Finding, guarded

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_C, _COUNT, _DIM = 0.1, 200, 16
_LONGEST = 6.0
_BOUNDS = {"float32": 1e-4, "float64": 1e-9}
"""Largest relative error up to a hyperbolic radius of 6."""


def check_geometry() -> Iterator[Finding]:
    """Maps and distances in float32 and float64, on the CPU and on every GPU."""
    import torch

    devices = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    for device in devices:
        for name in _BOUNDS:
            about = f"geometry, {name} on {device}"
            yield from guarded(about, partial(_one, about, torch.device(device), name))


def _one(about: str, device: torch.device, name: str) -> Iterator[Finding]:
    import torch

    from hyperdml.geometry import expmap0, logmap0, pairwise_distance

    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(_COUNT, _DIM, generator=generator, dtype=torch.float64)
    radii = torch.linspace(1e-3, _LONGEST, _COUNT, dtype=torch.float64)
    # a tangent vector of length r / (2 sqrt(c)) leads to a point at distance r / sqrt(c)
    tangents = directions / directions.norm(dim=1, keepdim=True) * (radii / (2 * math.sqrt(_C)))[:, None]
    given = tangents.to(device, getattr(torch, name))
    points = expmap0(given, _C)
    distances = pairwise_distance(points, points, _C)
    errors = {
        "exp and log": _error(logmap0(points, _C), given.cpu().double()),
        "distance": _error(distances, _formula(points.cpu().double(), _C)),
        "symmetry": _error(distances, distances.T.cpu().double()),
    }
    worst = max(errors, key=lambda what: _rank(errors[what]))
    bound = _BOUNDS[name]
    text = f"largest relative error {errors[worst]:.1e} ({worst})"
    if errors[worst] <= bound:
        yield Finding("ok", about, text)
    else:
        advice = f"it should be below {bound:g}: reinstall torch, or try device=cpu"
        yield Finding("problem", about, text, advice)


def _formula(x: Tensor, c: float) -> Tensor:
    """``arcosh(1 + a) / sqrt(c)``, ``a = 2 c |x - y|^2 / ((1 - c |x|^2) (1 - c |y|^2))``, in its stable form."""
    squared = (x[:, None] - x[None]).square().sum(2)
    rest = 1 - c * x.square().sum(1)
    a = 2 * c * squared / (rest[:, None] * rest[None])
    return (a + (a * (a + 2)).sqrt()).log1p() / math.sqrt(c)


def _error(found: Tensor, expected: Tensor) -> float:
    """Largest error relative to the size of the row."""
    size = expected.abs().amax(1, keepdim=True)
    return float(((found.cpu().double() - expected).abs() / size).max())


def _rank(error: float) -> float:
    return math.inf if math.isnan(error) else error
