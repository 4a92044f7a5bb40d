"""Aggregated log-probabilities and losses of them, with gradients by hand: what is kept lies in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hyperdml.hace.sweeps import Layout, Sums, downward, upward


class Target(NamedTuple):
    """Weights S[b, v] of a batch: the sum of the parts that are given.

    Attributes:
        node: (K, B) a few nodes a sample; N stands for none.
        weight: (K, B) their weights.
        common: (N,) weights that all samples share.
        dense: (N, B) weights of all nodes, in the precision of the computation.
    """

    node: Tensor | None = None
    weight: Tensor | None = None
    common: Tensor | None = None
    dense: Tensor | None = None


def log_prob(logits: Tensor, layout: Layout) -> Tensor:
    """(B, N) ``log q~_v`` of (B, N) or (B, C) logits, a transposed view; differentiable once."""
    with torch.autocast(logits.device.type, enabled=False):
        out: Tensor = _LogProb.apply(logits, layout)
    return out


def target_loss(logits: Tensor, layout: Layout, target: Target) -> Tensor:
    """(B,) ``-sum_v S[b, v] log q~_v`` of (B, N) or (B, C) logits; differentiable once."""
    with torch.autocast(logits.device.type, enabled=False):
        out: Tensor = _Loss.apply(logits, layout, *target)
    return out


class _LogProb(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, layout: Layout) -> Tensor:
        table, kept = upward(logits, layout)
        ctx.layout, ctx.width = layout, logits.shape[1]
        ctx.save_for_backward(*_flat(kept))
        return (_by_node(table, layout) - table[layout.nodes]).T

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        layout = ctx.layout
        table = grad.new_zeros(layout.size, grad.shape[0])
        _add_by_node(table, layout, grad.T, torch.ones_like(grad[:, 0]))
        table[layout.nodes] = -grad.sum(1)
        return downward(table, _levels(ctx.saved_tensors), layout, ctx.width), None


class _Loss(torch.autograd.Function):
    """The loss of a `Target`, whose gradient starts from its few entries: no (B, N) log-probabilities are kept."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        layout: Layout,
        node: Tensor | None,
        weight: Tensor | None,
        common: Tensor | None,
        dense: Tensor | None,
    ) -> Tensor:
        table, kept = upward(logits, layout)
        whole = table[layout.nodes]
        loss = torch.zeros_like(whole)
        row = None
        if node is not None and weight is not None:
            row, weight = _rows_of(node, layout), weight.to(logits.dtype)
            loss -= _product(weight, table.gather(0, row) - whole).sum(0)
        if common is not None or dense is not None:
            log_prob = _by_node(table.sub_(whole.clone()), layout)
            if dense is not None:
                loss -= _product(dense, log_prob).sum(0)
            if common is not None:
                common = common.to(logits.dtype)
                loss -= common @ log_prob.masked_fill_((common == 0)[:, None], 0)
        ctx.layout, ctx.width = layout, logits.shape[1]
        ctx.save_for_backward(row, weight, common, dense, *_flat(kept))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        row, weight, common, dense, *kept = ctx.saved_tensors
        layout = ctx.layout
        table = grad.new_zeros(layout.size, grad.shape[0])
        total = torch.zeros_like(grad)
        if row is not None:
            parts = weight * grad
            table.scatter_add_(0, row, -parts)
            total += parts.sum(0)
        if common is not None:
            _add_by_node(table, layout, common[:, None], -grad)
            total += common.sum() * grad
        if dense is not None:
            _add_by_node(table, layout, dense, -grad)
            total += dense.sum(0) * grad
        # every log-probability contains the sum over everything
        table[layout.nodes] += total
        return downward(table, _levels(kept), layout, ctx.width), None, None, None, None, None


def _product(weight: Tensor, log_prob: Tensor) -> Tensor:
    """Product that is 0 where the weight is, also beside -inf."""
    return (weight * log_prob).masked_fill_(weight == 0, 0)


def _flat(kept: Sequence[Sums]) -> list[Tensor]:
    """What autograd can save."""
    return [tensor for sums in kept for tensor in sums]


def _levels(flat: Sequence[Tensor]) -> list[Sums]:
    """The sums out of it again."""
    return [Sums(*flat[at : at + 3]) for at in range(0, len(flat), 3)]


def _by_node(table: Tensor, layout: Layout) -> Tensor:
    """The N rows of a table in which the masses at or below the nodes stand."""
    return table[: layout.nodes] if layout.covers is None else table.index_select(0, layout.covers.row)


def _add_by_node(table: Tensor, layout: Layout, weight: Tensor, grad: Tensor) -> None:
    """Add (N, B) or (N, 1) weights times (B,) gradients to these rows, in place."""
    if layout.covers is None:
        table[: layout.nodes].addcmul_(weight, grad)
    else:
        table.index_add_(0, layout.covers.row, weight * grad)


def _rows_of(node: Tensor, layout: Layout) -> Tensor:
    """Rows of nodes, with N for N."""
    if layout.covers is None:
        return node
    return torch.where(node < layout.nodes, layout.covers.row[node.clamp_max(layout.nodes - 1)], node)
