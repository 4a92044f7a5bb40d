"""A loss of any kind plus HIER, as one loss of pytorch-metric-learning."""

from __future__ import annotations

import inspect
import math
from typing import Any

from pytorch_metric_learning.losses import BaseMetricLossFunction
from torch import Tensor, nn

from hyperdml.hier import HIER
from hyperdml.integrations.hier_loss import HIERLoss, already_reduced, join_reference


def with_hier(loss: nn.Module, hier: HIER | HIERLoss, weight: float = 0.5) -> WithHIER:
    """``loss + weight * HIER`` as one loss, which every wrapper and trainer of the library takes for one of its own.

    >>> import torch
    >>> from pytorch_metric_learning import losses
    >>> memory = losses.CrossBatchMemory(losses.NTXentLoss(), embedding_size=8)
    >>> loss = with_hier(memory, HIER(8, embeddings="tangent"), weight=0.5)
    >>> value = loss(torch.randn(12, 8), torch.arange(12) // 3)

    Unlike `MultipleLosses` the result is a `BaseMetricLossFunction`: `DistributedLossWrapper` accepts it, it takes a
    reference set, and losses without labels can be inside. Unlike a regulariser HIER sees the labels.

    Args:
        loss: the metric loss: any loss of the library, with its own distance, reducer and regularisers, or
            `MultipleLosses`, `CrossBatchMemory`, `SelfSupervisedLoss`, or a module that is called like one.
        hier: a `HIER` module, or a `HIERLoss`.
        weight: weight lambda of HIER; 0.5 in the released scripts, 1 in the paper. It may be changed later:
            ``loss.weight = 1.0``.

    Returns:
        The sum, a `BaseMetricLossFunction`; its parameters and state are those of both parts.

    Raises:
        ValueError: hier is neither, or the weight is negative or not finite.
    """
    return WithHIER(loss, hier, weight)


class WithHIER(BaseMetricLossFunction):
    """Result of `with_hier`.

    The metric loss keeps its sub-losses, reducers and statistics to itself: its value arrives reduced, so that nothing
    is reduced twice and a float32 value stays float32. HIER sees the batch, and a reference set if there is one, but
    not the memory of a `CrossBatchMemory`.

    Attributes:
        loss: the metric loss.
        hier: the `HIER` or `HIERLoss`.
        weight: weight of HIER.
        metric_value: last value of the metric loss, recorded with collect_stats.
        hier_value: last value of HIER before the weight, recorded with collect_stats.
    """

    def __init__(self, loss: nn.Module, hier: HIER | HIERLoss, weight: float) -> None:
        super().__init__()
        if not isinstance(hier, (HIER, HIERLoss)):
            raise ValueError(f"hier must be a HIER or a HIERLoss, got {type(hier).__name__}")
        if not (weight >= 0 and math.isfinite(weight)):
            raise ValueError(f"weight must be a finite number of at least 0, got {weight!r}")
        self.loss = loss
        self.hier = hier
        self.weight = weight
        self.add_to_recordable_attributes(list_of_names=["weight"], is_stat=False)
        self.add_to_recordable_attributes(list_of_names=["metric_value", "hier_value"], is_stat=True)

    def compute_loss(
        self,
        embeddings: Tensor,
        labels: Tensor | None,
        indices_tuple: Any,
        ref_emb: Tensor,
        ref_labels: Tensor | None,
    ) -> dict[str, dict[str, Any]]:
        """The loss dictionary of pytorch-metric-learning, one entry that is already reduced.

        Raises:
            ValueError: the metric loss does not take one of the arguments, or does not return a scalar.
        """
        given = {"labels": labels, "indices_tuple": indices_tuple}
        if ref_emb is not embeddings:
            given |= {"ref_emb": ref_emb, "ref_labels": ref_labels}
        metric = self.loss(embeddings, **self._accepted(given))
        if not isinstance(metric, Tensor) or metric.numel() != 1:
            raise ValueError(f"{type(self.loss).__name__} must return a scalar, got {type(metric).__name__}")
        metric = metric.reshape(())
        if isinstance(self.hier, HIERLoss):
            hier = self.hier(embeddings, labels, **{k: v for k, v in given.items() if k.startswith("ref")})
        else:
            hier = self.hier(*join_reference(embeddings, labels, ref_emb, ref_labels))
        if self.collect_stats:
            self.metric_value, self.hier_value = metric.detach().item(), hier.detach().item()
        return already_reduced(metric + self.weight * hier)

    def _accepted(self, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments that the metric loss takes; one that it does not take must not be given."""
        given = {name: value for name, value in given.items() if value is not None}
        parameters = inspect.signature(self.loss.forward).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return given
        for name in given:
            if name not in parameters:
                raise ValueError(f"{type(self.loss).__name__} takes no {name}; leave it out")
        return given
