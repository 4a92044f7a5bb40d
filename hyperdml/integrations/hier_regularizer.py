"""HIER as an embedding regulariser of pytorch-metric-learning."""

from __future__ import annotations

from typing import Any

from pytorch_metric_learning.regularizers import BaseRegularizer
from torch import Tensor

from hyperdml.hier import HIER
from hyperdml.integrations.hier_loss import already_reduced


class HIERRegularizer(BaseRegularizer):
    """`hyperdml.hier.HIER` for the `embedding_regularizer` of any pytorch-metric-learning loss.

    >>> from pytorch_metric_learning import losses
    >>> loss = losses.TripletMarginLoss(
    ...     embedding_regularizer=HIERRegularizer(embedding_size=128, mode="paper", embeddings="tangent"),
    ...     embedding_reg_weight=0.5,
    ... )

    The library passes no labels to a regulariser: relatedness comes from distances alone, as the paper says. So the
    modes that use labels run here without their label boost, which `HIERLoss` has. It sees the anchors of a batch as
    the loss gets them, neither a reference set nor the memory of `CrossBatchMemory`.

    The value is float32 also for half-precision embeddings, but a loss with a regulariser sums its parts in
    `MultipleReducers`, which rounds them to the dtype of the embeddings: give such a loss float32 embeddings, or use
    `with_hier`, which keeps float32.

    Args:
        embedding_size: dimension of the embeddings.
        num_proxies: number of hierarchical proxies; None leaves it to `HIER`.
        pml_options: options of `BaseRegularizer` (collect_stats, ...).
        hier_options: further options of `HIER`, handed on as they are.

    Raises:
        ValueError: an option of HIER is out of range.
    """

    def __init__(
        self,
        embedding_size: int,
        num_proxies: int | None = None,
        *,
        pml_options: dict[str, Any] | None = None,
        **hier_options: Any,
    ) -> None:
        super().__init__(**(pml_options or {}))
        self.hier = HIER(embedding_size, num_proxies, **hier_options)

    def compute_loss(self, x: Tensor) -> dict[str, dict[str, Any]]:
        """The loss dictionary of pytorch-metric-learning, one entry that is already reduced."""
        return already_reduced(self.hier(x))
