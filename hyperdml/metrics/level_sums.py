"""Precision summed over full rankings, per query and level of a class tree: what graded scores are read off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hyperdml.metrics.ranking import full_rankings


@dataclass(frozen=True)
class LevelSums:
    """Per query and level, with P(k) the precision at rank k of the level's relevant items.

    Attributes:
        relevant: (N, L) number of relevant items R.
        precision: (N, L) sum of P(k) over the ranks k of all relevant items: R times the average precision.
        precision_at_r: (N, L) the same over ranks k <= R only: R times the query's MAP@R.
    """

    relevant: Tensor
    precision: Tensor
    precision_at_r: Tensor

    @classmethod
    def of(cls, embeddings: Tensor, ids: Tensor, c: float | None, metric: str) -> LevelSums:
        """Sum over the full rankings, level by level."""
        ids = ids.cpu()
        sums = torch.zeros(3, *ids.shape, dtype=torch.float64)
        for rows, order in full_rankings(embeddings, c, metric):
            for level, own in enumerate(ids.T):
                row, rank = (own == own[rows, None]).gather(1, order).nonzero(as_tuple=True)
                relevant = row.bincount(minlength=len(rows))
                hit = torch.arange(len(row)) - (relevant.cumsum(0) - relevant)[row]  # before it in its row; both from 0
                precision = (hit + 1) / (rank + 1).double()
                sums[0, rows, level] = relevant.double()
                sums[1, :, level].index_add_(0, rows[row], precision)
                sums[2, :, level].index_add_(0, rows[row], precision * (rank < relevant[row]))
        return cls(*sums)

    def hap(self, gains: Tensor) -> float:
        """H-AP: `min(rel_j, rel_k)` is the sum of the gains of the levels that both share, so levels add up."""
        best = self.relevant @ gains
        answerable = best > 0
        if not answerable.any():
            raise ValueError("H-AP is not defined: no query has an item of positive relevance")
        return float(((self.precision @ gains)[answerable] / best[answerable]).mean())

    def map_at_r(self, names: Sequence[str]) -> list[float]:
        """MAP@R per level."""
        scores = []
        for name, relevant, precision in zip(names, self.relevant.T, self.precision_at_r.T, strict=True):
            answerable = relevant > 0
            if not answerable.any():
                raise ValueError(f"MAP@R is not defined at level {name!r}: no two items share an id")
            scores.append(float((precision[answerable] / relevant[answerable]).mean()))
        return scores
