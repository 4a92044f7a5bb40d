"""Parents among proxies by votes: which proxies HIER's own triplets take for the ancestors of which."""

from __future__ import annotations

import torch
from torch import Tensor

from hyperdml.geometry import dist0, pairwise_distance
from hyperdml.hier.sampling import sample_triplets
from hyperdml.metrics.trees.lca import best_ancestor
from hyperdml.metrics.trees.parent_array import ROOT
from hyperdml.neighbors.reciprocal import reciprocal_mask
from hyperdml.seeds import derive_seed

_BATCH, _NEAREST, _TRIPLETS = 2048, 20, 10  # images compared with each other, k of k-reciprocal, triplets an image


@torch.no_grad()
def voted_parents(points: Tensor, proxies: Tensor, c: float, seed: int) -> Tensor:
    """Parent of every proxy as HIER's loss sees it (Kim et al., CVPR 2023, Eq. 7, without its noise).

    Triplets (i, j, k) are drawn as in training: j is a k-reciprocal neighbour of i and k is none. Whenever proxy p is
    the lowest common ancestor of i and j, and q that of all three, p votes for q; the origin is a candidate in both, so
    that a proxy is taken only where it is better. The parent of p is the proxy with most of its votes. (Those for the
    origin do not count: k is any image, so that nearly all would be.) Only a proxy that was taken for more triplets, so
    stands higher, may become a parent (of equally many the one nearer to the origin, then the first): the result has no
    cycle. A proxy without such a vote hangs from the origin.

    Args:
        points: (N, d) points of the ball, the images.
        proxies: (P, d) points of the ball.
        c: curvature magnitude.
        seed: of the batches, 2,048 images each, and the triplets.

    Returns:
        (P,) int64 indices into the proxies, `ROOT` (-1) for the origin.
    """
    count = len(proxies)
    generator = torch.Generator().manual_seed(derive_seed(seed, "votes"))
    votes = torch.zeros(count * count, dtype=torch.int64)
    taken = torch.zeros(count, dtype=torch.int64)
    for batch in torch.randperm(len(points), generator=generator).split(_BATCH):
        some = points[batch]
        near = reciprocal_mask(-pairwise_distance(some, some, c), _NEAREST)
        triplets = sample_triplets(near, _TRIPLETS, generator)
        pair = best_ancestor(some, proxies, triplets[:, :2], c, origin=True)
        triple = best_ancestor(some, proxies, triplets, c, origin=True)
        taken += torch.bincount(triple[triple != ROOT], minlength=count)
        cast = (pair != ROOT) & (triple != ROOT)
        votes += torch.bincount((pair * count + triple)[cast], minlength=len(votes))
    radius = dist0(proxies, c)
    order = radius.argsort(stable=True)
    order = order[taken[order].argsort(descending=True, stable=True)]
    rank = torch.empty_like(order)
    rank[order] = torch.arange(count)
    most, parent = votes.view(count, count).masked_fill(rank[None] >= rank[:, None], 0).max(1)
    return torch.where(most > 0, parent, ROOT)
