"""Proxies as lowest common ancestors: the proxy whose largest distance to the members is smallest, up to noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hyperdml.hier.chunks import CHUNK, PairGroups
from hyperdml.hier.sampling import uniform

LOG2E = math.log2(math.e)
_BLOCK = 32

Noise = tuple[Tensor, Tensor] | None


def sample_lca(
    dist: Tensor,
    members: Tensor,
    tau: float,
    noise: Tensor | None = None,
    exclude: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw one proxy per group with probability ``softmax(-max_m d(m, rho) / tau)``.

    With Gumbel noise g this is ``argmax(-max_m d(m, rho) / tau + g)``, the hard Gumbel-softmax of the released HIER
    (HIER Eq. 7 as printed has no tau and adds the noise to exp(-d), which makes it noise alone).

    Args:
        dist: (N, P) distances from nodes to proxies.
        members: (T, m) indices of the nodes of each group, m = 2 for a pair, 3 for a triplet.
        tau: temperature, positive.
        noise: (T, P) Gumbel noise; None draws fresh noise.
        exclude: (T,) proxies that must not be drawn.
        generator: source of fresh draws.

    Returns:
        (T,) int64 proxy indices.

    Raises:
        ValueError: tau is not positive, or a shape does not fit.
    """
    check_tau(tau)
    if members.ndim != 2 or members.shape[1] < 1:
        raise ValueError(f"members must be (T, m) indices, got shape {tuple(members.shape)}")
    if noise is not None and noise.shape != (len(members), dist.shape[1]):
        raise ValueError(f"noise must be {(len(members), dist.shape[1])}, got {tuple(noise.shape)}")
    dist = dist.detach()
    picks = []
    for start in range(0, len(members), CHUNK):
        part = slice(start, start + CHUNK)
        cost = dist[members[part, 0]]
        for column in range(1, members.shape[1]):
            cost = torch.maximum(cost, dist[members[part, column]])
        banned = None if exclude is None else exclude[part]
        picks.append(pick(cost, tau, None if noise is None else noise[part], banned, generator))
    return torch.cat(picks) if picks else members.new_empty(0)


def pick(
    cost: Tensor, tau: float, noise: Tensor | None, exclude: Tensor | None, generator: torch.Generator | None
) -> Tensor:
    """One draw per row of `cost` (T, P); overwrites `cost` where a proxy is excluded."""
    if exclude is not None:
        cost.scatter_(1, exclude[:, None], torch.inf)
    if noise is not None:
        return (noise - cost / tau).argmax(1)
    return draw(weights_(cost * (-LOG2E / tau)), torch.arange(len(cost), device=cost.device), generator)


def weights_(bits: Tensor) -> Tensor:
    """``2^(bits - row maximum)``, in place: unnormalised probabilities from logits in base 2, the largest 1.

    The maximum of each row is taken off before the power, so that no row underflows, however far its proxies are.
    Base 2 because torch's exp2 is several times faster than its exp on some CPUs.
    """
    return bits.sub_(bits.amax(1, keepdim=True)).exp2_()


def draw(weights: Tensor, rows: Tensor, generator: torch.Generator | None) -> Tensor:
    """One column per entry of `rows`, with probability proportional to ``weights[row]``.

    Inverse distribution function with two uniform numbers a draw in place of P Gumbel numbers: first a block of
    columns, then a column of the block, so that nothing has to be cumulated along whole rows.

    Args:
        weights: (Q, P) unnormalised probabilities, no row all 0.
        rows: (T,) row of each draw.
        generator: source of the draws.

    Returns:
        (T,) int64 columns.
    """
    columns = weights.shape[1]
    if columns % _BLOCK:
        weights = torch.nn.functional.pad(weights, (0, -columns % _BLOCK))
    blocks = weights.view(len(weights), -1, _BLOCK)
    u = uniform((2, len(rows), 1), weights, generator)
    block = _search(blocks.sum(2)[rows], u[0])
    column = _search(blocks.flatten(0, 1).index_select(0, rows * blocks.shape[1] + block), u[1])
    return (block * _BLOCK + column).clamp_max_(columns - 1)


def _search(weights: Tensor, u: Tensor) -> Tensor:
    """First column at which the cumulative weight exceeds u of the total; u < 1 keeps it off trailing zeros."""
    cumulative = weights.cumsum(1)
    return (cumulative <= u * cumulative[:, -1:]).sum(1).clamp_max_(weights.shape[1] - 1)


@torch.no_grad()
def draw_ancestors(
    logits: Tensor, groups: PairGroups, noise: Noise, exclude: bool, generator: torch.Generator | None
) -> Tensor:
    """Draw the LCA of every pair and of every triplet.

    Args:
        logits: (N, P) of node and proxy, falling with their distance: a group's logit is the smallest of its members'.
        groups: the triplets.
        noise: two (T, P) Gumbel tensors in the original order of the triplets; None draws.
        exclude: draw a triplet's LCA from the proxies without its pair's.
        generator: source of fresh draws.

    Returns:
        (2, T) int64 proxies of pairs and triplets, in the order of the groups.
    """
    bits = logits * LOG2E
    space = groups.space(2, bits)
    picks = [groups.order.new_empty(2, 0)]
    for part, pairs, slot in groups.chunks():
        upper, triple = space[:, : len(slot)]
        pair = torch.minimum(bits.index_select(0, pairs[0]), bits.index_select(0, pairs[1]))
        torch.index_select(pair, 0, slot, out=upper)
        torch.index_select(bits, 0, groups.nodes[part, 2], out=triple)
        torch.minimum(triple, upper, out=triple)
        if noise is None:
            first = draw(weights_(pair), slot, generator)
        else:
            first = upper.add_(noise[0][groups.order[part]], alpha=LOG2E).argmax(1)
        if exclude:
            triple.scatter_(1, first[:, None], -torch.inf)
        if noise is None:
            second = draw(weights_(triple), torch.arange(len(slot), device=slot.device), generator)
        else:
            second = triple.add_(noise[1][groups.order[part]], alpha=LOG2E).argmax(1)
        picks.append(torch.stack([first, second]))
    return torch.cat(picks, 1)


def check_tau(tau: float) -> None:
    """Raise a ValueError unless tau is positive."""
    if not tau > 0:
        raise ValueError(f"tau must be positive, got {tau!r}")
