"""How far a prediction is from the label: heights, paths, or costs of one's own."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.metrics.labels import Labels
from hyperdml.metrics.taxonomic.ancestry import ancestry
from hyperdml.metrics.taxonomic.nodes import node_pairs
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints

Distance = Literal["lca_height", "path"] | Tensor | np.ndarray


def prediction_costs(
    predictions: Labels, labels: Labels, taxonomy: Taxonomy, distance: Distance = "lca_height"
) -> Tensor:
    """Cost of every prediction: 0 if it is the label or lies below it, otherwise their distance.

    A leaf is only right if it is the label. A label at an inner node says that the truth is one of the leaves below, so
    each of these is as good; for the heights of a tree the cost of another leaf is the least that it has to one of
    them.

    Args:
        predictions: (B,) nodes, indices into `taxonomy.names`; -1, no node, is a root above everything.
        labels: (B,) nodes at any level.
        taxonomy: tree, forest or DAG.
        distance: "lca_height", the height of the lowest common ancestor (`Taxonomy.lca_height`; Bertinetto et al.,
            Making Better Mistakes, CVPR 2020); "path", the edges between the two over a common ancestor, the fewest
            where there are several, two more than to their roots where there is none (`Taxonomy.distance_matrix`); or
            (C, C) costs with a row a label and a column a prediction, for leaves.

    Returns:
        (B,) float64, at least 0. With costs of one's own NaN where label or prediction is not a leaf.

    Raises:
        ValueError: the distance is none of these (see `cost_matrix`), shapes differ, or an entry is not a node.

    Example:
        >>> taxonomy = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
        >>> prediction_costs([0, 1, 2, 2], [0, 0, 0, 3], taxonomy).tolist()
        [0.0, 1.0, 2.0, 2.0]
    """
    predicted, true = node_pairs(predictions, labels, taxonomy)
    matrix = cost_matrix(distance, taxonomy.num_leaves)
    if matrix is not None:
        return torch.from_numpy(_own(predicted, true, matrix))
    measure = _path if isinstance(distance, str) and distance == "path" else _height
    right = (predicted >= 0) & ancestry(taxonomy).at_or_above(true, predicted)
    cost = np.zeros(len(true))
    cost[~right] = measure(predicted[~right], true[~right], taxonomy)
    return torch.from_numpy(cost)


def cost_matrix(distance: Distance, leaves: int) -> NDArray[np.float64] | None:
    """(C, C) float64 costs of one's own, None for a distance that has a name.

    Raises:
        ValueError: there is no distance of this name; or costs are not (C, C), or not finite, not negative and 0 on
            the diagonal.
    """
    if isinstance(distance, str):
        if distance not in ("lca_height", "path"):
            raise ValueError(f"distance must be 'lca_height', 'path' or a (C, C) matrix, got {distance!r}")
        return None
    given = distance.detach().cpu().numpy() if isinstance(distance, Tensor) else distance
    cost = np.asarray(given, dtype=np.float64)
    if cost.shape != (leaves, leaves):
        raise ValueError(f"distance must have a row and a column a leaf, ({leaves}, {leaves}), got {cost.shape}")
    if not np.isfinite(cost).all() or (cost < 0).any() or cost.diagonal().any():
        raise ValueError("distance must be finite, not negative and 0 on the diagonal: costs, not similarities")
    return cost


def _own(predicted: Ints, true: Ints, cost: NDArray[np.float64]) -> NDArray[np.float64]:
    known = (predicted >= 0) & (np.maximum(predicted, true) < len(cost))
    out = np.full(len(true), np.nan)
    out[known] = cost[true[known], predicted[known]]
    return out


def _height(predicted: Ints, true: Ints, taxonomy: Taxonomy) -> Ints:
    height = taxonomy.lca_height(np.maximum(predicted, 0), true)
    return np.where(predicted < 0, taxonomy.depth + 1, height)


def _path(predicted: Ints, true: Ints, taxonomy: Taxonomy) -> Ints:
    up = _to_root(taxonomy)
    # no common ancestor: over a root above all roots, which -1 itself is
    over = np.where(predicted < 0, up[true] + 1, up[predicted] + up[true] + 2)
    answered = np.flatnonzero(predicted >= 0)
    if taxonomy.is_forest:
        meet = taxonomy.lca(predicted[answered], true[answered])
        over[answered] -= np.where(meet < 0, 0, 2 * (up[meet] + 1))
        return over
    steps = taxonomy.ancestor_distances
    found = ancestry(taxonomy).shared(predicted[answered], true[answered])
    pair = answered[found.pair]
    over[pair] = 4 * len(taxonomy)  # longer than any path: a common ancestor counts even where roots are nearer
    np.minimum.at(over, pair, steps[found.one] + steps[found.other])
    return over


def _to_root(taxonomy: Taxonomy) -> Ints:
    """(N,) edges of the shortest path from every node to a root."""
    if taxonomy.is_forest:
        return taxonomy.depths
    closure = taxonomy.ancestor_closure
    steps = np.where(closure.counts[closure.values] == 1, taxonomy.ancestor_distances, len(taxonomy))
    return np.asarray(np.minimum.reduceat(steps, closure.offsets[:-1]), dtype=np.int64)
