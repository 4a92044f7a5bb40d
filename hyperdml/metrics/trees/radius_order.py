"""Do radii order a tree: are nodes nearer the origin those with more leaves, and those nearer the root?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from hyperdml.metrics.trees.correlation import spearman
from hyperdml.metrics.trees.leaf_tree import Floats, LeafTree, Tree, leaf_tree

_DECIMALS = 4  # of radii that are compared: rounding must order nothing


@dataclass(frozen=True)
class RadiusOrder:
    """Spearman correlations of the radius of inner nodes; None where one side is constant.

    Attributes:
        size: with the number of leaves below; negative in a tree whose upper nodes lie near the origin.
        level: with the edges to the root; positive in such a tree.
    """

    size: float | None
    level: float | None


def radius_order(parents: Tree, radii: ArrayLike, leaves: int) -> RadiusOrder:
    """Correlate radii of the inner nodes that have leaves with their sizes and their levels.

    Leaves stay out: they have one size, and where they are clipped one radius. Radii are rounded to 4 decimals.

    Args:
        parents: (M,) parents, leaves first; see `leaf_tree`.
        radii: (M,) hyperbolic distance of every node to the origin; those of leaves are not read.
        leaves: N.

    Raises:
        ValueError: see `leaf_tree`; or radii are not one finite number per node or the root has none.

    Example:
        >>> radius_order([4, 4, 5, 5, 6, 6, -1], [9, 9, 9, 9, 2, 2, 1], 4)
        RadiusOrder(size=-1.0, level=1.0)
    """
    tree = leaf_tree(parents, leaves)
    return radius_order_of(tree, tree.values(radii, "radii"))


def radius_order_of(tree: LeafTree, radii: Floats) -> RadiusOrder:
    """`radius_order` of the (n,) radii of the nodes in the tree's own order."""
    radius = torch.from_numpy(radii[tree.inner])
    size, level = torch.from_numpy(tree.sizes[tree.inner]), torch.from_numpy(tree.depths[tree.inner])
    return RadiusOrder(radius_correlation(radius, size), radius_correlation(radius, level))


def radius_correlation(radius: Tensor, other: Tensor) -> float | None:
    """Spearman correlation of (n,) radii, rounded to 4 decimals, with other numbers; None if one side is constant."""
    return spearman(radius.round(decimals=_DECIMALS), other)
