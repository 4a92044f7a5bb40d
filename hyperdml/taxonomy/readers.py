"""The constructors of a taxonomy from edges, graphs and files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from hyperdml.errors import DataError
from hyperdml.taxonomy.building import clean_leaves
from hyperdml.taxonomy.files import from_dict, read_json
from hyperdml.taxonomy.findings import Finding, find_problems
from hyperdml.taxonomy.formats.tables import read_edge_table
from hyperdml.taxonomy.graph import Graph, read_edges
from hyperdml.taxonomy.names import listing
from hyperdml.taxonomy.tree_readers import TreeReaders

Edges = Iterable[Sequence[object]]


class Readers(TreeReaders):
    """Constructors; see `hyperdml.taxonomy.Taxonomy`.

    All that take `leaves`, `virtual_root` and `unary` treat them as `from_edges` does.
    """

    @classmethod
    def from_edges(
        cls,
        edges: Edges,
        leaves: Sequence[str] | None = None,
        *,
        virtual_root: bool | str = False,
        unary: str = "keep",
    ) -> Self:
        """Build from pairs (parent, child).

        White space around names is taken off. An edge that is given twice counts once.

        Args:
            edges: names of parent and child; a parent of None or NaN states a node without one.
            leaves: names of all nodes without children, in label order; None for their order of first appearance.
            virtual_root: put one root above several: True calls it "root", a string names it. A single root stays as
                it is. Without it several roots make a forest.
            unary: "keep" nodes with a single child, or "collapse" them: their child takes their place, at the root
                too, and `collapsed` tells which node that is.

        Returns:
            The taxonomy.

        Raises:
            ValueError: with everything that `check` finds wrong, or an option is not valid.

        Example:
            >>> from hyperdml.taxonomy import Taxonomy
            >>> Taxonomy.from_edges([("pet", "cat"), ("pet", "dog"), ("farm", "dog")]).names
            ('cat', 'dog', 'pet', 'farm')
        """
        return cls._built(read_edges(edges), leaves, virtual_root, unary)

    @classmethod
    def from_parents(
        cls,
        parents: Mapping[str, str | Sequence[str] | None],
        leaves: Sequence[str] | None = None,
        *,
        virtual_root: bool | str = False,
        unary: str = "keep",
    ) -> Self:
        """Build from ``{child: parent}``, where a parent may be None, a name or a list of names.

        Raises:
            ValueError: see `from_edges`; or it is not a mapping.
        """
        if not isinstance(parents, Mapping):
            raise ValueError(f"parents must be a mapping from child to parent, got a {type(parents).__name__}")
        edges: list[tuple[object, object]] = []
        for child, above in parents.items():
            several = isinstance(above, Iterable) and not isinstance(above, str)
            edges += [(up, child) for up in (above if several and above else [above if not several else None])]
        return cls._built(read_edges(edges, edge_form="{child: parent}"), leaves, virtual_root, unary)

    @classmethod
    def from_networkx(
        cls,
        graph: Any,
        leaves: Sequence[str] | None = None,
        *,
        virtual_root: bool | str = False,
        unary: str = "keep",
    ) -> Self:
        """Build from a directed networkx graph whose nodes are names and whose edges lead from parent to child.

        Raises:
            ValueError: see `from_edges`; or the graph is not directed.
        """
        if not graph.is_directed():
            raise ValueError("a networkx graph must be directed, with edges from parent to child")
        return cls._built(read_edges(list(graph.edges()), graph.nodes), leaves, virtual_root, unary)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` made.

        Raises:
            ValueError: a key is missing, unknown or wrong, or the content does not fit its hash.
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
    def from_edges_csv(
        cls,
        path: Path,
        leaves: Sequence[str] | None = None,
        *,
        virtual_root: bool | str = False,
        unary: str = "keep",
    ) -> Self:
        """Read a table of edges: two columns, parent and child, with commas, semicolons, tabs or spaces.

        A header "parent,child" or "child,parent" tells the columns; without one the first is the parent. A row without
        a parent states a node without one.

        Raises:
            DataError: the file is missing, a row is not two cells, or the edges are not those of a taxonomy.
        """
        graph = read_edge_table(Path(path))
        try:
            return cls._built(graph, leaves, virtual_root, unary)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from error

    @staticmethod
    def check(edges: Edges, leaves: Sequence[str] | None = None) -> list[Finding]:
        """Everything that is wrong with edges, or worth knowing, at once; `from_edges` raises the errors.

        Args:
            edges: see `from_edges`.
            leaves: see `from_edges`.

        Returns:
            Findings, errors first.

        Raises:
            ValueError: `leaves` is not a list of names.

        Example:
            >>> from hyperdml.taxonomy import Taxonomy
            >>> [finding.message for finding in Taxonomy.check([("a", "b"), ("b", "a"), ("a", "c")])][0]
            'cycle of 2 edges: a -> b -> a'
        """
        return find_problems(read_edges(edges), None if leaves is None else clean_leaves(leaves))

    def problems(self) -> list[Finding]:
        """What is worth knowing about this taxonomy: spelling, isolated nodes, roots, several parents, chains."""
        below, above = self.parents.row_of_values, self.parents.values
        found = find_problems(Graph(self.names, above, below), self.leaves)
        if self.collapsed:
            gone = f"{len(self.collapsed)} nodes with a single child were collapsed: {listing(self.collapsed)}"
            found.append(Finding("info", "chains", gone))
        return found
