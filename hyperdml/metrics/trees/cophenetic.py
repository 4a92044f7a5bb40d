"""Cophenetic correlation: do leaves that are far apart meet high in the tree?"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from hyperdml.metrics.trees.lca import draw_pairs
from hyperdml.metrics.trees.leaf_tree import Tree, leaf_tree
from hyperdml.taxonomy.csr import Ints

PAIRS = 200_000


def leaf_pairs(leaves: int, most: int = PAIRS, generator: torch.Generator | None = None) -> Ints:
    """Pairs of different leaves: all of them, or a random sample with replacement where they are more than `most`.

    Args:
        leaves: N.
        most: pairs at most; the default takes all pairs of up to 632 leaves, and beyond gives a correlation to about
            ``1 / sqrt(most)`` = 0.002.
        generator: source of the draw; None draws from torch's global one.

    Returns:
        (T, 2) int64.

    Raises:
        ValueError: fewer than two leaves, or `most` below 1.
    """
    if leaves < 2 or most < 1:
        raise ValueError(f"pairs need at least 2 leaves and at least 1 pair, got {leaves} leaves and {most} pairs")
    if leaves * (leaves - 1) // 2 <= most:
        return np.stack(np.triu_indices(leaves, 1), 1)
    return draw_pairs(torch.zeros(leaves, dtype=torch.int64), most, generator).numpy()


def cophenetic_correlation(
    parents: Tree, heights: ArrayLike, leaves: int, pairs: Ints, distances: ArrayLike
) -> float | None:
    """Pearson correlation of the distance of two leaves and the height of their common ancestor (Sokal, Rohlf, 1962).

    Args:
        parents: (M,) parents, leaves first; see `leaf_tree`.
        heights: (M,) height of every node, as the distance at which a linkage joins; those of leaves are not read.
        leaves: N.
        pairs: (T, 2) leaves, as from `leaf_pairs`.
        distances: (T,) their distances, in any unit.

    Returns:
        A number in [-1, 1]; None if all distances or all heights are equal.

    Raises:
        ValueError: see `leaf_tree`; heights are not one finite number per node or the root has none; or pairs and
            distances do not fit.

    Example:
        >>> round(cophenetic_correlation([3, 3, 4, 4, -1], [0, 0, 0, 1, 2], 3, leaf_pairs(3), [1.0, 5.0, 5.0]), 9)
        1.0
    """
    tree = leaf_tree(parents, leaves)
    found = np.asarray(distances, dtype=np.float64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or found.shape != pairs.shape[:1]:
        raise ValueError(f"expected (T, 2) pairs and (T,) distances, got {pairs.shape} and {found.shape}")
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found))[0])
        raise ValueError(f"distances[{row}] is {found[row]}, expected finite numbers")
    height = tree.values(heights, "heights")[tree.lca(pairs[:, 0], pairs[:, 1])]
    if np.ptp(found) == 0 or np.ptp(height) == 0:
        return None
    return float(np.clip(np.corrcoef(found, height)[0, 1], -1, 1))
