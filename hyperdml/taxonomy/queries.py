"""Questions about nodes and pairs of nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hyperdml.taxonomy.classes import Classes
from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.distances import forest_distances, graph_distances
from hyperdml.taxonomy.lca import NONE, ForestLCA, graph_lca

Node = int | str
Nodes = int | str | Sequence[int] | Sequence[str] | np.ndarray


class Queries(Classes):
    """Questions; see `hyperdml.taxonomy.Taxonomy`."""

    def ancestors(self, node: Node) -> Ints:
        """Everything above a node, ascending; of many nodes see `ancestor_closure.rows`.

        Raises:
            ValueError: see `nodes`.
        """
        return self.ancestor_closure.row(self._one(node))[1:]

    def descendants(self, node: Node) -> Ints:
        """Everything below a node, ascending; of many nodes see `descendant_closure.rows`.

        Raises:
            ValueError: see `nodes`.
        """
        return self.descendant_closure.row(self._one(node))[:-1]

    def leaves_under(self, node: Node) -> Ints:
        """Leaves below a node, ascending, a leaf itself; of many nodes see `leaf_closure.rows`.

        Raises:
            ValueError: see `nodes`.
        """
        return self.leaf_closure.row(self._one(node))

    def lca(self, a: Nodes, b: Nodes) -> Ints:
        """Lowest common ancestor of pairs of nodes; a node is its own ancestor.

        Where nodes may have several parents, it is the common ancestor of least height, of several such the first in
        the order of the nodes; no common ancestor lies below it.

        Args:
            a: nodes or labels, of any shape.
            b: nodes or labels, of a shape that broadcasts with `a`.

        Returns:
            int64 nodes of the common shape, -1 for pairs without a common ancestor.

        Raises:
            ValueError: see `nodes`.
        """
        left, right = np.broadcast_arrays(self.nodes(a), self.nodes(b))
        one, other = left.ravel(), right.ravel()
        found = self._forest_lca(one, other) if self.is_forest else graph_lca(one, other, self.ancestor_closure)
        return found.reshape(left.shape)

    def lca_height(self, a: Nodes, b: Nodes) -> Ints:
        """Height of the lowest common ancestor: edges of its longest path down to a leaf.

        The cost of Bertinetto et al. (Making Better Mistakes, CVPR 2020) between classes. Pairs without a common
        ancestor meet one level above everything, at `depth + 1`, as under a virtual root.

        Args:
            a: see `lca`.
            b: see `lca`.

        Returns:
            int64 heights; 0 for a leaf and itself.

        Raises:
            ValueError: see `nodes`.
        """
        found = self.lca(a, b)
        return np.where(found == NONE, self.depth + 1, self.heights[found])

    def distance_matrix(self, kind: Literal["lca_height", "path"] = "lca_height") -> NDArray[np.signedinteger]:
        """Distances between all classes.

        Args:
            kind: "lca_height" for `lca_height`, or "path" for the edges between two leaves over a common ancestor:
                ``depth(a) + depth(b) - 2 depth(lca(a, b))`` in a tree, the shortest such path where nodes may have
                several parents. Classes without a common ancestor are joined by a virtual root above all roots. The
                two kinds rank pairs differently where leaves lie at different depths.

        Returns:
            (C, C), 0 on the diagonal; int16, or int32 where a distance needs it.

        Raises:
            ValueError: `kind` is neither.
        """
        if kind not in ("lca_height", "path"):
            raise ValueError(f"kind must be 'lca_height' or 'path', got {kind!r}")
        path = kind == "path"
        if self.is_forest:
            level, apart = (self.depths, -1) if path else (self.heights, self.depth + 1)
            return forest_distances(self._forest_lca, level, apart, self.num_leaves, path)
        closure, steps = self.ancestor_closure, self.ancestor_distances
        return graph_distances(closure, steps, self.heights, self.num_leaves, self.depth + 1, path)

    @cached_property
    def _forest_lca(self) -> ForestLCA:
        return ForestLCA(self.parent, self.depths)

    def _one(self, node: Node) -> int:
        found = self.nodes(node)
        if found.ndim:
            raise ValueError(f"expected one node, got {found.size}")
        return int(found)
