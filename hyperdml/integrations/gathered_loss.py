"""Any loss on the joined batch of all processes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from hyperdml.distributed import gather_batch


class GatheredLoss(nn.Module):
    """A loss on the embeddings and labels of all processes, with the gradient of one process that has them all.

    >>> import torch
    >>> from pytorch_metric_learning import losses, miners
    >>> loss = GatheredLoss(losses.TripletMarginLoss(), miner=miners.BatchHardMiner())
    >>> value = loss(torch.randn(12, 8), torch.arange(12) // 3)  # not distributed: the loss itself

    Every process computes the same loss on the same joined batch (`hyperdml.distributed.gather_batch`); with the model
    in `DistributedDataParallel` the result is that of one process. Put this module in `DistributedDataParallel` too if
    the loss has parameters (class proxies, HIER's proxies), so that they start equal. Draws must agree as well: call
    ``hier.manual_seed(seed)`` with one seed on all ranks.

    `DistributedLossWrapper` of the library is different: it multiplies the loss by the number of processes, gradients
    of proxies included, and joins the batch in another order on every rank, so that draws differ.

    Args:
        loss: called as ``loss(embeddings, labels)``, or with `indices_tuple` as a third argument.
        miner: mines the joined batch for `indices_tuple`.
    """

    def __init__(self, loss: nn.Module, miner: nn.Module | None = None) -> None:
        super().__init__()
        self.loss = loss
        self.miner = miner

    def forward(self, embeddings: Tensor, labels: Tensor | None = None) -> Any:
        """Loss of the joined batch.

        Args:
            embeddings: (N, d) embeddings of this process; N may differ between processes.
            labels: (N,) labels, or None on all processes for a loss without labels.

        Returns:
            What the loss returns, equal in every process.
        """
        if labels is None:
            (embeddings,) = gather_batch(embeddings)
        else:
            embeddings, labels = gather_batch(embeddings, labels.to(embeddings.device))
        if self.miner is None:
            return self.loss(embeddings, labels)
        return self.loss(embeddings, labels, self.miner(embeddings, labels))
