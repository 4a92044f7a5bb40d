"""The dendrogram: a tree over embeddings, with heights, questions, files and the bridge to a taxonomy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from numpy.typing import ArrayLike

from hyperdml.files import write_atomic
from hyperdml.taxonomy import Taxonomy
from hyperdml.tree.assemble import assemble
from hyperdml.tree.graphs import (
    edges_csv_bytes,
    graph_of,
    graphml_bytes,
    shape_of_edges_csv,
    shape_of_graph,
    shape_of_graphml,
)
from hyperdml.tree.json_file import from_dict, json_bytes, read_json, to_dict
from hyperdml.tree.newick import newick_of, shape_of_newick
from hyperdml.tree.queries import Queries
from hyperdml.tree.scipy_linkage import linkage_of, shape_of_linkage
from hyperdml.tree.shape import Floats, Shape


@dataclass(frozen=True, eq=False, repr=False)
class Dendrogram(Queries):
    """A rooted tree whose N leaves are embeddings, in their order. Immutable; made by `extract_tree` or read.

    Nodes are numbered: leaves 0 to N - 1, then the inner nodes in the order of their heights, so that every node comes
    after its children and the root is the last. Nodes may have any number of children.

    A height says how far apart the leaves below a node are: it is the cophenetic distance of two leaves whose lowest
    common ancestor the node is. It is 0 at leaves, never falls towards the root, and its unit is hyperbolic distance
    where `extract_tree` made it, which tells what it is in each method. Files without heights or lengths are read with
    one unit an edge, counted along the longest way down to a leaf.

    Readers take `leaves`, names of all leaves in the order of the embeddings. Without it leaves that are labelled 0 to
    N - 1 are numbered so (a tree without names is written like this), and others keep the order of the file.

    Attributes:
        parents: (M,) int64, the parent of every node, -1 for the root; cannot be written to.
        heights: (M,) float64; cannot be written to.
        num_leaves: N.
        names: names of the leaves, or None.
        points: (M - N, d) points of the ball, one for each inner node, in float64 on the CPU; or None.
        proxies: (M - N,) int64, the proxy that each inner node is, -1 for the origin; or None.
        c: curvature magnitude of the ball that the tree was found in, or None.
        method: of `extract_tree`, or "given".
        inner_names: names of the inner nodes, None where one has none; or None.

    Raises:
        ValueError: the arrays do not fit each other or this order; the message names the node.

    Example:
        >>> tree = Dendrogram.from_newick("((cat:1,dog:1):2,trout:3);")
        >>> tree.parents.tolist(), tree.heights.tolist()
        ([3, 3, 4, 4, -1], [0.0, 0.0, 0.0, 1.0, 3.0])
        >>> tree.cut(2).tolist(), int(tree.lca(0, 2))
        ([0, 0, 1], 4)
    """

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` made.

        Raises:
            ValueError: a key is missing, unknown or wrong; the message names it.
        """
        return cls._of(from_dict(data))

    @classmethod
    def from_json(cls, path: Path) -> Self:
        """Read what `to_json` wrote.

        Raises:
            DataError: the file is missing, not JSON, or not what `from_dict` reads; the message names the key.
        """
        return cls._of(read_json(Path(path)))

    @classmethod
    def from_newick(cls, text: str, leaves: Sequence[str] | None = None) -> Self:
        """Read one Newick tree, without its comments.

        With lengths, a height is the length of the longest way down to a leaf.

        Raises:
            ValueError: the text is not one tree, with the character; only some edges have a length, or one is not 0 or
                more; the leaves are not those given.
        """
        return cls._of(shape_of_newick(text, leaves))

    @classmethod
    def from_networkx(cls, graph: Any, leaves: Sequence[str] | None = None) -> Self:
        """Read a directed networkx graph whose edges lead from parent to child.

        The node attributes `height` and `name` (of leaves and inner nodes) and the graph attributes `c` and `method`
        are read where they are.

        Raises:
            ValueError: the graph is not a directed tree, only some nodes have a height or only some leaves a name, a
                height is not a number or below that of a child; the leaves are not those given.
        """
        return cls._of(shape_of_graph(graph, leaves))

    @classmethod
    def from_graphml(cls, path: Path, leaves: Sequence[str] | None = None) -> Self:
        """Read a GraphML file as `from_networkx` reads a graph.

        Raises:
            DataError: the file is missing, not GraphML, declares a document type, or holds no tree.
        """
        return cls._of(shape_of_graphml(Path(path), leaves))

    @classmethod
    def from_linkage(cls, linkage: ArrayLike, names: Sequence[str] | None = None) -> Self:
        """Read a linkage matrix of SciPy (or fastcluster).

        Raises:
            ValueError: it is not (N - 1, 4), a row joins what is not there, or a height is not 0 or more or below that
                of a part (as centroid linkage makes); the message names the row.
        """
        return cls._of(shape_of_linkage(linkage, names))

    @classmethod
    def from_edges_csv(cls, path: Path, leaves: Sequence[str] | None = None) -> Self:
        """Read a table of edges: what `to_edges_csv` wrote, or two columns as `Taxonomy.from_edges_csv` reads them.

        Raises:
            DataError: the file is missing, a row is broken, with its line, or the edges are not those of a tree.
        """
        return cls._of(shape_of_edges_csv(Path(path), leaves))

    @classmethod
    def from_taxonomy(cls, taxonomy: Taxonomy) -> Self:
        """The classes of a taxonomy as leaves, in label order.

        Raises:
            ValueError: the taxonomy is not a tree with one root.
        """
        if not taxonomy.is_tree:
            raise ValueError(f"a dendrogram needs a tree with one root, got {taxonomy!r}")
        heights = taxonomy.heights.astype("float64")
        names = taxonomy.names
        return cls._of(assemble(names, taxonomy.parent.copy(), heights=heights, inner=names, leaves=taxonomy.leaves))

    def to_dict(self) -> dict[str, Any]:
        """Format, method, c, numbers, names and points, of types that JSON knows; `from_dict` reads it."""
        return to_dict(self)

    def to_json(self, path: Path) -> None:
        """Write `to_dict` as JSON, atomically; nothing is lost.

        Raises:
            OSError: see `hyperdml.files.write_atomic`.
        """
        write_atomic(Path(path), json_bytes(self))

    def to_newick(self) -> str:
        """The tree in Newick: leaves by name (or number), inner nodes by their names if they have any.

        The length of every edge is the difference of the heights at its ends.
        The way from leaf to leaf is twice their cophenetic distance.
        """
        return newick_of(self)

    def to_networkx(self) -> Any:
        """A networkx graph: nodes 0 to M - 1 with `height` and, where given, `name`; edges from parent to child."""
        return graph_of(self)

    def to_graphml(self, path: Path) -> None:
        """Write `to_networkx` as GraphML, atomically.

        Raises:
            OSError: see `hyperdml.files.write_atomic`.
        """
        write_atomic(Path(path), graphml_bytes(self))

    def to_linkage(self) -> Floats:
        """(N - 1, 4) linkage matrix as SciPy has it: the two clusters that each row joins, height, number of leaves.

        A node of several children becomes several rows of one height, one of a single child none.
        """
        return linkage_of(self)

    def to_edges_csv(self, path: Path) -> None:
        """Write a table of parent, child, height and name, atomically; the row of the root has no parent.

        Raises:
            OSError: see `hyperdml.files.write_atomic`.
        """
        write_atomic(Path(path), edges_csv_bytes(self))

    def to_taxonomy(self) -> Taxonomy:
        """A taxonomy whose classes are the leaves, in their order.

        Inner nodes keep their names; those without, or with one that is taken, are called node1, node2, ...

        Raises:
            ValueError: two leaves share a name, or a name is one that no node of a taxonomy can have.
        """
        names = [str(leaf) for leaf in range(self.num_leaves)] if self.names is None else list(self.names)
        inner = self.inner_names or (None,) * (self.num_nodes - self.num_leaves)
        taken, number, labels = set(names), 0, list(names)
        if len(taken) < len(names):
            raise ValueError(f"classes need names that are all different, but {len(names)} leaves have {len(taken)}")
        given = {name for name in inner if name is not None}
        for name in inner:
            called = name
            while called is None or called in taken:
                number += 1
                called = f"node{number}" if f"node{number}" not in given else None
            taken.add(called)
            labels.append(called)
        above: list[str | None] = [labels[up] for up in self.parents[:-1].tolist()]
        return Taxonomy.from_edges(zip([*above, None], labels, strict=True), leaves=names)

    @classmethod
    def _of(cls, shape: Shape) -> Self:
        return cls(**{field.name: getattr(shape, field.name) for field in fields(shape)})
