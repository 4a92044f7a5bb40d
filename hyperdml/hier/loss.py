"""The HIER objective on a distance matrix: three hinges a triplet, gradient straight through the LCA draws."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hyperdml.hier.chunks import PairGroups
from hyperdml.hier.lca import LOG2E, Noise, check_tau, draw_ancestors, weights_
from hyperdml.hier.sampling import Exponentials


def hier_triplet_loss(
    dist: Tensor,
    triplets: Tensor,
    tau: float,
    margin: float,
    noise: Noise = None,
    exclude_pair_lca: bool = False,
    reduction: Literal["mean", "sum"] = "mean",
    *,
    lca: Literal["softmax", "printed"] = "softmax",
    straight_through: bool = True,
    weight: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """HIER loss of triplets (HIER Eq. 8, 9).

    With rho the LCA drawn for (i, j) and rho' the one drawn for (i, j, k), a triplet costs ::

        [d(i, rho) - d(i, rho') + margin]_+ + [d(j, rho) - d(j, rho') + margin]_+ + [d(k, rho') - d(k, rho) + margin]_+

    and nothing if rho = rho'. The gradient is that of straight-through Gumbel-softmax at temperature 1: hard picks
    forward, soft weights backward. Without given noise the soft weights are drawn conditionally on the picks, which has
    the same law and needs no T x P noise.

    Work space: triplets go through in chunks, about ten times CHUNK x P numbers at once (8 times as many on a GPU),
    beside a handful of N x P matrices. On a CPU triplets are ordered by their pair (i, j), so that what depends on
    the pair alone is computed once for all that share it, and backward visits only triplets with an active hinge. On
    a GPU all shapes are fixed and nothing waits for the device.

    Args:
        dist: (N, P) distances from nodes (images, or proxies) to proxies; differentiable.
        triplets: (T, 3) indices (i, j, k) of nodes.
        tau: temperature of the draws.
        margin: hinge margin.
        noise: two (T, P) Gumbel tensors for the pair and the triplet draw; None draws.
        exclude_pair_lca: draw rho' from the proxies without rho (paper) instead of from all (released code).
        reduction: "mean" over the triplets or "sum" (paper).
        lca: draws by ``-max d / tau`` plus Gumbel noise ("softmax"), or by ``exp(-max d)`` plus it, which is Eq. 7 as
            printed and ignores tau.
        straight_through: False leaves the soft weights out of the gradient, so that only the distances to the picked
            proxies get one. That is another estimator, cheaper and biased; it is not HIER's.
        weight: (T,) weight of each triplet, 0 to leave it out; the mean divides by their sum.
        generator: source of fresh draws.

    Returns:
        Scalar; 0 with gradient 0 if there is no triplet.

    Raises:
        ValueError: tau is not positive, reduction or lca is unknown, or a shape does not fit.
    """
    if torch.compiler.is_compiling():
        # unrolled into a graph, the chunks and their draws would compile for minutes
        eager = torch.compiler.disable(hier_triplet_loss)
        return eager(
            dist,
            triplets,
            tau,
            margin,
            noise,
            exclude_pair_lca,
            reduction,
            lca=lca,
            straight_through=straight_through,
            weight=weight,
            generator=generator,
        )
    check_tau(tau)
    if triplets.ndim != 2 or triplets.shape[1] != 3:
        raise ValueError(f"triplets must be (T, 3), got {tuple(triplets.shape)}")
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', got {reduction!r}")
    if lca not in ("softmax", "printed"):
        raise ValueError(f"lca must be 'softmax' or 'printed', got {lca!r}")
    if exclude_pair_lca and dist.shape[1] < 2:
        raise ValueError("exclude_pair_lca needs at least two proxies")
    shape = (len(triplets), dist.shape[1])
    if noise is not None and (noise[0].shape != shape or noise[1].shape != shape):
        raise ValueError(f"noise must be two tensors of shape {shape}, got {[tuple(g.shape) for g in noise]}")
    # both fall with the distance, so the logit of a group is the smallest of its members'
    logits = dist / -tau if lca == "softmax" else torch.exp(-dist)
    groups = PairGroups.of(triplets, len(dist))
    picks = draw_ancestors(logits.detach(), groups, noise, exclude_pair_lca, generator)
    weight = dist.new_ones(len(triplets)) if weight is None else weight.to(dist.dtype)[groups.order]
    places = groups.nodes.T * dist.shape[1] + picks[:, None]  # (2, 3, T), of i, j, k to rho and to rho'
    near, far = dist.flatten().index_select(0, places.flatten()).view_as(places)
    gap = near - far
    hinge = torch.relu(torch.stack([gap[0], gap[1], -gap[2]]) + margin) * ((picks[0] != picks[1]) * weight)
    total = hinge.sum()
    if straight_through:
        active = (hinge.detach() > 0) * weight
        through_soft: Tensor = _SoftDraws.apply(
            logits, dist.detach(), groups, picks, active, noise, exclude_pair_lca, generator
        )
        total = total + through_soft
    if reduction == "sum":
        return total
    # no triplet: 0 / 1
    size = weight.sum()
    return total / torch.where(size > 0, size, 1.0)


class _SoftDraws(torch.autograd.Function):
    """What the soft weights add to the gradient; the value is 0.

    With f the active hinges and v = f1 D_i + f2 D_j - f3 D_k, the soft weights y of the pair draw receive the gradient
    v and those of the triplet draw -v; through ``y = softmax(m + g)`` the logits m receive ``y (v - <y, v>)``, and the
    minimum in m hands it to the farthest member.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        dist: Tensor,
        groups: PairGroups,
        picks: Tensor,
        active: Tensor,
        noise: Noise,
        exclude: bool,
        generator: torch.Generator | None,
    ) -> Tensor:
        ctx.save_for_backward(logits, dist, picks, active)
        ctx.settings = groups, noise, exclude, generator
        return dist.new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        logits, dist, picks, active = ctx.saved_tensors
        groups, noise, exclude, generator = ctx.settings
        if active.is_cpu:
            on = active.any(0).nonzero()[:, 0]
            groups, picks, active = groups.only(on), picks[:, on], active[:, on]
        near, far = picks
        f = (active * grad).T.contiguous()
        f[:, 2].neg_()
        bits = logits * LOG2E
        result = torch.zeros_like(bits)
        exponentials = Exponentials(bits, generator)
        space = groups.space(4, bits)
        for part, (i, j), slot in groups.chunks():
            upper, triple, k_farthest, work = space[:, : len(slot)]
            nodes = groups.nodes[part]
            k = nodes[:, 2]
            of_i, of_j = bits.index_select(0, i), bits.index_select(0, j)
            pair = torch.minimum(of_i, of_j)
            torch.index_select(pair, 0, slot, out=upper)
            torch.index_select(bits, 0, k, out=triple)
            # comparisons as 0.0 and 1.0: products with them are several times faster than masks
            torch.lt(triple, upper, out=k_farthest)
            torch.minimum(triple, upper, out=triple)
            v = torch.nn.functional.embedding_bag(nodes, dist, mode="sum", per_sample_weights=f[part])
            if exclude:
                triple.scatter_(1, near[part, None], -torch.inf)
            if noise is None:
                weights = torch.index_select(weights_(pair), 0, slot, out=upper)
                soft = _inverse_times(weights, near[part], exponentials, work)
                to_pair = _through_softmax(soft, v, work)
                soft = _inverse_times(weights_(triple), far[part], exponentials, upper)
                to_triple = _through_softmax(soft, v, upper)
            else:
                g = [given[groups.order[part]] for given in noise]
                to_pair = _through_softmax(weights_(upper.add_(g[0], alpha=LOG2E)), v, work)
                to_triple = _through_softmax(weights_(triple.add_(g[1], alpha=LOG2E)), v, upper)
            to_pair -= to_triple
            to_k = k_farthest.mul_(to_triple)
            to_pair += to_k
            result.index_add_(0, k, to_k, alpha=-1)
            to_pair = torch.zeros_like(pair).index_add_(0, slot, to_pair)
            to_i = torch.lt(of_i, of_j, out=pair).mul_(to_pair)
            result.index_add_(0, i, to_i)
            result.index_add_(0, j, to_pair.sub_(to_i))
        return result, *[None] * 7


def _inverse_times(weights: Tensor, winner: Tensor, exponentials: Exponentials, work: Tensor) -> Tensor:
    """Soft weights of Gumbel-softmax given the winner, up to a factor, in place of the weights; overwrites `work`.

    Gumbel-max is a race of exponentials with times E / w, and the soft sample is proportional to the inverse times.
    Given the winner, its time t is Exp(sum w), and the others trail it by fresh exponentials: the inverse times are
    ``1 / (t + E / w) = w / (w t + E)``.
    """
    minus = exponentials.fill_negative_(work)
    best = minus.gather(1, winner[:, None]) / weights.sum(1, keepdim=True)
    minus.scatter_(1, winner[:, None], 0)
    return weights.div_(minus.addcmul_(weights, best))


def _through_softmax(soft: Tensor, v: Tensor, out: Tensor) -> Tensor:
    """``y (v - <y, v>)`` with y the rows of `soft` over their sums."""
    total = soft.sum(1, keepdim=True)
    mean = torch.mul(soft, v, out=out).sum(1, keepdim=True) / total
    return torch.sub(v, mean, out=out).mul_(soft).div_(total)
