"""A loss with a miner before it."""

from __future__ import annotations

from torch import Tensor, nn


class MinedLoss(nn.Module):
    """A loss on the tuples that a miner picks from the batch.

    Args:
        loss: a loss of the library.
        miner: a miner of the library.
    """

    def __init__(self, loss: nn.Module, miner: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Scalar loss of (N, d) embeddings with (N,) labels."""
        value: Tensor = self.loss(embeddings, labels, self.miner(embeddings, labels))
        return value
