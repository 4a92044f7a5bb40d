"""Trees of the same embeddings that hyperbolic distance has no part in, and of proxies that were not learned."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry import logmap0
from hyperdml.hier import fit_proxies
from hyperdml.hier.fit import LEVELS
from hyperdml.metrics.trees.tree_scores import ParentsAndHeights
from hyperdml.tree.extract import DIRECT, OVER_PROXIES, extract_tree
from hyperdml.tree.linkage import linkage_tree

COSINE = "cosine"
EUCLIDEAN = "tangent vectors"
FITTED = "k-means proxies of the same images"


@torch.no_grad()
def control_trees(
    points: Tensor, c: float, method: str, *, direct: int = DIRECT, seed: int = 0
) -> dict[str, ParentsAndHeights]:
    """Trees to hold a tree of `extract_tree` against.

    "cosine" and "tangent vectors" are average linkage of ``1 - cos(x, y)`` and of ``|log0(x) - log0(y)|``,
    whatever the method. For methods over proxies also the tree of the same method over proxies that k-means finds
    among the very images (`hyperdml.hier.fit_proxies`).

    Args:
        points: (N, d) points of the ball.
        c: curvature magnitude.
        method: of the tree that they are controls of.
        direct: see `extract_tree`.
        seed: of k-means.

    Returns:
        Name of every control to its parents and heights.
    """
    x = points.detach().cpu().double()
    out: dict[str, ParentsAndHeights] = {
        COSINE: linkage_tree(x, c, "cosine", direct, seed),
        EUCLIDEAN: linkage_tree(logmap0(x, c), c, "euclidean", direct, seed),
    }
    levels = [size for size in LEVELS if size <= len(x)]
    if method in OVER_PROXIES and levels:
        tree = extract_tree(x, fit_proxies(x, levels, c=c, seed=seed), method, c=c, seed=seed)
        out[FITTED] = tree.parents, tree.heights
    return out
