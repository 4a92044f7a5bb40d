"""The contract of an exact nearest-neighbour search."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of
from hyperdml.geometry.curvature import Curvature
from hyperdml.testing.contract import hold, name_of
from hyperdml.testing.knn_case import KNN, Metric, knn_case
from hyperdml.testing.knn_laws import KNN_LAWS
from hyperdml.testing.points import seeded


def check_knn(
    knn: KNN,
    metric: Metric = "hyperbolic",
    c: Curvature | None = None,
    *,
    k: int = 10,
    points: Tensor | None = None,
    dim: int = 16,
    device: torch.device | str = "cpu",
    generator: torch.Generator | None = None,
    skip: Collection[str] = (),
) -> None:
    """Check a search that is called as ``knn(query, k, reference, ref_includes_query)``.

    These are the positional arguments of pytorch-metric-learning's `knn_func`; it returns distances and indices.

    >>> from hyperdml import HyperbolicKNN
    >>> check_knn(HyperbolicKNN(c=0.1), "hyperbolic", c=0.1)

    | law | what it says |
    |---|---|
    | shape | (N, k) floating-point distances, (N, k) int64 rows of the reference, none twice |
    | exactness | the neighbours of float64 brute force, on points of mixed radii; ties may be in any order |
    | near-duplicates | also in clusters that float32 products cannot order |
    | own row | `ref_includes_query` leaves out row i for query i by index, and keeps its duplicates |
    | sorted distances | ascending |
    | recomputed distances | those of the metric (geodesic, 1 - cos, or Euclidean), to 1e-5 |
    | rows | a query has the same neighbours alone and in a batch |
    | k beyond the reference | an exception, or index -1 in the columns that are left over |
    | inputs untouched | query and reference are not changed |

    If the shape is wrong, the other laws are not tried. Where neighbours are wrong but those of another metric, the
    message says so.

    Args:
        knn: the search.
        metric: the metric that it claims: "hyperbolic", "cosine" or "euclidean".
        c: curvature magnitude of the ball in which the points lie, needed by "hyperbolic"; 0.1 for the others.
        k: neighbours per query.
        points: (N, d) points of your own, N at least 3 k; None makes some up, with tangent norms between 0.1 and 2.3 at
            c = 0.1.
        dim: dimension of made-up points.
        device: device of all points.
        generator: a CPU generator for what is made up; None is a new one of seed 0.
        skip: laws that do not hold, by name; "near-duplicates" for a search in float32.

    Raises:
        ContractError: a law is broken.
        ValueError: an argument is out of range, skip names no law, or the three metrics agree on the points, so that
            the check could not fail.
    """
    c = None if c is None else curvature_of(c)
    case = knn_case(knn, metric, c, k, points, dim, torch.device(device), seeded(generator))
    hold(name_of("search", knn), KNN_LAWS, case, skip)
