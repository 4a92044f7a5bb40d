"""What is measured of the leaves of a tree besides labels: distances of pairs, and a graph of similarities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hyperdml.geometry import curvature_of, distance
from hyperdml.metrics.trees.leaf_tree import Floats
from hyperdml.taxonomy.csr import Ints

if TYPE_CHECKING:
    from scipy.sparse import sparray

_BLOCK = 4_000_000  # coordinates at once, 32 MB in float64


@dataclass(frozen=True, eq=False)
class Measured:
    """Distances and similarities of N items.

    Attributes:
        pairs: (T, 2) items, as of `leaf_pairs`.
        distances: (T,) their distances; None where none are known.
        similarities: (N, N) sparse graphs by name; see `dasgupta_cost`.
    """

    pairs: Ints
    distances: Floats | None
    similarities: Mapping[str, sparray]


def pair_distances(points: Tensor, c: float, pairs: Ints) -> Floats:
    """(T,) hyperbolic distances of (T, 2) pairs of the (N, d) points, in blocks."""
    x, curvature = points.detach().cpu().double(), curvature_of(c)
    parts = torch.from_numpy(pairs).split(max(1, _BLOCK // x.shape[1]))
    return torch.cat([distance(x[part[:, 0]], x[part[:, 1]], curvature) for part in parts]).numpy()
