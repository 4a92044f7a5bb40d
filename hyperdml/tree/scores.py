"""What a tree of proxies is scored by: purity and information per level, and where common ancestors lie."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry import dist0
from hyperdml.metrics.partition import normalized_mutual_information
from hyperdml.metrics.trees.dendrogram import dendrogram_purity
from hyperdml.metrics.trees.lca import best_ancestor, draw_pairs
from hyperdml.metrics.trees.parent_array import ROOT
from hyperdml.metrics.trees.radius_order import radius_correlation
from hyperdml.tree.proxy_tree import ProxyTree


def level_purity(tree: ProxyTree, ids: Tensor) -> list[float]:
    """Dendrogram purity of the (N, L) ids, level by level."""
    return [dendrogram_purity(tree.parents, tree.leaf_parents, level) for level in ids.T]


def level_information(tree: ProxyTree, ids: Tensor) -> list[float]:
    """Normalised mutual information of nearest proxy and the (N, L) ids, level by level."""
    return [normalized_mutual_information(tree.leaf_parents, level) for level in ids.T]


def level_pairs(ids: Tensor, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
    """Random pairs in equal numbers for every number of shared levels that occurs.

    Args:
        ids: (N, L) nested ids, coarse to fine.
        count: pairs per number of shared levels.
        generator: source of the draw.

    Returns:
        (T, 2) indices, and the (T,) numbers of levels that the pairs share, 0 to L.
    """
    within = [torch.zeros_like(ids[:, 0]), *ids.T]
    apart = [*ids.T, None]
    drawn = [draw_pairs(one, count, generator, other) for one, other in zip(within, apart, strict=True)]
    shared = [torch.full((len(pairs),), number) for number, pairs in enumerate(drawn)]
    return torch.cat(drawn), torch.cat(shared)


def ancestor_correlation(x: Tensor, proxies: Tensor, pairs: Tensor, shared: Tensor, c: float) -> float:
    """Spearman correlation of the radius of the pairs' best ancestor, proxy or origin, with the levels they share.

    Returns:
        A number in [-1, 1]; 0 where all ancestors lie at one radius, as where the origin is best for every pair.
    """
    pick = best_ancestor(x, proxies, pairs, c, origin=True)
    radius = torch.where(pick == ROOT, 0.0, dist0(proxies, c)[pick])
    return radius_correlation(radius, shared) or 0.0


def size_correlation(tree: ProxyTree, proxies: Tensor, c: float) -> float | None:
    """Spearman correlation of radius and images below, over proxies that have any; None if one is constant."""
    size = tree.sizes
    live = size > 0
    return radius_correlation(dist0(proxies, c)[live], size[live])
