"""Log masses of all nodes from the leaves up, and their gradient from the roots down, on tensors with a row a node.

Rows of a table are nodes, columns samples: rows are gathered and added whole, every height is a slice, and on a CPU the
samples of a batch fill the vector units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from hyperdml.hace.plan import Level


class Covers(NamedTuple):
    """The covers of a plan on a device.

    Attributes:
        part: (W,) parts of the covers.
        cover: (W,) the cover of each part, 0 to V - 1.
        row: (N,) row with the mass at or below each node.
    """

    part: Tensor
    cover: Tensor
    row: Tensor


class Layout(NamedTuple):
    """A plan on a device.

    Attributes:
        nodes: N.
        levels: of the spanning forest and the virtual root.
        child: (N,) children by level.
        place: (N,) their parents within the level.
        covers: None in trees and forests.
        size: number of rows of a table, N + 1 + V.
    """

    nodes: int
    levels: Sequence[Level]
    child: Tensor
    place: Tensor
    covers: Covers | None
    size: int


class Sums(NamedTuple):
    """What the gradient needs of the sums of a level: all numbers from 0 to 1.

    Attributes:
        parts: (E, B) terms of the sums, each over the largest term of its sum.
        own: (P, B) mass that stops at the parent, over that term.
        scale: (P, B) that term over the sum.
    """

    parts: Tensor
    own: Tensor
    scale: Tensor


def upward(logits: Tensor, layout: Layout) -> tuple[Tensor, list[Sums]]:
    """Log of the sum of exp(logit - largest logit) over each spanning subtree and each cover.

    Every sum is taken relative to its own largest term, so no gap between logits makes one vanish. A logit of -inf is
    a mass of 0. NaN and +inf give NaN, as in torch's log_softmax.

    Args:
        logits: (B, N) for a logit a node, or (B, C) where only leaves have mass.
        layout: of the taxonomy.

    Returns:
        (N + 1 + V, B) table, row N the sum over everything; the sums level by level, those of the covers last.
    """
    batch, width = logits.shape
    table = logits.new_empty(layout.size, batch)
    # sums near the largest logit then lose nothing to a common offset
    top = logits.amax(1).clamp_min(torch.finfo(logits.dtype).min)
    table[:width].copy_(logits.T).sub_(top)
    table[width:] = -torch.inf
    kept = []
    for start, end, first, last in layout.levels:
        values = table.index_select(0, layout.child[first:last])
        table[start:end], sums = _sum(table[start:end], values, layout.place[first:last])
        kept.append(sums)
    if layout.covers is not None:
        values = table.index_select(0, layout.covers.part)
        table[layout.nodes + 1 :], sums = _sum(table[layout.nodes + 1 :], values, layout.covers.cover)
        kept.append(sums)
    return table, kept


def downward(grad: Tensor, kept: Sequence[Sums], layout: Layout, width: int) -> Tensor:
    """Gradient of the logits from that of the table, whose memory it takes.

    The gradient of a sum goes to its terms in proportion: ``h_v = g_v + h_parent(v) exp(table_v - table_parent(v))``,
    bounded as g is.

    Args:
        grad: (N + 1 + V, B), overwritten.
        kept: from `upward`.
        layout: of the taxonomy.
        width: N or C, the number of logits.

    Returns:
        (B, width), a transposed view.
    """
    if layout.covers is not None:
        _share(grad, grad[layout.nodes + 1 :], kept[-1], layout.covers.part, layout.covers.cover)
    for (start, end, first, last), sums in zip(
        reversed(layout.levels), reversed(kept[: len(layout.levels)]), strict=True
    ):
        _share(grad, grad[start:end], sums, layout.child[first:last], layout.place[first:last])
    return grad[:width].T


def _sum(own: Tensor, values: Tensor, place: Tensor) -> tuple[Tensor, Sums]:
    """Logsumexp of each row of `own` with the values that have its place. Overwrites the values."""
    top = own.scatter_reduce(0, place[:, None].expand_as(values), values, "amax")
    # where everything is -inf: exp(-inf - lowest) is 0, exp(-inf + inf) would be NaN
    top.clamp_(min=torch.finfo(own.dtype).min)
    parts = values.sub_(top.index_select(0, place)).exp_()
    alone = (own - top).exp_()
    total = alone.index_add(0, place, parts)
    # the largest term is 1, so the total is at least 1 or, with nothing but -inf, 0
    scale = total.clamp_min(1).reciprocal_()
    return total.log_().add_(top), Sums(parts, alone, scale)


def _share(grad: Tensor, above: Tensor, sums: Sums, child: Tensor, place: Tensor) -> None:
    """Hand the gradient of sums to their terms, in place; `above` is left with that of the logits of the parents."""
    above.mul_(sums.scale)
    grad.index_add_(0, child, above.index_select(0, place).mul_(sums.parts))
    above.mul_(sums.own)
