"""HIER on levels of proxies (`mode="default"`): triplets whose scale fits a level, ancestors without noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hyperdml.hier.chunks import CHUNK
from hyperdml.hier.sampling import uniform


class LevelPicks(NamedTuple):
    """Triplets and their ancestors.

    Attributes:
        triplets: (T, 3) rows (i, j, k) of the batch.
        near: (T,) column of the ancestor of (i, j).
        far: (T,) column of the ancestor of (i, j, k), one level up.
    """

    triplets: Tensor
    near: Tensor
    far: Tensor


def level_triplets(
    similarity: Tensor, levels: Sequence[int], per_level: int, generator: torch.Generator | None = None
) -> Tensor:
    """Triplets whose members are as far apart as the proxies of a level are.

    Sort the others of anchor i by similarity. A level of K proxies cuts N points into cells of N / K: for level l,
    ``j`` is uniform over the ranks 1 .. m_l of one cell, ``m_l = N / K_l`` rounded down and at least 1, and ``k`` over
    the ranks m_l + 1 .. m_(l-1) that the cell one level up has more, K_0 = 1. At levels finer than the batch j is the
    nearest point and k the second nearest.

    Args:
        similarity: (N, N), larger is nearer; the diagonal is not looked at. N >= 3.
        levels: numbers of proxies, coarse to fine.
        per_level: triplets per anchor and level.
        generator: source of the draws.

    Returns:
        (L, N, per_level, 3) int64 indices (i, j, k), three different points.

    Raises:
        ValueError: similarity is not square, or N < 3.
    """
    n = len(similarity)
    if similarity.ndim != 2 or similarity.shape[1] != n or n < 3:
        raise ValueError(f"similarity must be (N, N) with N >= 3, got {tuple(similarity.shape)}")
    others = similarity.detach().clone().fill_diagonal_(torch.inf).argsort(dim=1, descending=True)[:, 1:]
    u = uniform((len(levels), n, per_level, 2), similarity, generator)
    anchors = torch.arange(n, device=others.device)[:, None].expand(n, per_level)
    found = []
    for own, above, draw in zip(levels, (1, *levels), u, strict=False):
        cell = min(max(1, n // own), n - 2)
        more = max(1, min(n // above, n - 1) - cell)
        j = (draw[..., 0] * cell).long().clamp_max(cell - 1)
        k = cell + (draw[..., 1] * more).long().clamp_max(more - 1)
        found.append(torch.stack([anchors, others[anchors, j], others[anchors, k]], -1))
    return torch.stack(found)


def closest_ancestor(dist: Tensor, members: Tensor) -> Tensor:
    """``argmin_rho max_m d(m, rho)``: the lowest common ancestor without noise.

    Args:
        dist: (N, P) distances from nodes to candidates.
        members: (T, m) nodes of every group.

    Returns:
        (T,) int64 columns.
    """
    dist = dist.detach()
    picks = []
    for part in members.split(CHUNK):
        cost = dist[part[:, 0]]
        for column in part.T[1:]:
            cost = torch.maximum(cost, dist[column])
        picks.append(cost.argmin(1))
    return torch.cat(picks)


def pick_ancestors(dist: Tensor, triplets: Tensor, levels: Sequence[int]) -> LevelPicks:
    """Ancestor of (i, j) among the proxies of the triplet's level, of (i, j, k) among those one level up.

    Args:
        dist: (N, sum(levels) + 1) distances to the proxies, coarsest level first, and to the origin last; the origin
            is the one candidate above the coarsest level.
        triplets: (L, N, t, 3) from `level_triplets`.
        levels: numbers of proxies, coarse to fine.

    Returns:
        Flat triplets and the columns of their ancestors.
    """
    near, far = [], []
    root = dist.shape[1] - 1
    above = slice(root, root + 1)
    end = 0
    for size, level in zip(levels, triplets.flatten(1, 2), strict=True):
        own = slice(end, end + size)
        near.append(closest_ancestor(dist[:, own], level[:, :2]) + own.start)
        far.append(closest_ancestor(dist[:, above], level) + above.start)
        above, end = own, own.stop
    return LevelPicks(triplets.flatten(0, 2), torch.cat(near), torch.cat(far))


def level_hinge(dist: Tensor, picks: LevelPicks, margin: float) -> Tensor:
    """Mean over triplets of the HIER hinges (Eq. 8) at the given ancestors.

    ``[d(i, a) - d(i, b) + m]_+ + [d(j, a) - d(j, b) + m]_+ + [d(k, b) - d(k, a) + m]_+`` with a the ancestor of (i, j)
    and b that of (i, j, k).

    Args:
        dist: (N, P + 1) distances, differentiable.
        picks: triplets and ancestors.
        margin: m.
    """
    near, far = dist[picks.triplets.T, picks.near], dist[picks.triplets.T, picks.far]
    gap = near - far
    return (torch.cat([gap[:2], -gap[2:]]) + margin).clamp_min(0).sum(0).mean()


def level_attraction(dist: Tensor, picks: LevelPicks) -> Tensor:
    """Mean squared distance between ancestors and their members, which the hinge lacks.

    ``mean (d(i,a)^2 + d(j,a)^2) / 8 + mean (d(i,b)^2 + d(j,b)^2 + d(k,b)^2) / 12``: its minimum over an ancestor is
    the Fréchet mean of its members. Without it the proxies drift to one shell.

    Args:
        dist: (N, P + 1) distances, differentiable.
        picks: triplets and ancestors.
    """
    near, far = dist[picks.triplets.T[:2], picks.near], dist[picks.triplets.T, picks.far]
    return near.square().sum(0).mean() / 8 + far.square().sum(0).mean() / 12


def usage_gap(dist: Tensor, levels: Sequence[int], temperature: float) -> Tensor:
    """How unevenly a batch uses the proxies: ``sum_l log K_l - H(mean_i softmax(-d(i, .) / temperature))``.

    The softmax is taken within each level, H is the entropy; 0 if every proxy of a level gets the same share.

    Args:
        dist: (N, P or more) distances to the proxies, coarsest level first, differentiable.
        levels: numbers of proxies, coarse to fine; columns beyond them are not looked at.
        temperature: of the soft assignment.
    """
    gap = dist.new_zeros(())
    for part in dist[:, : sum(levels)].split(list(levels), 1):
        share = (-part / temperature).softmax(1).mean(0)
        gap = gap + math.log(part.shape[1]) + torch.special.xlogy(share, share.clamp_min(1e-12)).sum()
    return gap


def triplet_hinge(dist: Tensor, triplets: Tensor, margin: float, weight: Tensor | None = None) -> Tensor:
    """Plain triplet loss ``mean [d(i, j) - d(i, k) + m]_+``: the control that uses no proxy.

    Args:
        dist: (N, N) distances within the batch, differentiable.
        triplets: (T, 3).
        margin: m.
        weight: (T,) weight of each triplet, 0 to leave it out; the mean divides by their sum (0 if that is 0).
    """
    i, j, k = triplets.T
    hinge = (dist[i, j] - dist[i, k] + margin).clamp_min(0)
    if weight is None:
        return hinge.mean()
    return (hinge * weight).sum() / weight.sum().clamp_min(1)
