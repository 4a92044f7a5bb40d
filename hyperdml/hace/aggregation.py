"""Aggregated predictions: the log of the mass at or below every node, and losses of it, as a module."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from hyperdml.geometry.maps import upcast
from hyperdml.hace.fixed import Constants
from hyperdml.hace.likelihood import Target, log_prob, target_loss
from hyperdml.hace.plan import make_plan
from hyperdml.hace.sweeps import Covers, Layout
from hyperdml.taxonomy import Taxonomy

Head = Literal["all_nodes", "leaves"]


class Aggregation(Constants):
    """``log q~_v``, the log of the probability at or below each node, with ``q = softmax(logits)``.

    ``q~ = R q`` with ``R[v, u] = 1`` where u is v or below it (HACE, Sec. 3.1). R is never formed and nothing is
    multiplied by it: sums run from the leaves up in the log domain (`hyperdml.hace.sweeps`), in at least float32, with
    autocast off. In float32 a log-probability is exact to a few parts in 1e7 at any gap between logits; a node without
    mass has -inf. Work and memory are those of one pass over the logits, on a DAG with few shared descendants too.

    Args:
        taxonomy: tree, forest or DAG.
        head: "all_nodes" for a logit a node, in the order of `taxonomy.names`, or "leaves" for a logit a leaf.

    Attributes:
        width: number of logits, N or C.

    Raises:
        ValueError: head is neither.
    """

    child: Tensor
    place: Tensor
    part: Tensor | None
    cover: Tensor | None
    row: Tensor | None

    def __init__(self, taxonomy: Taxonomy, head: Head = "all_nodes") -> None:
        super().__init__()
        if head not in ("all_nodes", "leaves"):
            raise ValueError(f"head must be 'all_nodes' or 'leaves', got {head!r}")
        self.head = head
        self.nodes, self.leaves = len(taxonomy), taxonomy.num_leaves
        self.width = self.nodes if head == "all_nodes" else self.leaves
        plan = make_plan(taxonomy)
        self._levels = plan.edges.levels
        self.keep("child", plan.edges.child)
        self.keep("place", plan.edges.place)
        self._size = len(taxonomy) + 1 + len(plan.covers.counts)
        several = len(plan.covers.counts) > 0
        self.keep("part", plan.covers.values if several else None)
        self.keep("cover", plan.covers.row_of_values if several else None)
        self.keep("row", plan.row if several else None)

    def forward(self, logits: Tensor) -> Tensor:
        """(B, N) aggregated log-probabilities of (B, width) logits; see `hyperdml.hace.aggregated_log_prob`."""
        return log_prob(self.check(logits), self.layout())

    def loss(self, logits: Tensor, target: Target) -> Tensor:
        """``-sum_v S[b, v] log q~_v`` of every sample.

        Nodes of weight 0 count as 0 even where their log-probability is -inf.

        Args:
            logits: (B, width), of any floating type.
            target: S, without gradient.

        Returns:
            (B,) losses, in float64 if the logits are, else in float32. Differentiable once.

        Raises:
            ValueError: the logits are of another shape.
        """
        return target_loss(self.check(logits), self.layout(), target)

    def check(self, logits: Tensor) -> Tensor:
        """Logits in at least float32.

        Raises:
            ValueError: they are not floating-point numbers of shape (B, width).
        """
        if logits.ndim != 2 or logits.shape[1] != self.width:
            other = {self.nodes: "all_nodes", self.leaves: "leaves"}.get(logits.shape[-1] if logits.ndim else -1)
            hint = f"; these logits fit head={other!r}" if other and logits.ndim == 2 else ""
            raise ValueError(
                f"expected (B, {self.width}) logits for head={self.head!r} (N = {self.nodes} nodes, C = {self.leaves} "
                f"leaves), got {tuple(logits.shape)}{hint}"
            )
        if not logits.is_floating_point():
            raise ValueError(f"logits must be floating-point numbers, got {logits.dtype}")
        return upcast(logits)

    def layout(self) -> Layout:
        """The plan on the device of the buffers."""
        covers = None
        if self.part is not None and self.cover is not None and self.row is not None:
            covers = Covers(self.part, self.cover, self.row)
        return Layout(self.nodes, self._levels, self.child, self.place, covers, self._size)

    def extra_repr(self) -> str:
        """Sizes, for print(module)."""
        return f"{self.nodes} nodes, {self.leaves} leaves, head={self.head!r}"
