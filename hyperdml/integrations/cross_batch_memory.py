"""Cross-batch memory whose whole state goes into a checkpoint."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_metric_learning import losses
from torch import Tensor


class CrossBatchMemory(losses.CrossBatchMemory):
    """Cross-batch memory, XBM (Wang et al., "Cross-batch memory for embedding learning", CVPR 2020).

    >>> loss = CrossBatchMemory(losses.ContrastiveLoss(), embedding_size=8, memory_size=64)
    >>> value = loss(torch.randn(12, 8), torch.arange(12) // 2)

    A batch is put into a ring of the latest embeddings, then compared with the ring; nothing is compared with itself.
    Earlier embeddings carry no gradient. Different from the library's class, which this one extends:

    - The position in the ring is in the state too (there it starts anew, over memories that were loaded).
    - In evaluation mode a batch is compared with itself alone and the ring stays as it is.
    - A row that is not finite is not stored, so a step that had to be left out does not spoil those after it.

    The released code starts to use its memory after 1,000 steps and adds a loss within the batch; neither is done here:
    the ring grows from the first batch on, and holds it.

    Args:
        loss: a loss of the library that takes reference embeddings (`supported_losses()`).
        embedding_size: dimension of the embeddings.
        memory_size: embeddings in the ring; at least a batch.
        miner: picks tuples between batch and ring; None: all pairs.
    """

    embedding_memory: Tensor
    label_memory: Tensor
    stored: Tensor

    def forward(self, embeddings: Tensor, labels: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Loss of a batch against the memory, in training; of the batch alone in evaluation.

        Args:
            embeddings: (N, d) embeddings; under several processes those of all of them, the same everywhere.
            labels: (N,) labels, 0 or more.
            args: `indices_tuple` and `enqueue_mask` of the library.
            kwargs: the same by name.

        Raises:
            ValueError: the batch is larger than the memory.
        """
        if len(embeddings) > self.memory_size:
            raise ValueError(f"memory_size must be at least the batch of {len(embeddings)}, got {self.memory_size}")
        if not self.training:
            tuples = None if self.miner is None else self.miner(embeddings, labels)
            within: Tensor = self.loss(embeddings, labels, tuples)
            return within
        value: Tensor = super().forward(embeddings, labels, *args, **kwargs)
        return value

    def reset_queue(self) -> None:
        """Empty the ring. What it holds, and how much ever went in, are buffers, so that checkpoints have them."""
        self.register_buffer("embedding_memory", torch.zeros(self.memory_size, self.embedding_size))
        self.register_buffer("label_memory", torch.full((self.memory_size,), -1))
        self.register_buffer("stored", torch.tensor(0))

    @property
    def queue_idx(self) -> int:
        """Place of the next embedding."""
        return int(self.stored) % self.memory_size

    @property
    def has_been_filled(self) -> bool:
        """Whether every place holds an embedding."""
        return int(self.stored) >= self.memory_size

    def add_to_memory(self, embeddings: Tensor, labels: Tensor, batch_size: int) -> None:
        """Store a batch; rows that are not finite leave what their places held."""
        steps = torch.arange(batch_size, device=labels.device)
        self.curr_batch_idx = (self.stored + steps) % self.memory_size
        fine = embeddings.isfinite().all(1)
        places = self.curr_batch_idx
        kept = torch.where(fine[:, None], embeddings.detach(), self.embedding_memory[places])
        self.label_memory[places] = torch.where(fine, labels, self.label_memory[places])
        self.embedding_memory[places] = kept
        self.stored += batch_size
