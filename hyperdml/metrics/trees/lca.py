"""Which proxy is nearest to a point, and which is the lowest common ancestor of several: HIER's picks without noise."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry import dist0, pairwise_distance
from hyperdml.metrics.trees.parent_array import ROOT

_BLOCK = 2_000_000  # float64 distances at once, 16 MB


def nearest_proxy(points: Tensor, proxies: Tensor, c: float) -> Tensor:
    """Nearest proxy of every point by hyperbolic distance.

    Args:
        points: (N, d) points of the ball.
        proxies: (P, d) points of the ball.
        c: curvature magnitude.

    Returns:
        (N,) int64 indices into the proxies.
    """
    step = max(1, _BLOCK // len(proxies))
    return torch.cat([pairwise_distance(part, proxies, c).argmin(1) for part in points.split(step)])


def best_ancestor(points: Tensor, proxies: Tensor, members: Tensor, c: float, origin: bool = False) -> Tensor:
    """Lowest common ancestor without noise, ``argmin_p max_m d(x_m, p)`` (HIER, Kim et al., CVPR 2023, Eq. 7).

    Args:
        points: (N, d) points of the ball.
        proxies: (P, d) points of the ball.
        members: (T, m) indices of the points of each group.
        c: curvature magnitude.
        origin: the origin is a candidate too, and wins when no proxy is better.

    Returns:
        (T,) int64 indices into the proxies, `ROOT` (-1) for the origin.
    """
    step = max(1, _BLOCK // (members.shape[1] * len(proxies)))
    picks = [members.new_empty(0)]
    for part in members.split(step):
        nodes, place = part.unique(return_inverse=True)
        distance = pairwise_distance(points[nodes], proxies, c)
        cost = distance[place[:, 0]]
        for column in place.T[1:]:
            cost = torch.maximum(cost, distance[column])
        best, pick = cost.min(1)
        if origin:
            pick = torch.where(dist0(points[nodes], c)[place].amax(1) <= best, ROOT, pick)
        picks.append(pick)
    return torch.cat(picks)


def draw_pairs(ids: Tensor, count: int, generator: torch.Generator | None, apart: Tensor | None = None) -> Tensor:
    """Random pairs of items of one id: the first uniform among the items that have a partner, then its partner.

    Args:
        ids: (N,) int64.
        count: pairs to draw, with replacement.
        generator: source of the draw; None draws from torch's global one.
        apart: (N,) int64 ids in which the two must differ; None for any two different items.

    Returns:
        (count, 2) indices; (0, 2) if no item has a partner.
    """
    here = torch.arange(len(ids))
    inner = here if apart is None else apart
    # items of one id stand together, within them those that must be kept apart
    order = inner.argsort(stable=True)
    order = order[ids[order].argsort(stable=True)]
    first, size = _runs(ids[order])
    inner_first, inner_size = _runs(torch.stack([ids, inner], 1)[order])
    place = torch.empty_like(order)
    place[order] = here
    able = (size > inner_size)[place].nonzero().squeeze(1)
    if len(able) == 0:
        return able.new_empty(0, 2)
    unit = uniform((2, count), generator)
    i = able[(unit[0] * len(able)).long()]
    at = place[i]
    step = inner_size[at] + (unit[1] * (size - inner_size)[at]).long()
    return torch.stack([i, order[first[at] + (inner_first[at] - first[at] + step) % size[at]]], 1)


def uniform(shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """float64 numbers in [0, 1) on the CPU, from a generator of any device."""
    device = "cpu" if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=device, dtype=torch.float64).cpu()


def _runs(ordered: Tensor) -> tuple[Tensor, Tensor]:
    """For every row of an ordered tensor the start and the length of the run of equal rows that it is in."""
    _, run, length = ordered.unique_consecutive(return_inverse=True, return_counts=True, dim=0)
    return (length.cumsum(0) - length)[run], length[run]
