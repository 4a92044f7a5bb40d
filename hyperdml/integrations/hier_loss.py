"""HIER as a loss of pytorch-metric-learning."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_metric_learning.losses import BaseMetricLossFunction
from torch import Tensor

from hyperdml.hier import HIER


class HIERLoss(BaseMetricLossFunction):
    """`hyperdml.hier.HIER` as a pytorch-metric-learning loss, to be added to a metric loss.

    >>> from pytorch_metric_learning import losses
    >>> metric = losses.ProxyAnchorLoss(num_classes=100, embedding_size=128)
    >>> hier = HIERLoss(embedding_size=128, embeddings="tangent")  # for a model that ends in a Linear
    >>> loss = losses.MultipleLosses([metric, hier], weights=[1, 0.5])

    Its proxies are parameters: give `loss.parameters()` to the optimiser, at 50 times the base rate as released. HIER
    does not mine; `indices_tuple` is ignored. A reference set (`ref_emb`) joins the batch as further nodes; rows that
    repeat the batch at its start, as `DistributedLossWrapper(efficient=True)` sends them, count once.

    Args:
        embedding_size: dimension of the embeddings.
        num_proxies: number of hierarchical proxies; None leaves it to `HIER`.
        pml_options: options of `BaseMetricLossFunction` (reducer, embedding_regularizer, ...).
        hier_options: further options of `HIER`, handed on as they are; without `embeddings="tangent"` the embeddings
            must be points of the ball.

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

    def compute_loss(
        self,
        embeddings: Tensor,
        labels: Tensor | None,
        indices_tuple: Any,
        ref_emb: Tensor,
        ref_labels: Tensor | None,
    ) -> dict[str, dict[str, Any]]:
        """The loss dictionary of pytorch-metric-learning, one entry that is already reduced."""
        return already_reduced(self.hier(*join_reference(embeddings, labels, ref_emb, ref_labels)))


def join_reference(
    embeddings: Tensor, labels: Tensor | None, ref_emb: Tensor | None, ref_labels: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Batch and reference set as one set of nodes; a reference set that starts with the batch adds its rest alone.

    Args:
        embeddings: (N, d) batch.
        labels: (N,) its labels.
        ref_emb: (M, d) reference set; None or the batch itself for none.
        ref_labels: (M,) its labels.

    Returns:
        Nodes, and their labels if both sets have some.
    """
    if ref_emb is None or ref_emb is embeddings:
        return embeddings, labels
    own = len(embeddings)
    start = own if len(ref_emb) >= own and torch.equal(ref_emb[:own], embeddings) else 0
    nodes = torch.cat([embeddings, ref_emb[start:]])
    if labels is None or ref_labels is None:
        return nodes, None
    return nodes, torch.cat([labels, ref_labels[start:]])


def already_reduced(loss: Tensor) -> dict[str, dict[str, Any]]:
    """A scalar in the form that the library's reducers take."""
    return {"loss": {"losses": loss, "indices": None, "reduction_type": "already_reduced"}}
