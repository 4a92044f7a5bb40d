"""Nodes and edges as they were given, before anything is known about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hyperdml.taxonomy.csr import CSR, Ints
from hyperdml.taxonomy.names import clean_name, is_nothing

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed graph that may still have every fault.

    Attributes:
        names: N names, all different, in order of first appearance.
        above: (E,) parent of every edge.
        below: (E,) child of every edge.
        faults: messages about edges that could not be read and are left out.
        edge_form: what an edge was given as, for messages.
        lines: (E,) line of a file that gives each edge; None where there is none.
    """

    names: tuple[str, ...]
    above: Ints
    below: Ints
    faults: tuple[str, ...] = ()
    edge_form: str = "(parent, child)"
    lines: Ints | None = None

    @property
    def parents(self) -> CSR:
        """Parents of every node; an edge that was given twice counts twice."""
        return CSR.from_pairs(self.below, self.above, len(self.names))

    @property
    def children(self) -> CSR:
        """Children of every node; an edge that was given twice counts twice."""
        return CSR.from_pairs(self.above, self.below, len(self.names))

    def where(self, edges: Iterable[int]) -> str:
        """Lines of edges as the end of a message; empty if there are none."""
        if self.lines is None:
            return ""
        lines = sorted({int(self.lines[edge]) for edge in edges})
        shown = ", ".join(map(str, lines[:_SHOWN])) + (" and others" if len(lines) > _SHOWN else "")
        return f" (line{'s' if len(lines) > 1 else ''} {shown})"


def read_edges(
    edges: Iterable[Sequence[object]], nodes: Iterable[object] = (), edge_form: str = "(parent, child)"
) -> Graph:
    """Collect edges of names; what is not an edge becomes a fault.

    Args:
        edges: pairs (parent, child) of names; a parent of None or NaN states a node without one.
        nodes: names that come first in the order of appearance.
        edge_form: see `Graph`.

    Returns:
        The graph.
    """
    index: dict[str, int] = {}
    above, below, faults = [], [], []
    for name in nodes:
        try:
            index.setdefault(clean_name(name), len(index))
        except ValueError as error:
            faults.append(str(error))
    for number, edge in enumerate(edges):
        try:
            parent, child = _pair(edge)
            alone = is_nothing(parent)
            ends = [clean_name(name) for name in ((child,) if alone else (parent, child))]
        except ValueError as error:
            faults.append(f"edge {number}: {error}")
            continue
        places = [index.setdefault(name, len(index)) for name in ends]
        if not alone:
            above.append(places[0])
            below.append(places[1])
    return Graph(tuple(index), _ints(above), _ints(below), tuple(faults), edge_form)


def _pair(edge: Sequence[object]) -> Sequence[object]:
    if isinstance(edge, str) or not hasattr(edge, "__len__") or len(edge) != 2:
        raise ValueError(f"expected a pair (parent, child), got {edge!r}")
    return edge


def _ints(values: list[int]) -> Ints:
    return np.array(values, dtype=np.int64)
