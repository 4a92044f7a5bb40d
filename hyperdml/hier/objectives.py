"""What a mode of HIER computes from points, proxies and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from hyperdml.hier.levels import (
    LevelPicks,
    level_attraction,
    level_hinge,
    level_triplets,
    pick_ancestors,
    triplet_hinge,
    usage_gap,
)
from hyperdml.hier.loss import hier_triplet_loss
from hyperdml.hier.sampling import draw_triplets
from hyperdml.hier.spaces import Space
from hyperdml.neighbors.reciprocal import reciprocal_mask

SampleLoss = Literal["lca", "triplet"]


class HIERTerms(NamedTuple):
    """The two parts of the objective: what moves the samples, and what moves the proxies alone."""

    samples: Tensor
    proxies: Tensor


class Objective(Protocol):
    """A mode of HIER."""

    def __call__(
        self,
        space: Space,
        points: Tensor,
        labels: Tensor | None,
        proxies: Tensor,
        generator: torch.Generator | None,
    ) -> HIERTerms:
        """The terms for (N, d) points, (N,) labels or None, and (P, d) proxies."""


@dataclass(frozen=True)
class Reciprocal:
    """The published objective over k-reciprocal neighbours: modes "official" and "paper".

    As released, samples of one label count as nearest, K counts the point itself, the anchor may be its own x_k, and
    the ancestor of (i, j, k) may be that of (i, j). None of this is so in the paper.
    """

    k: int
    per_anchor: int
    tau: float
    margin: float
    reduction: Literal["mean", "sum"]
    lca: Literal["softmax", "printed"]
    sample_loss: SampleLoss
    as_released: bool

    def __call__(
        self,
        space: Space,
        points: Tensor,
        labels: Tensor | None,
        proxies: Tensor,
        generator: torch.Generator | None,
    ) -> HIERTerms:
        """Means over triplets of samples, and over triplets of proxies."""
        within = self.sample_loss == "triplet"
        own = space.pairwise(points, points) if within else space.pairwise(points.detach(), points.detach())
        similarity = relatedness(own, labels if self.as_released else None)
        triplets, weight = self._triplets(similarity, generator)
        if within:
            hinge = triplet_hinge(own, triplets, self.margin, weight)
            return HIERTerms(hinge * weight.sum() if self.reduction == "sum" else hinge, nothing(proxies))
        samples = self._loss(space.pairwise(points, proxies), triplets, weight, generator)
        between = space.pairwise(proxies, proxies)
        triplets, weight = self._triplets(relatedness(between, None), generator)
        return HIERTerms(samples, self._loss(between, triplets, weight, generator))

    def _triplets(self, similarity: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        mask = reciprocal_mask(similarity, self.k if self.as_released else self.k + 1)
        triplets, valid = draw_triplets(mask, self.per_anchor, generator, anchor_as_negative=self.as_released)
        return triplets.flatten(0, 1), valid.repeat_interleave(self.per_anchor)

    def _loss(self, dist: Tensor, triplets: Tensor, weight: Tensor, generator: torch.Generator | None) -> Tensor:
        return hier_triplet_loss(
            dist,
            triplets,
            self.tau,
            self.margin,
            exclude_pair_lca=not self.as_released,
            reduction=self.reduction,
            lca=self.lca,
            weight=weight,
            generator=generator,
        )


@dataclass(frozen=True)
class Levelled:
    """Our objective over levels of proxies: mode "default"."""

    levels: tuple[int, ...]
    per_anchor: int
    margin: float
    attraction: float
    balance: float
    sample_loss: SampleLoss

    def __call__(
        self,
        space: Space,
        points: Tensor,
        labels: Tensor | None,
        proxies: Tensor,
        generator: torch.Generator | None,
    ) -> HIERTerms:
        """Hinge on the samples with the proxies held, and attraction of the proxies with the samples held."""
        if len(points) < 3:  # no triplet
            return HIERTerms(nothing(points), nothing(proxies))
        within = self.sample_loss == "triplet"
        own = space.pairwise(points, points) if within else space.pairwise(points.detach(), points.detach())
        per_level = max(1, self.per_anchor // len(self.levels))
        triplets = level_triplets(relatedness(own, labels), self.levels, per_level, generator)
        # a learned curvature is held too: shrinking it would shorten all distances at once
        to_proxies = with_origin(space.held(), points.detach(), proxies)
        picks = self.pick(to_proxies, triplets, generator)
        if within:
            samples = triplet_hinge(own, picks.triplets, self.margin)
        else:
            samples = level_hinge(with_origin(space, points, proxies.detach()), picks, self.margin)
        return HIERTerms(samples, self.proxy_loss(space.held(), proxies, to_proxies, picks, generator))

    def pick(self, to_proxies: Tensor, triplets: Tensor, generator: torch.Generator | None) -> LevelPicks:
        """Ancestors of the triplets."""
        return pick_ancestors(to_proxies, triplets, self.levels)

    def proxy_loss(
        self, space: Space, proxies: Tensor, to_proxies: Tensor, picks: LevelPicks, generator: torch.Generator | None
    ) -> Tensor:
        """What moves the proxies: (N, P + 1) distances with the samples held."""
        # the temperature follows the scale of the distances, as the margin does
        uneven = usage_gap(to_proxies, self.levels, self.margin / 2)
        return self.attraction * level_attraction(to_proxies, picks) + self.balance * uneven


def nothing(x: Tensor) -> Tensor:
    """0 with gradient 0, so that a part without a triplet can be trained like any other."""
    return 0 * x.sum() + 0.0  # not -0.0


def relatedness(dist: Tensor, labels: Tensor | None) -> Tensor:
    """A similarity with the order of ``exp(-d)``, plus 1 for pairs of one label, that no distance is too large for.

    It is -d, plus the largest distance and 1 for pairs of one label: a same-class pair is nearer than any other. Only
    the order is used; exp(-d) itself loses it to rounding from d about 16 (beside the 1) or 100 on.
    """
    dist = dist.detach()
    if labels is None or not len(dist):
        return -dist
    return torch.where(labels[:, None] == labels[None], dist.amax() + 1 - dist, -dist)


def with_origin(space: Space, points: Tensor, proxies: Tensor) -> Tensor:
    """(N, P + 1) distances to the proxies and, in the last column, to the origin."""
    return torch.cat([space.pairwise(points, proxies), space.to_origin(points)[:, None]], 1)
