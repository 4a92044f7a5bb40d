"""The taxonomy: classes, what is above them, and everything that can be asked of both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperdml.files import write_atomic
from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.files import edges_csv_bytes, json_bytes, to_dict
from hyperdml.taxonomy.graph import Graph
from hyperdml.taxonomy.names import listing
from hyperdml.taxonomy.newick import write_newick
from hyperdml.taxonomy.queries import Node, Nodes, Queries
from hyperdml.taxonomy.readers import Readers
from hyperdml.taxonomy.show import tree_text


@dataclass(frozen=True, eq=False, repr=False)
class Taxonomy(Readers, Queries):
    """A tree, a forest or a directed acyclic graph of names. Immutable; equal, and hashed, by its content.

    Nodes are numbered: first the C leaves, in label order (that of `leaves`, else of first appearance), then the inner
    nodes by height, those of one height by their first leaf, then by name. So a class label is a node, every node comes
    after all its children, every height is a run of nodes, and neither the order of the edges nor their source matters
    once the leaves are given. With parents as rows, `parents`, `children`, `ancestor_closure`, `descendant_closure` and
    `leaf_closure` hold the graph in arrays that cannot be written to; they are made when first asked for.

    Levels and heights are longest paths: `depths` from a root, `heights` down to a leaf.

    Use the constructors `from_...`, which check what they are given.

    Attributes:
        names: N names, all different.
        num_leaves: C.
        parents: (N rows) parents of every node, ascending.
        collapsed: names of nodes with a single child that were taken out, each with the node that took its place; no
            part of the hash.

    Example:
        >>> edges = [("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "trout")]
        >>> taxonomy = Taxonomy.from_edges(edges)
        >>> taxonomy.names, taxonomy.num_leaves
        (('wren', 'finch', 'trout', 'bird', 'animal'), 3)
        >>> taxonomy.distance_matrix().tolist()
        [[0, 1, 2], [1, 0, 2], [2, 2, 0]]
    """

    def subtree(self, node: Node) -> Taxonomy:
        """A node and everything below it; the leaves stay in their order.

        Raises:
            ValueError: there is no such node.
        """
        return self._cut(self.descendant_closure.row(self._one(node)), self.leaves_under(node), "keep")

    def restrict(self, leaves: Nodes, unary: str = "keep") -> Taxonomy:
        """Some leaves and everything above them.

        Args:
            leaves: names or labels, in the label order of the result.
            unary: see `from_edges`.

        Raises:
            ValueError: a node is not there, not a leaf or given twice; or there is none.
        """
        kept = self.nodes(leaves).ravel()
        inner = kept[kept >= self.num_leaves]
        if len(inner):
            raise ValueError(f"restrict takes leaves, but these have children: {listing(self._names(inner))}")
        if not len(kept):
            raise ValueError("restrict needs a leaf")
        return self._cut(np.unique(self.ancestor_closure.rows(kept).values), kept, unary)

    def show(self, max_depth: int | None = None, max_children: int | None = None) -> str:
        """The taxonomy as text, one node a line, inner nodes with their number of leaves.

        What lies below a node with several parents is shown once.

        Args:
            max_depth: levels below the roots to show; None for all.
            max_children: children of each node to show; None for all.

        Raises:
            ValueError: a limit is negative.

        Example:
            >>> print(Taxonomy.from_nested({"animal": {"bird": ["wren", "finch"], "trout": None}}).show())
            animal (3 leaves)
            ├── bird (2 leaves)
            │   ├── wren
            │   └── finch
            └── trout
        """
        return tree_text(self, max_depth, max_children)

    def to_dict(self) -> dict[str, Any]:
        """Format, hash, names, parents and collapsed nodes, of types that JSON knows; `from_dict` reads it."""
        return to_dict(self)

    def to_json(self, path: Path) -> None:
        """Write `to_dict` as JSON, atomically.

        Raises:
            OSError: see `hyperdml.files.write_atomic`.
        """
        write_atomic(Path(path), json_bytes(self))

    def to_edges_csv(self, path: Path) -> None:
        """Write a table of parent and child, atomically; `from_edges_csv` reads back an equal taxonomy.

        Raises:
            OSError: see `hyperdml.files.write_atomic`.
        """
        write_atomic(Path(path), edges_csv_bytes(self))

    def to_newick(self) -> str:
        """The tree in Newick; give `leaves` to `from_newick` to read it back in this order.

        Raises:
            ValueError: it is not a tree.
        """
        self._require_forest("Newick")
        if not self.is_tree:
            raise ValueError(f"Newick needs one root, but there are {len(self.roots)}: build with virtual_root=")
        first = self.leaf_closure.values[self.leaf_closure.offsets[:-1]]
        rows = [self.children.row(node) for node in range(len(self))]
        return write_newick(self.names, [row[np.argsort(first[row])] for row in rows], int(self.roots[0]))

    def to_networkx(self) -> Any:
        """A networkx graph with an edge from each parent to each child, nodes in order with their `index`."""
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from((name, {"index": node}) for node, name in enumerate(self.names))
        below, above = self.parents.row_of_values.tolist(), self.parents.values.tolist()
        graph.add_edges_from((self.names[a], self.names[b]) for a, b in zip(above, below, strict=True))
        return graph

    def to_graphml(self, path: Path) -> None:
        """Write GraphML, atomically: nodes are called by their names and carry their `index`.

        Raises:
            OSError: see `hyperdml.files.write_atomic`.
        """
        import networkx as nx

        write_atomic(Path(path), "\n".join(nx.generate_graphml(self.to_networkx())).encode())

    def _cut(self, nodes: Ints, leaves: Ints, unary: str) -> Taxonomy:
        """The part of the graph on some nodes (ascending), with these leaves in this order."""
        place = np.full(len(self), -1, dtype=np.int64)
        place[nodes] = np.arange(len(nodes))
        below, above = place[self.parents.row_of_values], place[self.parents.values]
        kept = (below >= 0) & (above >= 0)
        return self._built(Graph(self._names(nodes), above[kept], below[kept]), self._names(leaves), False, unary)

    def _names(self, nodes: Ints) -> tuple[str, ...]:
        return tuple(self.names[node] for node in nodes.tolist())
