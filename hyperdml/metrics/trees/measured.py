"""What is measured of the leaves of a tree besides labels: distances of pairs, and a graph of similarities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hyperdml.geometry import curvature_of, distance, pairwise_distance
from hyperdml.metrics.trees.cophenetic import leaf_pairs
from hyperdml.metrics.trees.leaf_tree import Floats
from hyperdml.taxonomy.csr import Ints

if TYPE_CHECKING:
    from scipy.sparse import sparray

_WHOLE = 10_000_000  # distances of all pairs, 80 MB
_BLOCK = 4_000_000  # coordinates at once, 32 MB in float64


@dataclass(frozen=True, eq=False)
class Measured:
    """Distances and similarities of N items.

    Attributes:
        pairs: (T, 2) items, as of `leaf_pairs`; none where there are no points.
        distances: (T,) their hyperbolic distances.
        similarities: (N, N) sparse graph, see `dasgupta_cost`; or None.
        c: curvature magnitude of the points; None without points.
    """

    pairs: Ints
    distances: Floats
    similarities: sparray | None
    c: float | None

    def of(self, points: Tensor, similarities: sparray | None) -> Measured:
        """The same pairs of other points, with similarities of their own."""
        if self.c is None:
            raise ValueError("a null model has points, but the tree has none: give points and c")
        return replace(self, distances=pair_distances(points, self.c, self.pairs), similarities=similarities)


def measured_of(
    points: Tensor | None,
    c: float | None,
    leaves: int,
    heights: bool,
    similarities: sparray | None,
    generator: torch.Generator | None,
) -> Measured | None:
    """What `tree_scores` was given besides labels; None if that is nothing.

    Args:
        points: (N, d) points of the ball, or None.
        c: curvature magnitude.
        leaves: N.
        heights: whether distances are needed.
        similarities: (N, N) sparse graph, or None.
        generator: of the pairs.

    Raises:
        ValueError: points without c, or not one per leaf.
    """
    if points is not None and (c is None or points.ndim != 2 or len(points) != leaves):
        raise ValueError(f"points must be ({leaves}, d), with c, got {tuple(points.shape)} and c = {c}")
    if points is None or c is None or not heights:
        return None if similarities is None else Measured(np.empty((0, 2), np.int64), np.empty(0), similarities, c)
    pairs = leaf_pairs(leaves, generator=generator)
    return Measured(pairs, pair_distances(points, c, pairs), similarities, c)


def pair_distances(points: Tensor, c: float, pairs: Ints) -> Floats:
    """(T,) hyperbolic distances of (T, 2) pairs of the (N, d) points."""
    x, curvature = points.detach().cpu().double(), curvature_of(c)
    chosen = torch.from_numpy(pairs)
    if len(x) ** 2 <= _WHOLE:  # one product of matrices is faster than looking up every pair
        return pairwise_distance(x, x, curvature)[chosen[:, 0], chosen[:, 1]].numpy()
    parts = chosen.split(max(1, _BLOCK // x.shape[1]))
    return torch.cat([distance(x[part[:, 0]], x[part[:, 1]], curvature) for part in parts]).numpy()
