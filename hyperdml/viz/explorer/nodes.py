"""What the page says of a node: its radius, how many images are below it, which stands for it, how pure it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.geometry import dist0, distance
from hyperdml.metrics.trees.parent_array import children_first
from hyperdml.neighbors import HyperbolicKNN
from hyperdml.tree import Dendrogram, proxy_tree
from hyperdml.viz.explorer.encode import encoded

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_MOST_BELOW = 100_000_000  # products of images and nodes: seconds


def tree_nodes(tree: Dendrogram, points: Tensor, labels: Ints | None) -> tuple[dict[str, Any], Ints]:
    """The tree part of the page's data, and the (M,) image that stands for each node.

    Args:
        tree: over N images, with points of its inner nodes.
        points: (N, d) points of the ball, the images, in float64.
        labels: (N,) integers that purity is told by; None where there are none.

    Raises:
        ValueError: the tree has no points or no curvature.
    """
    if tree.points is None or tree.c is None:
        raise ValueError("the tree must have points of its inner nodes and their curvature")
    everything = torch.cat([points, tree.points.double()])
    medoid = tree_medoids(tree, everything, tree.c)
    part = {
        "method": tree.method,
        "parents": encoded(tree.parents, "i4"),
        "heights": encoded(tree.heights, "f4"),
        "sizes": encoded(tree.sizes, "i4"),
        "radius": encoded(dist0(everything, tree.c).numpy(), "f4"),
        "medoid": encoded(medoid, "i4"),
        "purity": encoded(tree_purity(tree, labels), "f4"),
    }
    return part, medoid


def tree_medoids(tree: Dendrogram, everything: Tensor, c: float) -> Ints:
    """(M,) image that stands for each node: of those below it the one nearest to the node's own point.

    In trees as deep as chains, whose nodes have more than 100 million images below them in all, it is the nearest of
    those that stand for its children.

    Args:
        tree: of M nodes.
        everything: (M, d) points of all nodes.
        c: curvature magnitude.
    """
    if tree.sizes[tree.num_leaves :].sum() > _MOST_BELOW:
        return _from_children(tree, everything, c)
    square = c * (everything * everything).sum(1, keepdim=True)
    lift = (torch.cat([2 * c**0.5 * everything, 1 + square], 1) / (1 - square)).numpy()
    # the nearest has the largest Lorentz product; the images below a node stand together in the order of the tree
    images, nodes = lift[tree.order], lift[tree.num_leaves :] * np.r_[np.ones(lift.shape[1] - 1), -1]
    medoid, place = np.arange(tree.num_nodes), np.argsort(tree.order)
    for node, own in enumerate(nodes, tree.num_leaves):
        below = tree.leaves_under(node)
        first = place[below[0]]
        medoid[node] = below[np.argmax(images[first : first + len(below)] @ own)]
    return medoid


def _from_children(tree: Dendrogram, everything: Tensor, c: float) -> Ints:
    """(M,) the same, of the images that stand for the children alone."""
    medoid = np.arange(tree.num_nodes)
    # all of one depth at once, the deepest first
    for children in (found.numpy() for found in children_first(torch.from_numpy(tree.parents.copy()))):
        above = tree.parents[children]
        if above[0] < 0:
            break  # the root
        gap = distance(everything[medoid[children]], everything[above], c).numpy()
        order = np.lexsort((medoid[children], gap, above))
        first = np.r_[True, above[order][1:] != above[order][:-1]]
        medoid[above[order][first]] = medoid[children[order][first]]
    return medoid


def tree_purity(tree: Dendrogram, labels: Ints | None) -> Floats:
    """(M,) share of the commonest label among the images below each node; NaN without labels.

    Counts are merged into those of the child that has the most: O(N log N) over the tree.
    """
    if labels is None:
        return np.full(tree.num_nodes, np.nan)
    most = np.ones(tree.num_nodes, dtype=np.int64)
    counts: list[dict[int, int] | None] = [{label: 1} for label in labels.tolist()]
    counts += [None] * (tree.num_nodes - tree.num_leaves)
    for node, up in enumerate(tree.parents[:-1].tolist()):  # children first
        own, other = counts[node], counts[up]
        counts[node] = None
        if own is None:
            continue
        if other is None:
            counts[up], most[up] = own, most[node]
            continue
        small, large = (own, other) if len(own) < len(other) else (other, own)
        best = max(int(most[up]), int(most[node]))
        for label, count in small.items():
            large[label] = large.get(label, 0) + count
            best = max(best, large[label])
        counts[up], most[up] = large, best
    share: Floats = most / tree.sizes
    return share


def proxy_nodes(points: Tensor, proxies: Tensor, labels: Ints | None, c: float) -> tuple[dict[str, Any], Ints]:
    """The proxies' part of the page's data, and the (P,) nearest image of each.

    Args:
        points: (N, d) points of the ball, the images, in float64.
        proxies: (P, d) points of the ball, in float64.
        labels: (N,) integers that purity is told by; None where there are none.
        c: curvature magnitude.
    """
    tree = proxy_tree(points, proxies, c)
    parents, nearest = tree.parents.numpy(), tree.leaf_parents.numpy()
    medoid: Ints = HyperbolicKNN(c=c)(proxies, 1, points)[1][:, 0].numpy()
    known = np.zeros(len(points), np.int64) if labels is None else np.unique(labels, return_inverse=True)[1]
    counts = np.zeros((len(proxies), int(known.max(initial=0)) + 1), np.int64)
    np.add.at(counts, (nearest, known), 1)
    for nodes in (found.numpy() for found in children_first(tree.parents)):
        below = nodes[parents[nodes] >= 0]
        np.add.at(counts, parents[below], counts[below])
    sizes = counts.sum(1)
    purity = np.full(len(proxies), np.nan)
    if labels is not None:
        purity[sizes > 0] = counts.max(1)[sizes > 0] / sizes[sizes > 0]
    part = {
        "count": len(proxies),
        "parents": encoded(parents, "i4"),
        "leaf_parents": encoded(nearest, "i4"),
        "radius": encoded(dist0(proxies, c).numpy(), "f4"),
        "sizes": encoded(sizes, "i4"),
        "medoid": encoded(medoid, "i4"),
        "purity": encoded(purity, "f4"),
    }
    return part, medoid
