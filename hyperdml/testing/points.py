"""Made-up inputs of the checks, and the distances that results are compared with."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NEAREST, FARTHEST = 0.1, 2.3
"""Tangent norms at c = 0.1 between which points lie; 2.3 is HIER's clipping radius. They shrink like 1 / sqrt(c)."""

SCALE_C = 0.1


def seeded(generator: torch.Generator | None) -> torch.Generator:
    """The generator, or a new one of seed 0, so that a check repeats."""
    return torch.Generator().manual_seed(0) if generator is None else generator


def directions(n: int, dim: int, generator: torch.Generator) -> Tensor:
    """(n, dim) float64 unit vectors."""
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=generator, dtype=torch.float64), dim=1)


def spread_points(n: int, dim: int, c: float | None, generator: torch.Generator) -> Tensor:
    """(n, dim) float64 points of mixed radii: of the ball of curvature -c, or of flat space if c is None."""
    norm = NEAREST + (FARTHEST - NEAREST) * torch.rand(n, 1, generator=generator, dtype=torch.float64)
    return at_norm(directions(n, dim, generator), norm, c)


def at_norm(unit: Tensor, norm: Tensor | float, c: float | None) -> Tensor:
    """The points in given directions whose tangent norm at the origin would be `norm` at c = 0.1."""
    return unit * norm if c is None else unit * torch.tanh(torch.as_tensor(norm) * math.sqrt(SCALE_C)) / math.sqrt(c)


def true_distance(x: Tensor, y: Tensor, metric: str, c: float | None = None) -> Tensor:
    """All distances in float64 by direct differences, slow and without cancellation.

    Args:
        x: (N, d) points.
        y: (M, d) points.
        metric: "hyperbolic" (``(2 / sqrt(c)) arsinh(sqrt(c) |x-y| / sqrt((1 - c|x|^2) (1 - c|y|^2)))``), "cosine"
            (``1 - cos``) or "euclidean".
        c: curvature magnitude, for "hyperbolic".

    Returns:
        (N, M) float64 distances on the CPU.

    Raises:
        ValueError: c is missing.
    """
    x, y = x.detach().cpu().double(), y.detach().cpu().double()
    if metric == "cosine":
        x, y = (z / torch.linalg.vector_norm(z, dim=1, keepdim=True) for z in (x, y))
    gap = torch.cat([torch.linalg.vector_norm(rows[:, None] - y, dim=2) for rows in x.split(64)])
    if metric == "cosine":
        return gap.square() / 2
    if metric == "euclidean":
        return gap
    if c is None:
        raise ValueError("metric='hyperbolic' needs the curvature magnitude c")
    inside = [1 - c * z.square().sum(1) for z in (x, y)]
    root = math.sqrt(c)
    return 2 / root * torch.asinh(root * gap / (inside[0][:, None] * inside[1]).sqrt())
