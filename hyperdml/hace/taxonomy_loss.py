"""The loss of any target rows: labels, class weights, ignored rows and reductions as in torch's cross_entropy."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hyperdml.geometry.maps import upcast
from hyperdml.hace.aggregation import Aggregation, Head
from hyperdml.hace.fixed import Constants
from hyperdml.hace.likelihood import Target
from hyperdml.hace.padded import PaddedRows
from hyperdml.hace.rows import TargetRows
from hyperdml.taxonomy import Taxonomy

Reduction = Literal["mean", "sum", "none"]


class TaxonomyLoss(Constants):
    """``-sum_v S[y, v] log q~_v`` for target rows S, with q~ as in `hyperdml.hace.Aggregation`.

    The losses of this room are such rows: `HACELoss`, `HCELoss`, `HXELoss`; this class takes rows of one's own
    (`matrix_rows`, `level_rows`). Only the rows of the batch's labels are touched.

    With class weights w the mean is ``sum_b loss_b / sum_b w[y_b]`` and label smoothing is ``(1 - eps) w[y] S[y] +
    eps / C sum_l w[l] S[l]`` over the leaves l: with `label_rows` these are torch's numbers.

    Args:
        taxonomy: tree, forest or DAG.
        rows: S, with N rows where labels are nodes (`taxonomy.names`, the leaves first) or C where they are leaves.
        head: "all_nodes" for logits of all nodes, "leaves" for logits of the leaves.
        label_smoothing: eps, from 0 to 1.
        weight: (C,) weights of the classes or (N,) of all nodes; with C weights a label at an inner node has weight 1.
        ignore_index: rows with this label count nothing.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: an argument is not valid; the message names it.
    """

    values: Tensor
    weights: Tensor
    weight: Tensor | None
    common: Tensor | None

    def __init__(
        self,
        taxonomy: Taxonomy,
        rows: TargetRows,
        *,
        head: Head = "all_nodes",
        label_smoothing: float = 0.0,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must be from 0 to 1, got {label_smoothing!r}")
        self.taxonomy = taxonomy
        self.aggregation = Aggregation(taxonomy, head)
        self.label_smoothing, self.ignore_index, self.reduction = label_smoothing, ignore_index, reduction
        self.labels = len(rows.nodes.counts)
        self.rows = PaddedRows(rows.nodes)
        self.keep("values", np.r_[rows.nodes.values, len(taxonomy)])  # an entry more for places beyond a row
        self.keep("weights", np.r_[(1 - label_smoothing) * rows.weights, 0])
        given = None if weight is None else label_weights(taxonomy, weight)
        self.keep("weight", given)
        common = None
        if label_smoothing:
            by_leaf = np.ones(taxonomy.num_leaves) if given is None else given[: taxonomy.num_leaves]
            common = label_smoothing * rows.mean_of_leaves(taxonomy, by_leaf)
        self.keep("common", common)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            logits: (B, N) or (B, C), as `head` says, of any floating type.
            labels: (B,) integers: indices into `taxonomy.names`, whose first C are the leaves.

        Returns:
            A scalar, or (B,) for reduction "none"; in float64 if the logits are, else in float32.

        Raises:
            ValueError: shapes do not fit, or a label is out of range (looked at on the CPU; an accelerator raises its
                own assertion, as torch's cross_entropy does).
        """
        self._check(logits, labels)
        counted = labels != self.ignore_index
        safe = torch.where(counted, labels, 0).long()
        loss = torch.where(counted, self.aggregation.loss(logits, self.target(safe, upcast(logits).dtype)), 0)
        if self.reduction == "none":
            return loss
        if self.reduction == "sum":
            return loss.sum()
        weight = counted if self.weight is None else torch.where(counted, self.weight[safe], 0)
        return loss.sum() / weight.sum().to(loss.dtype)

    def target(self, labels: Tensor, dtype: torch.dtype) -> Target:
        """S of a batch, of (B,) valid labels; dtype is that of the computation."""
        place = self.rows(labels)
        weight = self.weights[place]
        if self.weight is not None:
            weight = weight * self.weight[labels]
        return Target(self.values[place], weight, self.common)

    def extra_repr(self) -> str:
        """Options, for print(module)."""
        return f"label_smoothing={self.label_smoothing}, ignore_index={self.ignore_index}, reduction={self.reduction!r}"

    def _check(self, logits: Tensor, labels: Tensor) -> None:
        if labels.ndim != 1 or labels.shape[0] != logits.shape[0]:
            raise ValueError(
                f"expected one label for each of {len(logits)} rows of logits, got shape {tuple(labels.shape)}"
            )
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise ValueError(f"labels must be integers, got {labels.dtype}")
        if labels.device.type != "cpu" or torch.compiler.is_compiling():
            return
        wrong = (labels != self.ignore_index) & ((labels < 0) | (labels >= self.labels))
        if wrong.any():
            row = int(wrong.nonzero()[0])
            what = "nodes" if self.labels == len(self.taxonomy) else "leaves"
            raise ValueError(
                f"label {int(labels[row])} in row {row} is not one of the {self.labels} {what}, 0 to {self.labels - 1}"
                f" (ignore_index is {self.ignore_index})"
            )


def label_weights(taxonomy: Taxonomy, weight: Tensor) -> np.ndarray:
    """(N,) weights of all labels.

    Raises:
        ValueError: weights of another number, negative or not finite.
    """
    given = torch.as_tensor(weight).detach().double().cpu().numpy()
    if given.shape not in ((taxonomy.num_leaves,), (len(taxonomy),)):
        raise ValueError(
            f"weight must hold a number for each of {taxonomy.num_leaves} leaves or {len(taxonomy)} nodes, got shape "
            f"{given.shape}"
        )
    wrong = np.flatnonzero(~((given >= 0) & np.isfinite(given)))
    if len(wrong):
        name = taxonomy.names[wrong[0]]
        raise ValueError(f"weights must be finite and not negative, got {given[wrong[0]]} for {name!r}")
    return np.r_[given, np.ones(len(taxonomy) - len(given))]
