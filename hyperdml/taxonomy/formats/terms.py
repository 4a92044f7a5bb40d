"""Nodes that a file knows by ids, with names that need not be unique."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.graph import Graph
from hyperdml.taxonomy.names import clean_name


class Terms:
    """Collects nodes and edges by id; what cannot be one becomes a fault with its line.

    Nodes are called by their names. Of several of one name a single leaf keeps it, since leaves are called as the
    classes of a data set; the others get their id behind it: "seal (n02076196)".

    Args:
        nodes_in: file that holds the nodes, for messages; empty where there is only one file.
        links_in: file that holds the edges.
    """

    def __init__(self, nodes_in: str = "", links_in: str = "") -> None:
        self._nodes_in, self._links_in = nodes_in, links_in
        self._index: dict[str, int] = {}
        self._names: list[str] = []
        self._links: list[tuple[str, str, int]] = []
        self.faults: list[str] = []

    def __contains__(self, term: str) -> bool:
        return term in self._index

    def add(self, term: str, name: str, line: int) -> None:
        """Add a node; an id that is there already, or a name that no node can have, is a fault."""
        if term in self._index:
            self.fault(line, f"id {term!r} is given twice", self._nodes_in)
            return
        try:
            clean_name(term)
            name = clean_name(name)
        except ValueError as error:
            self.fault(line, str(error), self._nodes_in)
            return
        self._index[term] = len(self._names)
        self._names.append(name)

    def link(self, above: str, below: str, line: int) -> None:
        """Add an edge; its ends may still be to come."""
        self._links.append((above, below, line))

    def fault(self, line: int, message: str, file: str = "") -> None:
        """Something that cannot be read; the message does not name file and line yet."""
        self.faults.append(f"{file}{', ' if file else ''}line {line}: {message}")

    def draft(self, wanted: Wanted, notes: Sequence[Finding] = (), leaves: Sequence[str] | None = None) -> Draft:
        """Everything under the names that are wanted.

        Args:
            wanted: see `Wanted`.
            notes: of the reader.
            leaves: ids of the classes in label order.
        """
        known: list[tuple[int, int, int]] = []
        for above, below, line in self._links:
            absent = next((end for end in (above, below) if end not in self._index), None)
            if absent is None:
                known.append((self._index[above], self._index[below], line))
            else:
                self.fault(line, f"{absent!r} is not a node of this file", self._links_in)
        edges = np.array(known, dtype=np.int64).reshape(-1, 3)
        called = list(self._index) if wanted.names == "ids" else self._unique(edges[:, 0])
        graph = Graph(tuple(called), edges[:, 0], edges[:, 1], tuple(self.faults), lines=edges[:, 2])
        # a class that is not there is a fault already
        classes = None if leaves is None else tuple(called[self._index[term]] for term in leaves if term in self)
        ids = {} if wanted.classes is None else self._meanings(called)
        return Draft(graph, tuple(notes), classes, ids)

    def _unique(self, above: np.ndarray) -> list[str]:
        groups: dict[str, list[int]] = {}
        for node, name in enumerate(self._names):
            groups.setdefault(name, []).append(node)
        inner = set(above.tolist())
        out, terms = list(self._names), list(self._index)
        taken = set(groups)
        for group in groups.values():
            leaves = [node for node in group if node not in inner]
            for node in group if len(group) > 1 else ():
                if leaves == [node]:
                    continue
                out[node] = f"{out[node]} ({terms[node]})"
                if out[node] in taken:
                    self.faults.append(f"{out[node]!r} is the name of another node; read it with names='ids'")
                    out[node] = terms[node]
                taken.add(out[node])
        return out

    def _meanings(self, called: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The nodes that ids and names of the file mean, where they are not called so."""
        found: dict[str, list[str]] = {}
        for term, name, out in zip(self._index, self._names, called, strict=True):
            for other in {term, name} - {out}:
                found.setdefault(other, []).append(out)
        return {key: tuple(values) for key, values in found.items()}
