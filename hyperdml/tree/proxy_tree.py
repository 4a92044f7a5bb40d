"""The tree that proxies span over images, read off in the learned space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.trees.lca import nearest_proxy
from hyperdml.metrics.trees.parent_array import node_depths, subtree_sizes
from hyperdml.tree.ancestors import nearest_ancestors


@dataclass(frozen=True)
class ProxyTree:
    """Proxies as inner nodes, images as leaves, the origin as root.

    Attributes:
        parents: (P,) int64 proxy that each proxy hangs from, `ROOT` (-1) for the origin.
        leaf_parents: (N,) int64 proxy that each image hangs from.
    """

    parents: Tensor
    leaf_parents: Tensor

    @property
    def depths(self) -> Tensor:
        """(P,) int64 edges between each proxy and the origin; all 1 in a star."""
        return node_depths(self.parents)

    @property
    def sizes(self) -> Tensor:
        """(P,) int64 images below each proxy."""
        return subtree_sizes(self.parents, self.leaf_parents)


@torch.no_grad()
def proxy_tree(points: Tensor, proxies: Tensor, c: float) -> ProxyTree:
    """Hang every image from its nearest proxy, and every proxy from the nearest one of smaller radius or the origin.

    The proxies follow `nearest_ancestors`. The images do not: any proxy may be an image's parent, whatever its radius,
    and the origin never is. Were the origin a candidate, untrained proxies would get no leaf at all (in high dimension
    it is nearer to every image than random proxies are), and there would be no tree to score.

    Args:
        points: (N, d) points of the ball, the images.
        proxies: (P, d) points of the ball.
        c: curvature magnitude.

    Returns:
        The tree, on the points' device.

    Raises:
        ValueError: no points or no proxies, widths that differ, or numbers that are not finite.
    """
    check_points(points=points, proxies=proxies)
    return ProxyTree(nearest_ancestors(proxies, proxies, c), nearest_proxy(points, proxies, c))


def check_points(**sets: Tensor) -> None:
    """Raise a ValueError unless every set is a matrix of finite numbers, not empty, and all have one width.

    Args:
        **sets: points by the name that errors call them by; the first decides about the width.
    """
    width = next(iter(sets.values())).shape[-1:]
    for name, x in sets.items():
        if x.ndim != 2 or len(x) == 0 or x.shape[1:] != width:
            expected = " and ".join(f"({letter}, d) {kind}" for letter, kind in zip("NP", sets, strict=False))
            got = " and ".join(str(tuple(x.shape)) for x in sets.values())
            raise ValueError(f"expected {expected}, got {got}")
        finite = x.isfinite().all(1)
        if not finite.all():
            raise ValueError(f"{name} row {int((~finite).nonzero()[0])} is not finite")
