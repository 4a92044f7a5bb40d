"""Parents by distance: a node hangs from the nearest proxy that lies closer to the origin, or from the origin."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry import dist0, pairwise_distance
from hyperdml.metrics.trees.parent_array import ROOT

_BLOCK = 4096
_LEVEL = 1e-4


@torch.no_grad()
def nearest_ancestors(nodes: Tensor, proxies: Tensor, c: float) -> Tensor:
    """Parent of every node among the proxies, in the learned space.

    Candidates are the proxies that lie closer to the origin than the node, by more than one part in ten thousand (what
    lies on one sphere is not ordered by rounding), and the origin itself; the nearest in hyperbolic distance is the
    parent. Because radii fall along every edge the result has no cycle, also when the nodes are the proxies themselves.
    (The released notebook applies such a rule to a 2-D picture instead.)

    Args:
        nodes: (N, d) points of the ball, images or proxies.
        proxies: (P, d) points of the ball.
        c: curvature magnitude.

    Returns:
        (N,) int64 indices into the proxies, `ROOT` (-1) for the origin.
    """
    proxy_radius = dist0(proxies, c)
    parents = []
    for part in nodes.split(_BLOCK):
        radius = dist0(part, c)
        distance = pairwise_distance(part, proxies, c).to(radius.dtype)
        distance = distance.masked_fill(proxy_radius[None] >= radius[:, None] * (1 - _LEVEL), torch.inf)
        nearest, index = distance.min(1)
        parents.append(torch.where(nearest < radius, index, ROOT))
    return torch.cat(parents)
