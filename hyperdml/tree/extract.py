"""One way to get a tree out of embeddings: `extract_tree`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from hyperdml.geometry import curvature_of, dist0
from hyperdml.geometry.curvature import Curvature
from hyperdml.metrics.trees.lca import nearest_proxy
from hyperdml.metrics.trees.parent_array import ROOT, children_first, subtree_sizes
from hyperdml.tree.assemble import ordered, raised
from hyperdml.tree.dendrogram import Dendrogram
from hyperdml.tree.inner_points import midpoints, nearest_to_origin
from hyperdml.tree.linkage import linkage_tree
from hyperdml.tree.proxy_tree import ProxyTree, check_points, proxy_tree
from hyperdml.tree.votes import voted_parents

LINKAGES = ("average", "hyphc", "gromov")
OVER_PROXIES = ("nearest_ancestor", "lca")
DIRECT = 10_000


@torch.no_grad()
def extract_tree(
    embeddings: Tensor,
    proxies: Tensor | None = None,
    method: str = "average",
    *,
    c: Curvature,
    names: Sequence[str] | None = None,
    direct: int = DIRECT,
    seed: int = 0,
) -> Dendrogram:
    """A tree over embeddings, found in the learned space.

    With R the largest radius among the leaves (and the proxies that have leaves):

    | method | how nodes are joined | inner nodes lie at | height |
    |---|---|---|---|
    | "average" | least mean hyperbolic distance | Einstein midpoints of their leaves | that distance |
    | "hyphc" | deepest lowest common ancestor, leaves at one radius | nearest to 0 between children | R - its radius |
    | "gromov" | largest Gromov product from the origin | nearest to 0 between children | R - product |
    | "nearest_ancestor" | nearest proxy of smaller radius, see `proxy_tree` | proxies, the origin | R - radius |
    | "lca" | votes of HIER's triplets, see `voted_parents` | proxies, the origin | R - radius |

    The first three are exact up to `direct` points and go over k-means cells beyond, see `linkage_tree`. In the other
    two the origin is the root, an image hangs from its nearest proxy, proxies without images are left out, and a height
    that would lie below that of a child is raised to it (radii need not fall towards the root by votes). Over the same
    embeddings a method gives the same tree every time. "lca" is worth what its null models say (`proxy_tree_report`).

    Args:
        embeddings: (N, d) points of the ball, the leaves, on any device.
        proxies: (P, d) points of the ball, for "nearest_ancestor" and "lca" only.
        method: one of the table.
        c: curvature magnitude, the ball has curvature -c.
        names: N names of the leaves.
        direct: most points that the linkages compare pair by pair; they then take 4 N^2 bytes.
        seed: of k-means and triplets.

    Returns:
        The tree, on the CPU.

    Raises:
        ValueError: an unknown method, no embeddings, numbers that are not finite, points outside the ball, proxies that
            are missing, not used or of another width, `direct` below 2, or names that are not one for each embedding.

    Example:
        >>> points = torch.tensor([[0.5, 0.1], [0.5, -0.1], [-0.5, 0.0]])
        >>> extract_tree(points, c=1.0).parents.tolist()
        [3, 3, 4, 4, -1]
    """
    c = curvature_of(c)
    if method not in LINKAGES + OVER_PROXIES:
        raise ValueError(f"method must be one of {', '.join(LINKAGES + OVER_PROXIES)}, got {method!r}")
    if (proxies is None) == (method in OVER_PROXIES):
        raise ValueError(f"method {method!r} {'needs proxies' if proxies is None else 'takes no proxies'}")
    if direct < 2:
        raise ValueError(f"direct must be at least 2, got {direct}")
    called = None if names is None else tuple(names)
    if called is not None and len(called) != len(embeddings):
        raise ValueError(f"names must be one for each of {len(embeddings)} embeddings, got {len(called)}")
    x = _inside(embeddings, "embeddings", c)
    if proxies is None:
        check_points(embeddings=x)
        parents, heights = linkage_tree(x, c, method, direct, seed)
        return with_points(Dendrogram(parents, heights, len(x), called, None, None, c, method), x)
    x, z = x.cpu(), _inside(proxies, "proxies", c).cpu()
    check_points(embeddings=x, proxies=z)
    if method == "nearest_ancestor":
        tree = proxy_tree(x, z, c)
    else:
        tree = ProxyTree(voted_parents(x, z, c, seed), nearest_proxy(x, z, c))
    return _rooted(tree, x, z, c, called, method)


def with_points(tree: Dendrogram, embeddings: Tensor, proxies: Tensor | None = None) -> Dendrogram:
    """A tree that `extract_tree` made of these embeddings (and proxies), with the points of its inner nodes.

    They follow from the rest, so that a stored tree need not hold them.
    """
    if tree.c is None:
        raise ValueError("the tree does not say in which ball it was found: c is None")
    if tree.proxies is not None and proxies is not None:
        known = torch.cat([_float64(proxies).cpu(), proxies.new_zeros(1, proxies.shape[1]).double().cpu()])
        return replace(tree, points=known[torch.from_numpy(tree.proxies.copy())])  # the origin is the last, as index -1
    place = midpoints if tree.method == "average" else nearest_to_origin
    return replace(tree, points=place(tree.parents, _float64(embeddings).cpu(), tree.c))


def _float64(x: Tensor) -> Tensor:
    """Points in float64, where they are unless that device has none."""
    x = x.detach()
    return x.double() if x.device.type in ("cpu", "cuda") else x.cpu().double()


def _inside(x: Tensor, name: str, c: float) -> Tensor:
    """Points in float64; a ValueError if one lies outside the ball."""
    x = _float64(x)
    norm = torch.linalg.vector_norm(x, dim=-1)
    outside = (norm >= c**-0.5).nonzero()
    if len(outside) and bool(norm.isfinite().all()):
        row = int(outside[0, 0])
        raise ValueError(
            f"{name} row {row} has norm {float(norm.flatten()[row]):.4g}, outside the ball of radius {c**-0.5:.4g} "
            f"(c={c:g}); map features with ToPoincare first"
        )
    return x


def _rooted(tree: ProxyTree, x: Tensor, z: Tensor, c: float, names: tuple[str, ...] | None, method: str) -> Dendrogram:
    """The tree over the proxies that have images, with the origin as its root."""
    count = len(x)
    used = (subtree_sizes(tree.parents, tree.leaf_parents) > 0).nonzero()[:, 0]
    node = torch.full((len(z) + 1,), count + len(used))  # the last one is the root, also of index -1
    node[used] = count + torch.arange(len(used))
    above = torch.cat([node[tree.leaf_parents], node[tree.parents[used]], torch.tensor([ROOT])])
    radius = dist0(z[used], c)
    largest = torch.cat([dist0(x, c), radius]).max()
    heights = torch.cat([radius.new_zeros(count), largest - radius, largest[None]]).numpy()
    rounds = [part.numpy() for part in children_first(above)]
    heights = raised(above.numpy(), heights, rounds)
    parents, heights, order = ordered(above.numpy(), heights, np.arange(count), rounds)
    proxies = np.append(used.numpy(), ROOT)[order[count:] - count]
    return with_points(Dendrogram(parents, heights, count, names, None, proxies, c, method), x, z)
