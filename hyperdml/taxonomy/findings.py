"""What is wrong, or worth knowing, about a graph that is to be a taxonomy: everything at once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.cycles import shortest_cycle
from hyperdml.taxonomy.graph import Graph
from hyperdml.taxonomy.names import listing, suggestion
from hyperdml.taxonomy.order import longest_paths

_SHOWN = 20


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        severity: "error" (no taxonomy can be made), "warning" (probably not meant) or "info".
        kind: what it is, one of "names", "self-loop", "duplicates", "direction", "cycle", "unreachable", "leaves",
            "spelling", "isolated", "roots", "parents", "chains", "empty"; of files also "homonyms", "left out" and
            "counts".
        message: names the nodes, and lines of the file where there are.
    """

    severity: Literal["error", "warning", "info"]
    kind: str
    message: str


def find_problems(graph: Graph, leaves: Sequence[str] | None = None) -> list[Finding]:
    """Every finding about a graph, errors first.

    Args:
        graph: nodes and edges as they were given.
        leaves: the classes in label order, where they were given.

    Returns:
        Findings; a taxonomy can be made if none is an error.
    """
    count = len(graph.names)
    found = [Finding("error", "names", message) for message in graph.faults[:_SHOWN]]
    if len(graph.faults) > _SHOWN:
        found.append(Finding("error", "names", f"{len(graph.faults) - _SHOWN} more edges could not be read"))
    if count == 0:
        return found or [Finding("error", "empty", "there are no nodes")]
    loop = graph.above == graph.below
    edges = np.unique(np.stack([graph.above, graph.below], 1)[~loop], axis=0)
    above, below = edges[:, 0], edges[:, 1]
    parents, children = np.bincount(below, minlength=count), np.bincount(above, minlength=count)
    found += _edge_findings(graph, loop, len(edges))
    found += _cycle_findings(graph, above, below)
    turned = _direction(graph, parents, children, leaves)
    found += turned or _leaf_findings(graph, children, leaves)
    found += _notes(graph.names, parents, children)
    rank = {"error": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda finding: rank[finding.severity])


def _edge_findings(graph: Graph, loop: np.ndarray, distinct: int) -> Iterator[Finding]:
    for edge in np.flatnonzero(loop)[:_SHOWN].tolist():
        message = f"{graph.names[graph.above[edge]]!r} is given as its own parent{graph.where([edge])}"
        yield Finding("error", "self-loop", message)
    if int((~loop).sum()) > distinct:
        edges = np.stack([graph.above, graph.below], 1)
        pairs, times = np.unique(edges[~loop], axis=0, return_counts=True)
        pairs = pairs[times > 1]
        twice = [f"{graph.names[a]} -> {graph.names[b]}" for a, b in pairs.tolist()]
        where = graph.where(np.flatnonzero((edges[:, None] == pairs[:5]).all(2).any(1)))
        yield Finding("warning", "duplicates", f"edges given more than once, counted once: {listing(twice)}{where}")


def _cycle_findings(graph: Graph, above: Ints, below: Ints) -> Iterator[Finding]:
    count = len(graph.names)
    cycle = shortest_cycle(above, below, count)
    if cycle:
        path = [graph.names[node] for node in cycle]
        if len(path) > _SHOWN:
            path = [*path[: _SHOWN // 2], f"... {len(path) - _SHOWN} more ...", *path[-_SHOWN // 2 :]]
        steps = set(itertools.pairwise(cycle))
        where = graph.where(
            edge
            for edge, ends in enumerate(zip(graph.above.tolist(), graph.below.tolist(), strict=True))
            if ends in steps
        )
        yield Finding("error", "cycle", f"cycle of {len(cycle) - 1} edges: {' -> '.join(path)}{where}")
        level = longest_paths(Graph(graph.names, above, below).children, np.bincount(below, minlength=count))
        lost = set(np.flatnonzero(level < 0).tolist()) - set(cycle)
        if lost:
            names = listing(graph.names[node] for node in sorted(lost))
            yield Finding("error", "unreachable", f"on a cycle or below one, so at no depth below a root: {names}")


def _direction(graph: Graph, parents: Ints, children: Ints, leaves: Sequence[str] | None) -> list[Finding]:
    """Edges that were given the wrong way round."""
    turn = f"edges must be {graph.edge_form}: turn them round"
    if leaves is not None:
        wanted = set(leaves)
        places = [node for node, name in enumerate(graph.names) if name in wanted]
        if places and (children[places] > 0).all() and (parents[places] == 0).all():
            message = f"all {len(places)} leaves that are among the nodes have children and no parents; {turn}"
            return [Finding("error", "direction", message)]
        return []
    roots, ends = int((parents == 0).sum()), int((children == 0).sum())
    if ends < roots and (parents > 1).sum() > (children > 1).sum():
        node = int(parents.argmax())
        message = (
            f"{roots} nodes have no parent but only {ends} no children, and {graph.names[node]!r} alone has "
            f"{parents[node]} parents; {turn}, or give leaves= if they are right"
        )
        return [Finding("error", "direction", message)]
    return []


def _leaf_findings(graph: Graph, children: Ints, leaves: Sequence[str] | None) -> Iterator[Finding]:
    """Whether the leaves that were given are the nodes without children."""
    if leaves is None:
        return
    index = {name: node for node, name in enumerate(graph.names)}
    missing = [name for name in leaves if name not in index]
    for name in missing[:_SHOWN]:
        yield Finding("error", "leaves", f"leaf {name!r} is not among the nodes{suggestion(name, graph.names)}")
    if len(missing) > _SHOWN:
        yield Finding("error", "leaves", f"{len(missing) - _SHOWN} more leaves are not among the nodes")
    inner = [name for name in leaves if name in index and children[index[name]] > 0]
    if inner:
        yield Finding("error", "leaves", f"given as leaves, but they have children: {listing(inner)}")
    if len(set(leaves)) < len(leaves):
        twice = [name for name, times in Counter(leaves).items() if times > 1]
        yield Finding("error", "leaves", f"given twice as leaves: {listing(twice)}")
    given = set(leaves)
    others = [name for node, name in enumerate(graph.names) if children[node] == 0 and name not in given]
    if others:
        message = (
            f"nodes without children that are not in leaves: {listing(others)}; add them, or leave out leaves= and "
            "cut the taxonomy down with restrict()"
        )
        yield Finding("error", "leaves", message)


def _notes(names: Sequence[str], parents: Ints, children: Ints) -> Iterator[Finding]:
    spelled: dict[str, list[str]] = {}
    for name in names:
        spelled.setdefault(" ".join(name.casefold().split()), []).append(name)
    for alike in [group for group in spelled.values() if len(group) > 1][:_SHOWN]:
        yield Finding("warning", "spelling", f"names that differ only in case or spaces: {listing(alike)}")
    alone = np.flatnonzero((parents == 0) & (children == 0)).tolist()
    if alone and len(names) > 1:
        message = f"nodes with neither parent nor child: {listing(names[node] for node in alone)}"
        yield Finding("warning", "isolated", message)
    roots = np.flatnonzero(parents == 0).tolist()
    if len(roots) > 1:
        yield Finding("info", "roots", f"{len(roots)} roots: {listing(names[node] for node in roots)}")
    several = np.flatnonzero(parents > 1).tolist()
    if several:
        message = f"{len(several)} nodes have several parents: {listing(names[node] for node in several)}"
        yield Finding("info", "parents", message)
    chains = np.flatnonzero(children == 1).tolist()
    if chains:
        message = f"{len(chains)} nodes have a single child: {listing(names[node] for node in chains)}"
        yield Finding("info", "chains", message)
