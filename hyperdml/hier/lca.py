"""Proxies as lowest common ancestors: the proxy whose largest distance to the members is smallest, up to noise."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.hier.sampling import uniform

CHUNK = 1024  # triplets handled at a time: bounds the work space to CHUNK x P numbers


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
    # inverse distribution function: one uniform number a row in place of P Gumbel numbers
    cumulative = lca_weights(cost, tau).cumsum_(1)
    u = uniform((len(cost), 1), cost, generator).clamp_max_(1 - 1e-6)
    return torch.searchsorted(cumulative, u * cumulative[:, -1:], right=True)[:, 0].clamp_max_(cost.shape[1] - 1)


def lca_weights(cost: Tensor, tau: float) -> Tensor:
    """``exp(-(cost - row minimum) / tau)``: unnormalised probabilities, largest 1."""
    return (cost - cost.amin(1, keepdim=True)).mul_(-1 / tau).exp_()


def check_tau(tau: float) -> None:
    """Raise a ValueError unless tau is positive."""
    if not tau > 0:
        raise ValueError(f"tau must be positive, got {tau!r}")
