"""What a reader of a format is asked for and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hyperdml.errors import DataError
from hyperdml.taxonomy.building import build
from hyperdml.taxonomy.findings import Finding, find_problems
from hyperdml.taxonomy.graph import Graph
from hyperdml.taxonomy.names import listing, suggestion
from hyperdml.taxonomy.taxonomy import Taxonomy

_SHOWN = 10


@dataclass(frozen=True)
class Wanted:
    """How nodes are to be called, and which are wanted; see `hyperdml.taxonomy.formats.reading.read_taxonomy`.

    Attributes:
        names: "names" or "ids".
        homonyms: "error", "path", "level", or None for what the format does.
        classes: names or ids of the leaves that are wanted; None for all.
    """

    names: str = "names"
    homonyms: str | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Draft:
    """What a file says, before it is known whether that is a taxonomy.

    Attributes:
        graph: nodes and edges, which may have every fault.
        notes: what the reader left out, or found otherwise than expected.
        leaves: names of the classes in label order, where the format states them.
        ids: names of the nodes that an id, or another name, of the file means; only where classes are wanted.
        collapsed: see `Taxonomy`; of a file that has it.
    """

    graph: Graph
    notes: tuple[Finding, ...] = ()
    leaves: tuple[str, ...] | None = None
    ids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    collapsed: Mapping[str, str] = field(default_factory=dict)

    def findings(self) -> list[Finding]:
        """Notes and all findings about the graph, errors first."""
        rank = {"error": 0, "warning": 1, "info": 2}
        found = [*self.notes, *find_problems(self.graph, self.leaves)]
        return sorted(found, key=lambda finding: rank[finding.severity])

    def taxonomy(self, path: Path, virtual_root: bool | str = False, unary: str = "keep") -> Taxonomy:
        """Build it; see `Taxonomy.from_edges` for the options.

        Raises:
            DataError: it is no taxonomy; the message names the file and everything that is wrong.
        """
        if unary not in ("keep", "collapse"):
            raise ValueError(f"unary must be 'keep' or 'collapse', got {unary!r}")
        errors = [note.message for note in self.notes if note.severity == "error"]
        if errors:
            raise DataError(f"{path}: {'; '.join(errors)}")
        try:
            found = build(self.graph, self.leaves, virtual_root, unary)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from error
        # what was collapsed before may have been led to a node that is collapsed or left out now
        before = {name: found.collapsed.get(kept, kept) for name, kept in self.collapsed.items()}
        names = set(found.names)
        gone = {name: kept for name, kept in before.items() if kept in names and name not in names}
        return Taxonomy(found.names, found.num_leaves, found.parents, {**gone, **found.collapsed})

    def restricted(self, classes: tuple[str, ...]) -> Draft:
        """Some classes, in label order, and everything above them.

        Args:
            classes: names of nodes, or what `ids` knows.

        Raises:
            ValueError: a class is not there, with suggestions, or means several nodes.
        """
        index = {name: node for node, name in enumerate(self.graph.names)}
        meant = {name: (name,) if name in index else self.ids.get(name, ()) for name in classes}
        unclear = [name for name in classes if len(meant[name]) != 1]
        if unclear:
            lines = [
                f"\n- {name!r} means {listing(meant[name])}"
                if meant[name]
                else f"\n- {name!r} is not in the file{suggestion(name, self.graph.names)}"
                for name in unclear[:_SHOWN]
            ]
            more = f"\n- and {len(unclear) - _SHOWN} more" if len(unclear) > _SHOWN else ""
            raise ValueError(f"{len(unclear)} of {len(classes)} classes are not clear:{''.join(lines)}{more}")
        leaves = tuple(meant[name][0] for name in classes)
        return replace(self, graph=_above(self.graph, [index[name] for name in leaves]), leaves=leaves)


def _above(graph: Graph, nodes: Sequence[int]) -> Graph:
    """The part of a graph that some nodes and everything above them make."""
    parents = graph.parents
    kept = np.zeros(len(graph.names), dtype=bool)
    front = np.array(nodes, dtype=np.int64)
    while len(front):
        kept[front] = True
        up = np.unique(parents.rows(front).values)
        front = up[~kept[up]]
    place = np.cumsum(kept) - 1
    edges = kept[graph.below]  # where a node is kept, its parents are
    return replace(
        graph,
        names=tuple(name for name, keep in zip(graph.names, kept.tolist(), strict=True) if keep),
        above=place[graph.above[edges]],
        below=place[graph.below[edges]],
        lines=None if graph.lines is None else graph.lines[edges],
    )
