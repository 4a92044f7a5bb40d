"""Precision summed over full rankings, per query and level of a class tree: H-AP, AP and MAP@R of every level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from hyperdml.metrics.graded.shared_levels import SharedLevels


@dataclass(frozen=True)
class LevelSums:
    """Per query and level, with P(k) the precision at rank k of the level's relevant items.

    Attributes:
        relevant: (Q, L) float64 number of relevant items R.
        precision: (Q, L) float64 sum of P(k) over the ranks k of all relevant items: R times the average precision.
        precision_at_r: (Q, L) float64, the same over ranks k <= R only: R times the query's MAP@R.
    """

    relevant: Tensor
    precision: Tensor
    precision_at_r: Tensor

    @classmethod
    def of(cls, found: SharedLevels) -> LevelSums:
        """Sum over full rankings, level by level.

        Raises:
            ValueError: the rankings end before the last relevant item.
        """
        rank = torch.arange(1, found.shared.shape[1] + 1, dtype=torch.float64, device=found.shared.device)
        sums = torch.zeros(2, *found.relevant.shape, dtype=torch.float64, device=rank.device)
        for level, relevant in enumerate(found.relevant.T):
            hit = (found.shared > level).int()
            count = hit.cumsum(1, dtype=torch.int32)
            if not torch.equal(count[:, -1].long(), relevant):
                raise ValueError(f"average precision needs full rankings, got the {len(rank)} nearest items")
            counted = count.mul_(hit).double()
            sums[0, :, level] = counted @ (1 / rank)
            # a running sum read at rank R is several times faster than a mask of the ranks up to R
            last = (relevant[:, None] - 1).clamp_min(0)
            most = int(last.max()) + 1
            sums[1, :, level] = (counted[:, :most] / rank[:most]).cumsum(1).gather(1, last).squeeze(1)
        return cls(found.relevant.double(), *sums)

    @classmethod
    def join(cls, parts: Iterable[LevelSums]) -> LevelSums:
        """One after the other."""
        parts = list(parts)
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))

    def hap(self, gains: Tensor) -> Tensor:
        """(Q,) H-AP, NaN without relevant items; `gains` (L,) is what each further shared level adds to the relevance.

        ``min(rel_j, rel_k)`` is the sum of the gains of the levels that both share, so levels add up.
        """
        gains = gains.to(self.precision.device)
        return (self.precision @ gains) / (self.relevant @ gains)

    @property
    def average_precision(self) -> Tensor:
        """(Q, L) average precision, NaN without relevant items."""
        return self.precision / self.relevant

    @property
    def map_at_r(self) -> Tensor:
        """(Q, L) what MAP@R is the mean of, NaN without relevant items."""
        return self.precision_at_r / self.relevant


def relevance_gains(relevance: Sequence[float] | None, levels: int) -> Tensor:
    """(L,) what each further shared level adds to the relevance; None for 1/L, 2/L, ..., 1."""
    if relevance is None:
        return torch.full((levels,), 1 / levels, dtype=torch.float64)
    values = torch.tensor([0.0, *relevance], dtype=torch.float64)
    gains = values.diff()
    if len(gains) != levels or not values.isfinite().all() or (gains < 0).any() or values[-1] <= 0:
        raise ValueError(
            f"relevance must be {levels} numbers, one per count of shared levels, not negative, not decreasing and the "
            f"last positive, got {list(relevance)}"
        )
    return gains
