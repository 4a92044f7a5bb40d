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

    The library passes no labels to a regulariser: relatedness comes from distances alone, as the paper says. So
    `mode="official"` runs here without its label boost, which `HIERLoss` has.

    Args:
        embedding_size: dimension of the embeddings.
        num_proxies: number of hierarchical proxies.
        hier_options: further options of `HIER`.

    Raises:
        ValueError: an option of HIER is out of range.
    """

    def __init__(self, embedding_size: int, num_proxies: int = 512, **hier_options: Any) -> None:
        super().__init__()
        self.hier = HIER(embedding_size, num_proxies, **hier_options)

    def compute_loss(self, x: Tensor) -> dict[str, dict[str, Any]]:
        """The loss dictionary of pytorch-metric-learning, one entry that is already reduced."""
        return already_reduced(self.hier(x))
