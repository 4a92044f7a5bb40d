"""k-means by Lloyd's rounds, for the inverted lists of the approximate search."""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 1_000_000  # scores of a block, 4 MB


def kmeans(x: Tensor, count: int, rounds: int, generator: torch.Generator) -> Tensor:
    """Centres of `count` clusters, from random rows of x; a cluster that loses all its points starts anew at a row.

    Args:
        x: (N, d) float32 vectors, N at least `count`.
        count: clusters.
        rounds: assignments.
        generator: a CPU generator.

    Returns:
        (count, d) centres.
    """
    centres = x[_rows(len(x), count, generator).to(x.device)]
    for _ in range(rounds):
        owner = nearest_centre(x, centres)
        sizes = torch.bincount(owner, minlength=count)
        sums = torch.zeros_like(centres).index_add_(0, owner, x)
        centres = sums / sizes[:, None].clamp_min(1)
        empty = (sizes == 0).nonzero().squeeze(1)
        centres[empty] = x[_rows(len(x), len(empty), generator).to(x.device)]
    return centres


def nearest_centre(x: Tensor, centres: Tensor) -> Tensor:
    """(N,) index of the Euclidean nearest of the (M, d) centres to each of the (N, d) rows."""
    half = (centres * centres).sum(1) / 2
    step = max(1, _BLOCK // len(centres))
    owner = torch.empty(len(x), dtype=torch.int64, device=x.device)
    # one buffer for all blocks: blocks of their own, between small results that stay, make the heap grow without end
    scores = torch.empty(min(step, len(x)), len(centres), dtype=x.dtype, device=x.device)
    for start in range(0, len(x), step):
        rows = x[start : start + step]
        part = torch.mm(rows, centres.T, out=scores[: len(rows)]).sub_(half)
        owner[start : start + step] = _argmax(part)
    return owner


def _rows(population: int, count: int, generator: torch.Generator) -> Tensor:
    """`count` distinct row numbers."""
    return torch.randperm(population, generator=generator)[:count]


def _argmax(scores: Tensor) -> Tensor:
    """Column of the largest entry of each row; NumPy takes a tenth of the time of torch on the CPU."""
    return torch.from_numpy(scores.numpy().argmax(1)) if scores.device.type == "cpu" else scores.argmax(1)
