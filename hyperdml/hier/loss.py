"""The HIER objective on a distance matrix: three hinges a triplet, gradient straight through the LCA draws."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hyperdml.hier.lca import CHUNK, check_tau, lca_weights, pick
from hyperdml.hier.sampling import uniform


def hier_triplet_loss(
    dist: Tensor,
    triplets: Tensor,
    tau: float,
    margin: float,
    noise: tuple[Tensor, Tensor] | None = None,
    exclude_pair_lca: bool = False,
    reduction: Literal["mean", "sum"] = "mean",
    *,
    weight: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """HIER loss of triplets (HIER Eq. 8, 9).

    With rho the LCA drawn for (i, j) and rho' the one drawn for (i, j, k) (`sample_lca`), a triplet costs ::

        [d(i, rho) - d(i, rho') + margin]_+ + [d(j, rho) - d(j, rho') + margin]_+ + [d(k, rho') - d(k, rho) + margin]_+

    and nothing if rho = rho'. The gradient is that of straight-through Gumbel-softmax at temperature 1: hard picks
    forward, soft weights backward. Without given noise the soft weights are drawn conditionally on the picks, which has
    the same law and needs no T x P noise. Work space is bounded: triplets go through in chunks, and only those with an
    active hinge are visited backward.

    Args:
        dist: (N, P) distances from nodes (images, or proxies) to proxies; differentiable.
        triplets: (T, 3) indices (i, j, k) of nodes.
        tau: temperature of the draws.
        margin: hinge margin.
        noise: two (T, P) Gumbel tensors for the pair and the triplet draw; None draws.
        exclude_pair_lca: draw rho' from the proxies without rho (paper) instead of from all (released code).
        reduction: "mean" over the triplets or "sum" (paper).
        weight: (T,) weight of each triplet, 0 to leave it out; the mean divides by their sum.
        generator: source of fresh draws.

    Returns:
        Scalar; 0 with gradient 0 if there is no triplet.

    Raises:
        ValueError: tau is not positive, reduction is unknown, or a shape does not fit.
    """
    check_tau(tau)
    if triplets.ndim != 2 or triplets.shape[1] != 3:
        raise ValueError(f"triplets must be (T, 3), got {tuple(triplets.shape)}")
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")
    if exclude_pair_lca and dist.shape[1] < 2:
        raise ValueError("exclude_pair_lca needs at least two proxies")
    shape = (len(triplets), dist.shape[1])
    if noise is not None and (noise[0].shape != shape or noise[1].shape != shape):
        raise ValueError(f"noise must be two tensors of shape {shape}, got {[tuple(g.shape) for g in noise]}")
    if weight is None:
        weight = dist.new_ones(len(triplets))
    total: Tensor = _StraightThroughHinge.apply(
        dist, triplets, weight.to(dist.dtype), tau, margin, noise, exclude_pair_lca, generator
    )
    if reduction == "sum":
        return total
    # no triplet: 0 / 1
    size = weight.sum()
    return total / torch.where(size > 0, size, 1.0)


class _StraightThroughHinge(torch.autograd.Function):
    """Weighted sum of the hinges.

    Backward: with f the active hinges and v = f1 D_i + f2 D_j - f3 D_k, the soft weights y of the pair draw receive
    the gradient v and those of the triplet draw -v; through ``y = softmax(-m / tau + g)`` the costs m receive
    ``-y (v - <y, v>) / tau``, and the maximum in m hands it to the farthest member.
    """

    @staticmethod
    def forward(
        ctx: Any,
        dist: Tensor,
        triplets: Tensor,
        weight: Tensor,
        tau: float,
        margin: float,
        noise: tuple[Tensor, Tensor] | None,
        exclude: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        picks = []
        for start in range(0, len(triplets), CHUNK):
            part = slice(start, start + CHUNK)
            pair, triple, *_ = _costs(dist, triplets[part])
            g = (None, None) if noise is None else (noise[0][part], noise[1][part])
            first = pick(pair, tau, g[0], None, generator)
            second = pick(triple, tau, g[1], first if exclude else None, generator)
            picks.append(torch.stack([first, second]))
        first, second = torch.cat(picks, 1) if picks else triplets.new_empty(2, 0)
        near, far = dist[triplets.T, first], dist[triplets.T, second]  # (3, T) distances of i, j, k
        gap = near - far
        hinge = (torch.stack([gap[0], gap[1], -gap[2]]) + margin).clamp_min_(0) * (first != second)
        ctx.save_for_backward(dist, triplets, first, second, (hinge > 0) * weight)
        ctx.settings = tau, noise, exclude, generator
        return (hinge * weight).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        dist, triplets, first, second, active = ctx.saved_tensors
        tau, noise, exclude, generator = ctx.settings
        grad_dist = torch.zeros_like(dist)
        on = active.any(0).nonzero()[:, 0]
        triplets, first, second = triplets[on], first[on], second[on]
        f = active[:, on] * grad
        f[2].neg_()
        for node, value in zip(triplets.T, f, strict=True):
            grad_dist.index_put_((node, first), value, accumulate=True)
            grad_dist.index_put_((node, second), -value, accumulate=True)
        for start in range(0, len(on), CHUNK):
            part = slice(start, start + CHUNK)
            i, j, k = triplets[part].T
            pair, triple, d_i, d_j, d_k = _costs(dist, triplets[part])
            k_farthest, i_farther = d_k > pair, d_i > d_j
            v = d_i.mul_(f[0, part, None]).addcmul_(d_j, f[1, part, None]).addcmul_(d_k, f[2, part, None])
            if exclude:
                triple.scatter_(1, first[part, None], torch.inf)
            g = (None, None) if noise is None else (noise[0][on[part]], noise[1][on[part]])
            to_pair = _through_soft(pair, v, first[part], tau, g[0], generator)
            to_triple = _through_soft(triple, v.neg_(), second[part], tau, g[1], generator)
            to_k = to_triple * k_farthest
            to_pair += to_triple - to_k
            to_i = to_pair * i_farther
            grad_dist.index_add_(0, i, to_i)
            grad_dist.index_add_(0, j, to_pair - to_i)
            grad_dist.index_add_(0, k, to_k)
        return grad_dist, *[None] * 7


def _costs(dist: Tensor, triplets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Largest distances of the pairs and of the triplets to every proxy, and the rows of i, j and k."""
    d_i, d_j, d_k = (dist[node] for node in triplets.T)
    pair = torch.maximum(d_i, d_j)
    return pair, torch.maximum(pair, d_k), d_i, d_j, d_k


def _through_soft(
    cost: Tensor, v: Tensor, winner: Tensor, tau: float, noise: Tensor | None, generator: torch.Generator | None
) -> Tensor:
    """Gradient of the costs through the soft sample, for a gradient v of that sample."""
    if noise is not None:
        soft = (noise - cost / tau).softmax(1)
    else:
        # Gumbel-max is a race of exponentials E / w: the soft sample is proportional to the inverse times. Given the
        # winner its time is Exp(sum w), and the others trail it by fresh exponentials.
        weights = lca_weights(cost, tau)
        times = _exponential(tuple(cost.shape), cost, generator)
        best = _exponential((len(cost), 1), cost, generator) / weights.sum(1, keepdim=True)
        times.scatter_(1, winner[:, None], 0).div_(weights).add_(best)
        soft = times.reciprocal_()
        soft /= soft.sum(1, keepdim=True)
    return soft * (v - (soft * v).sum(1, keepdim=True)) * (-1 / tau)


def _exponential(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Exp(1) numbers, never 0 and never infinite: torch draws an exact 0 about once in 2^24."""
    return -uniform(shape, like, generator).clamp_(torch.finfo(like.dtype).tiny, 1 - torch.finfo(like.dtype).eps).log_()
