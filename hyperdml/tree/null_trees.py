"""Trees grown by the same method from points or proxies of which one thing has been taken away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hyperdml.geometry import dist0
from hyperdml.metrics.trees.nulls import permutation, permuted_radii, random_directions
from hyperdml.metrics.trees.tree_scores import DIRECTIONS, GrownTree
from hyperdml.neighbors import HyperbolicKNN
from hyperdml.tree.dendrogram import Dendrogram
from hyperdml.tree.extract import DIRECT, extract_tree
from hyperdml.tree.shape import Floats

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PROXY_DIRECTIONS = "proxies in random directions"
PROXY_RADII = "proxy radii permuted"
POINT_RADII = "point radii permuted"
_SPREAD = 1e-3  # of radii, as a share of their mean: less is rounding of points at one clipping radius
NEIGHBOURS, ASKED = 10, 5000  # neighbours of a point, points that are asked for theirs

Draw = Callable[[torch.Generator | None], GrownTree]
Change = Callable[[Tensor, torch.Generator | None], Tensor]


def null_trees(
    points: Tensor,
    proxies: Tensor | None,
    c: float,
    method: str,
    *,
    direct: int = DIRECT,
    seed: int = 0,
) -> dict[str, Draw]:
    """Null models of a tree of `extract_tree`, for `tree_scores`.

    Of linkages *random directions*: points of the same radii in independent uniform directions; and where radii differ
    *point radii permuted*: the radii dealt anew to the points, which keep their directions. Heights, neighbours and
    radii of a tree grown from these are its own, so that what any linkage has does not count as a finding. Of methods
    over proxies *proxies in random directions* (of the same radii) and *proxy radii permuted*; the images stay.

    Args:
        points: (N, d) points of the ball.
        proxies: (P, d) points of the ball, for methods over proxies.
        c: curvature magnitude.
        method: see `extract_tree`.
        direct: see `extract_tree`.
        seed: see `extract_tree`.

    Returns:
        Name of every null model to a function that draws a tree of it.
    """
    x = points.detach().cpu().double()
    if proxies is not None:
        z = proxies.detach().cpu().double()
        changes = {PROXY_DIRECTIONS: random_directions, PROXY_RADII: permuted_radii}
        return {name: partial(_over, x, z, c, method, seed, change) for name, change in changes.items()}
    changes = {DIRECTIONS: random_directions}
    radius = dist0(x, c)
    if float(radius.std(correction=0)) > _SPREAD * float(radius.mean()):
        changes[POINT_RADII] = permuted_radii
    grow = partial(extract_tree, method=method, c=c, direct=direct, seed=seed)
    return {name: partial(_of_points, x, c, grow, change) for name, change in changes.items()}


def scored_radii(tree: Dendrogram) -> Floats | None:
    """(M,) hyperbolic distance of every inner node to the origin, 0 at leaves; None where nodes have no points."""
    if tree.points is None or tree.c is None:
        return None
    return np.r_[np.zeros(tree.num_leaves), dist0(tree.points, tree.c).numpy()]


def _of_points(
    x: Tensor, c: float, grow: Callable[[Tensor], Dendrogram], change: Change, generator: torch.Generator | None
) -> GrownTree:
    moved = change(x, generator)
    tree = grow(moved)
    return GrownTree(tree.parents, tree.heights, moved, neighbour_graph(moved, c, generator), scored_radii(tree))


def _over(
    x: Tensor, z: Tensor, c: float, method: str, seed: int, change: Change, generator: torch.Generator | None
) -> GrownTree:
    tree = extract_tree(x, change(z, generator), method, c=c, seed=seed)
    return GrownTree(tree.parents, tree.heights, radii=scored_radii(tree))


def neighbour_graph(points: Tensor, c: float, generator: torch.Generator | None) -> csr_array:
    """(N, N) 1 where a point is among the 10 nearest of another; only 5,000 random points are asked where N is larger.

    Args:
        points: (N, d) points of the ball.
        c: curvature magnitude.
        generator: of the sample.
    """
    from scipy.sparse import csr_array

    n = len(points)
    asked = permutation(n, generator)[:ASKED] if n > ASKED else torch.arange(n)
    k = min(NEIGHBOURS, n - 1)
    # asked points come first, so that each can be left out of its own neighbours
    rest = torch.ones(n, dtype=torch.bool)
    rest[asked] = False
    order = torch.cat([asked, rest.nonzero()[:, 0]])
    ordered = points[order]
    found = HyperbolicKNN(c=c)(ordered[: len(asked)], k, ordered, ref_includes_query=True)[1]
    rows, columns = asked.repeat_interleave(k).numpy(), order[found.flatten()].numpy()
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(n, n))
