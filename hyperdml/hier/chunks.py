"""Triplets a chunk at a time, in the order of their pairs: what bounds the work space of HIER's draws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 1024  # triplets handled at a time: bounds the work space to a few CHUNK x P numbers, near a CPU's cache


@dataclass(frozen=True)
class PairGroups:
    """Triplets in the order of their pairs (i, j): what depends on a pair is computed once for all that share it.

    Attributes:
        order: (T,) where each triplet came from.
        nodes: (T, 3) triplets in that order; i and j may be exchanged.
        pairs: (2, Q) their pairs, on a CPU each of them once.
        slot: (T,) pair of each triplet, nondecreasing.
    """

    order: Tensor
    nodes: Tensor
    pairs: Tensor
    slot: Tensor

    @classmethod
    def of(cls, triplets: Tensor, count: int) -> PairGroups:
        """Groups of (T, 3) triplets of `count` nodes.

        On a GPU, where counting the different pairs would wait for the device, every triplet keeps a pair of its own.
        """
        if not triplets.is_cpu:
            order = torch.arange(len(triplets), device=triplets.device)
            return cls(order, triplets, triplets[:, :2].T, order)
        i, j, k = triplets.long().T
        low, high = torch.minimum(i, j), torch.maximum(i, j)
        key, order = (low * count + high).sort()
        first = torch.ones_like(key, dtype=torch.bool)
        first[1:] = key[1:] != key[:-1]
        pair = key[first]
        nodes = torch.stack([low[order], high[order], k[order]], 1)
        return cls(order, nodes, torch.stack([pair // count, pair % count]), first.cumsum(0) - 1)

    def only(self, kept: Tensor) -> PairGroups:
        """The triplets at the given increasing places."""
        return PairGroups(self.order[kept], self.nodes[kept], self.pairs, self.slot[kept])

    def space(self, count: int, bits: Tensor) -> Tensor:
        """(count, R, P) work space for chunks of R triplets."""
        return bits.new_empty(count, min(len(self.order), _rows(bits)), bits.shape[1])

    def chunks(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Places of a chunk of triplets, the (2, q) pairs in it, and the place of each triplet's pair among these."""
        total, size = len(self.order), _rows(self.order)
        for start in range(0, total, size):
            stop = min(total, start + size)
            slot = self.slot[start:stop]
            # on a GPU the slots are the places, and reading them would wait for the device
            first, last = (int(slot[0]), int(slot[-1])) if slot.is_cpu else (start, stop - 1)
            yield slice(start, stop), self.pairs[:, first : last + 1], slot - first


def _rows(like: Tensor) -> int:
    """Triplets to handle at a time: few enough for a CPU's cache, enough to keep a GPU busy."""
    return CHUNK if like.is_cpu else 8 * CHUNK
