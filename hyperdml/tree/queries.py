"""Questions about the nodes of a dendrogram."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.lca import ForestLCA
from hyperdml.tree.shape import Shape


class Queries(Shape):
    """Questions; see `hyperdml.tree.Dendrogram`."""

    def ancestors(self, node: int) -> Ints:
        """Everything above a node, from its parent to the root.

        Raises:
            ValueError: there is no such node.
        """
        path = []
        at = int(self.parents[self._nodes(node)])
        while at >= 0:
            path.append(at)
            at = int(self.parents[at])
        return np.array(path, dtype=np.int64)

    def leaves_under(self, node: int) -> Ints:
        """Leaves at or below a node, in the order of `order`.

        Raises:
            ValueError: there is no such node.
        """
        first = self._first_leaf[self._nodes(node)]
        return self.order[first : first + self.sizes[node]]

    def lca(self, a: ArrayLike, b: ArrayLike) -> Ints:
        """Lowest common ancestor of pairs of nodes; a node is its own ancestor.

        Args:
            a: integer nodes, of any shape.
            b: integer nodes, of a shape that broadcasts with `a`.

        Returns:
            int64 nodes of the common shape; their `heights` are the cophenetic distances.

        Raises:
            ValueError: there is no such node.
        """
        left, right = np.broadcast_arrays(self._nodes(a), self._nodes(b))
        return self._lca(left.ravel(), right.ravel()).reshape(left.shape)

    def cut(self, k: int) -> Ints:
        """Clusters that remain when the highest nodes are taken away, one after the other.

        Args:
            k: clusters, from 1 to N.

        Returns:
            (N,) int64 clusters of the leaves, numbered by their first leaf. As many as k in a binary tree; where the
            next node has more children than fit, the most that there are below k.

        Raises:
            ValueError: k is out of range.
        """
        if not 1 <= k <= self.num_leaves:
            raise ValueError(f"k must be from 1 to the number of leaves, {self.num_leaves}, got {k}")
        # inner nodes stand in the order of their heights: from the last one on, as many as leave at most k parts
        added = self.children.counts[self.num_leaves :][::-1] - 1
        opened = int(np.searchsorted(np.cumsum(added), k - 1, side="right"))
        step = np.where(self.parents < self.num_nodes - opened, self.parents, np.arange(self.num_nodes))
        step[-1] = self.root
        while not np.array_equal(further := step[step], step):
            step = further
        _, first, cluster = np.unique(step[: self.num_leaves], return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[cluster]

    def parent_arrays(self) -> tuple[Ints, Ints]:
        """Parents of the inner nodes below the root, numbered from 0, and of the leaves, both with -1 for the root.

        What `hyperdml.metrics.dendrogram_purity` takes.
        """
        at_root = (self.parents == self.root) | (self.parents < 0)
        moved = np.where(at_root, -1, self.parents - self.num_leaves)
        return moved[self.num_leaves : -1], moved[: self.num_leaves]

    @cached_property
    def _lca(self) -> ForestLCA:
        return ForestLCA(self.parents, self.depths)

    @cached_property
    def _first_leaf(self) -> Ints:
        """(M,) place in `order` at which the leaves below each node begin."""
        first = np.full(self.num_nodes, self.num_leaves)
        first[self.order] = np.arange(self.num_leaves)
        values = first.tolist()
        for node, up in enumerate(self.parents[:-1].tolist()):  # children first
            values[up] = min(values[up], values[node])
        return np.array(values, dtype=np.int64)

    def _nodes(self, nodes: ArrayLike) -> Ints:
        found = np.asarray(nodes)
        wrong = found[(found < 0) | (found >= self.num_nodes)] if found.dtype.kind in "iu" else found.ravel()
        if found.dtype.kind not in "iu" or wrong.size:
            shown = repr(wrong.flat[0].item()) if wrong.size else f"an array of {found.dtype}"
            raise ValueError(f"nodes are integers from 0 to {self.num_nodes - 1}, got {shown}")
        return found.astype(np.int64)
