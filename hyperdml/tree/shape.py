"""Nodes, heights and places of a dendrogram, and what follows from them directly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hyperdml.taxonomy.csr import CSR, Ints
from hyperdml.taxonomy.lca import preorder

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Shape:
    """Arrays of a tree over numbered leaves; see `hyperdml.tree.Dendrogram`."""

    parents: Ints
    heights: Floats
    num_leaves: int
    names: tuple[str, ...] | None = None
    points: Tensor | None = None
    proxies: Ints | None = None
    c: float | None = None
    method: str = "given"
    inner_names: tuple[str | None, ...] | None = None

    def __post_init__(self) -> None:
        check_shape(self.parents, self.heights, self.num_leaves)
        inner = self.num_nodes - self.num_leaves
        if self.names is not None and len(self.names) != self.num_leaves:
            raise ValueError(f"names must be one for each of {self.num_leaves} leaves, got {len(self.names)}")
        if self.inner_names is not None and len(self.inner_names) != inner:
            raise ValueError(f"inner_names must be one for each of {inner} inner nodes, got {len(self.inner_names)}")
        if self.points is not None and (self.points.ndim != 2 or len(self.points) != inner):
            raise ValueError(f"points must be ({inner}, d), one for each inner node, got {tuple(self.points.shape)}")
        if self.proxies is not None and self.proxies.shape != (inner,):
            raise ValueError(f"proxies must be ({inner},), one for each inner node, got {self.proxies.shape}")
        for array in (self.parents, self.heights, self.proxies):
            if array is not None:
                array.flags.writeable = False

    def __repr__(self) -> str:
        return f"Dendrogram({self.num_leaves} leaves, {self.num_nodes} nodes, {self.method!r})"

    @property
    def num_nodes(self) -> int:
        """M, leaves and inner nodes."""
        return len(self.parents)

    @property
    def root(self) -> int:
        """The last node."""
        return self.num_nodes - 1

    @cached_property
    def children(self) -> CSR:
        """Children of every node, ascending; the rows of the leaves are empty."""
        return CSR.from_pairs(self.parents[:-1], np.arange(self.root), self.num_nodes)

    @cached_property
    def depths(self) -> Ints:
        """(M,) edges between each node and the root."""
        above, out = self.parents.tolist(), [0] * self.num_nodes
        for node in range(self.root - 1, -1, -1):  # parents first
            out[node] = out[above[node]] + 1
        return _fixed(out)

    @cached_property
    def sizes(self) -> Ints:
        """(M,) leaves at or below each node."""
        above, out = self.parents.tolist(), [1] * self.num_leaves + [0] * (self.num_nodes - self.num_leaves)
        for node in range(self.root):  # children first
            out[above[node]] += out[node]
        return _fixed(out)

    @cached_property
    def order(self) -> Ints:
        """(N,) the leaves from left to right, so that the leaves below every node stand together."""
        at = preorder(self.parents)[: self.num_leaves]
        return _fixed(np.argsort(at))


def check_shape(parents: Ints, heights: Floats, num_leaves: int) -> None:
    """Raise a ValueError unless the arrays are those of a dendrogram; the message names the node."""
    count = len(parents)
    if parents.ndim != 1 or parents.dtype != np.int64 or heights.dtype != np.float64 or heights.shape != parents.shape:
        raise ValueError(
            f"expected (M,) int64 parents and (M,) float64 heights, got {parents.shape} {parents.dtype} and "
            f"{heights.shape} {heights.dtype}"
        )
    if not 1 <= num_leaves <= count:
        raise ValueError(f"num_leaves must be from 1 to the number of nodes, {count}, got {num_leaves}")
    if parents[-1] != -1:
        raise ValueError(f"the last node, {count - 1}, must be the root, with parent -1, got {parents[-1]}")
    _require(
        (parents[:-1] > np.arange(count - 1)) & (parents[:-1] < count),
        lambda node: (
            f"the parent of node {node} must come after it, from {node + 1} to {count - 1}, got {parents[node]}"
        ),
    )
    childless = np.bincount(parents[:-1], minlength=count) == 0
    _require(
        childless == (np.arange(count) < num_leaves),
        lambda node: (
            f"node {node} has {'no' if childless[node] else 'a'} child, but the leaves are the first {num_leaves} nodes"
        ),
    )
    _require(np.isfinite(heights), lambda node: f"the height of node {node} must be finite, got {heights[node]}")
    _require(heights[:num_leaves] == 0, lambda node: f"leaves have height 0, but node {node} has {heights[node]}")
    _require(
        np.diff(heights) >= 0,
        lambda node: (
            f"heights must not fall from node to node, but go from {heights[node]} to {heights[node + 1]} "
            f"after node {node}"
        ),
    )


def _require(holds: NDArray[np.bool_], message: Callable[[int], str]) -> None:
    if not holds.all():
        raise ValueError(message(int(np.argmin(holds))))


def _fixed(values: list[int] | Ints) -> Ints:
    out = np.array(values, dtype=np.int64)
    out.flags.writeable = False
    return out
