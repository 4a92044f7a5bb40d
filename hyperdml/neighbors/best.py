"""The best scores of many queries, gathered from blocks that come in any order."""

from __future__ import annotations

import torch
from torch import Tensor


class BestFound:
    """Running best `size` scores of each query.

    Scores that beat a query's floor, the last of its best so far, wait until there are as many of them as scores are
    kept; then they are sorted in. So the work of sorting stays in proportion to what passes, and memory is bounded by
    what is kept, what waits and one block.

    Args:
        queries: their number.
        size: scores to keep for each.
        device: of all tensors.

    Attributes:
        scores: (queries, size), descending; -infinity where there were fewer.
        places: (queries, size) int64, -1 where there were fewer.
    """

    def __init__(self, queries: int, size: int, device: torch.device) -> None:
        self.scores = torch.full((queries, size), -torch.inf, device=device)
        self.places = torch.full((queries, size), -1, dtype=torch.int64, device=device)
        self._clear()

    def offer(self, rows: Tensor, scores: Tensor, start: int, beats_floor: bool) -> None:
        """Take a block into account.

        Args:
            rows: (R,) queries, each once.
            scores: (R, C).
            start: place of the first column.
            beats_floor: pick what beats the floors, which is fast once they are high; otherwise the best of each row.
        """
        columns = scores.shape[1]
        if beats_floor:
            cells = _where(scores > self.scores[rows, -1:])
            values = scores.flatten()[cells]
            self._waiting.append((rows[cells // columns], values, start + cells % columns))
        else:
            values, at = scores.topk(min(self.scores.shape[1], columns), dim=1)
            self._waiting.append((rows[:, None].expand_as(at).flatten(), values.flatten(), start + at.flatten()))
        self._count += values.numel()
        if self._count > self.scores.numel():
            self.settle()

    def settle(self) -> None:
        """Sort in what waits."""
        if not self._count:
            return
        queries, size = self.scores.shape
        rows, scores, places = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
        self._clear()
        order = scores.argsort(descending=True)
        order = order[rows[order].argsort(stable=True)]
        rows, scores, places = rows[order], scores[order], places[order]
        counts = torch.bincount(rows, minlength=queries)
        rank = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
        kept = rank < size  # more of one query cannot be among its best
        more, where = torch.full_like(self.scores, -torch.inf), torch.full_like(self.places, -1)
        more[rows[kept], rank[kept]] = scores[kept]
        where[rows[kept], rank[kept]] = places[kept]
        self.scores, taken = torch.cat([self.scores, more], 1).topk(size, dim=1)
        self.places = torch.cat([self.places, where], 1).gather(1, taken)

    def _clear(self) -> None:
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self._count = 0


def _where(mask: Tensor) -> Tensor:
    """Flat positions of the true entries, looked for eight at a time: few are."""
    flat = mask.flatten()
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % 8)) if len(flat) % 8 else flat
    words = padded.view(torch.int64).nonzero().squeeze(1)
    cells = padded.view(-1, 8)[words].nonzero()
    return words[cells[:, 0]] * 8 + cells[:, 1]
