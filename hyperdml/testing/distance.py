"""The contract of a distance."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of
from hyperdml.geometry.curvature import Curvature
from hyperdml.testing.contract import hold, name_of
from hyperdml.testing.distance_case import Pairwise, distance_case
from hyperdml.testing.hyperbolic_laws import HYPERBOLIC_LAWS
from hyperdml.testing.metric_laws import METRIC_LAWS
from hyperdml.testing.numeric_laws import NUMERIC_LAWS
from hyperdml.testing.points import seeded

DISTANCE_LAWS = {**METRIC_LAWS, **NUMERIC_LAWS, **HYPERBOLIC_LAWS}
"""Laws of `check_distance` by name; the last five only with a curvature."""


def check_distance(
    pairwise: Pairwise,
    c: Curvature | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    rtol: float | None = None,
    points: Tensor | None = None,
    dim: int = 8,
    device: torch.device | str = "cpu",
    generator: torch.Generator | None = None,
    skip: Collection[str] = (),
) -> None:
    """Check a function of two sets of points that gives all distances between them.

    >>> from hyperdml.geometry import pairwise_distance
    >>> check_distance(lambda x, y: pairwise_distance(x, y, 0.1), c=0.1)

    | law | what it says |
    |---|---|
    | shape | (N, d) and (M, d) give (N, M), single points and empty sets included |
    | dtype | float32 gives float32, float64 gives float64 |
    | inputs untouched | neither set is changed |
    | non-negativity, identity, symmetry, triangle inequality | those of a metric |
    | rows | a batch gives what its rows give one by one |
    | gradient | `torch.autograd.gradcheck` in float64 |
    | coincident gradient | finite where points coincide |
    | half precision | float16 and bfloat16 points are computed with in at least float32 |
    | autocast | changes neither values nor gradients |
    | memory | no tensor of N M d numbers, forward and backward |
    | reference | the distance of the Poincaré ball, against float64 by direct differences; near pairs, rim |
    | rotation, translation | isometries of the ball change nothing |
    | slope | the gradient in x has the length of a unit vector of the ball there, also for near pairs |
    | origin and rim | finite values and gradients up to the last floating-point numbers inside the ball |

    If the shape is wrong, the other laws are not tried.

    Args:
        pairwise: the function.
        c: curvature magnitude of the ball that the function claims to measure in; None for another metric, where the
            laws from "reference" on do not apply.
        dtype: precision of the points; call once for each that you support.
        rtol: relative error allowed between ordinary points, 1e-5 in float32 and 1e-9 in float64, where distances below
            a tenth of the longest count as that; ten times as much after an isometry, at the rim, and for near pairs
            (at least 1e-6), whose own distance counts.
        points: (N, d) different points of your own to try, N at least 5; None makes 20 up, with tangent norms between
            0.1 and 2.3 at c = 0.1.
        dim: dimension of made-up points.
        device: device of all points.
        generator: a CPU generator for what is made up; None is a new one of seed 0.
        skip: laws that do not hold, by name.

    Raises:
        ContractError: a law is broken.
        ValueError: an argument is out of range, or skip names no law.
    """
    c = None if c is None else curvature_of(c)
    case = distance_case(pairwise, c, dtype, torch.device(device), rtol, points, dim, seeded(generator))
    left_out = HYPERBOLIC_LAWS if c is None else {}
    hold(name_of("distance", pairwise), DISTANCE_LAWS, case, [*skip, *left_out])
