"""Rank correlation."""

from __future__ import annotations

import torch
from torch import Tensor


def spearman(left: Tensor, right: Tensor) -> float | None:
    """Spearman's rank correlation of two (N,) tensors, equal values sharing their mean rank; None if one is constant.

    Example:
        >>> spearman(torch.tensor([1, 2, 3]), torch.tensor([30, 20, 10]))
        -1.0
    """
    ranks = torch.stack([_ranks(left), _ranks(right)])
    ranks -= ranks.mean(1, keepdim=True)
    spread = (ranks * ranks).sum(1).prod().sqrt()
    return float(ranks.prod(0).sum() / spread) if spread > 0 else None


def _ranks(values: Tensor) -> Tensor:
    """(N,) float64 mean ranks: half-integers, so that equal values are equal to the bit."""
    _, place, counts = values.unique(return_inverse=True, return_counts=True)
    return (counts.cumsum(0).double() - (counts - 1) / 2)[place]
