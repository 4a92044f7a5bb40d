"""From nodes and edges to the arrays of a taxonomy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperdml.taxonomy.csr import CSR, Ints
from hyperdml.taxonomy.findings import find_problems
from hyperdml.taxonomy.graph import Graph
from hyperdml.taxonomy.names import clean_name
from hyperdml.taxonomy.order import node_order
from hyperdml.taxonomy.structure import Structure

ROOT_NAME = "root"


def build(
    graph: Graph, leaves: Sequence[str] | None = None, virtual_root: bool | str = False, unary: str = "keep"
) -> Structure:
    """Check a graph and put its nodes in order; see `Taxonomy.from_edges` for the options.

    Raises:
        ValueError: with all errors that `find_problems` finds; or an option is not valid.
    """
    if unary not in ("keep", "collapse"):
        raise ValueError(f"unary must be 'keep' or 'collapse', got {unary!r}")
    classes = None if leaves is None else clean_leaves(leaves)
    errors = [finding.message for finding in find_problems(graph, classes) if finding.severity == "error"]
    if len(errors) == 1:
        raise ValueError(errors[0])
    if errors:
        raise ValueError(f"{len(errors)} problems:" + "".join(f"\n- {message}" for message in errors))
    edges = np.unique(np.stack([graph.above, graph.below], 1), axis=0)
    graph = _with_root(Graph(graph.names, edges[:, 0], edges[:, 1]), virtual_root)
    collapsed: dict[str, str] = {}
    if unary == "collapse":
        graph, collapsed = _without_chains(graph)
    ends = np.flatnonzero(np.bincount(graph.above, minlength=len(graph.names)) == 0)
    if classes is not None:
        index = {name: node for node, name in enumerate(graph.names)}
        ends = np.array([index[name] for name in classes], dtype=np.int64)
    order = node_order(graph.names, graph.parents, ends)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    parents = CSR.from_pairs(place[graph.below], place[graph.above], len(order))
    return Structure(tuple(graph.names[node] for node in order.tolist()), len(ends), parents, collapsed)


def clean_leaves(leaves: Sequence[str]) -> list[str]:
    """Names of classes without the white space around them.

    Raises:
        ValueError: a single string, or a name that no node can have.
    """
    if isinstance(leaves, str):
        raise ValueError(f"leaves must be a list of names, got the string {leaves!r}")
    return [clean_name(name) for name in leaves]


def _with_root(graph: Graph, virtual_root: bool | str) -> Graph:
    """Put one root above several."""
    if virtual_root is False:
        return graph
    name = ROOT_NAME if virtual_root is True else clean_name(virtual_root)
    count = len(graph.names)
    roots = np.flatnonzero(np.bincount(graph.below, minlength=count) == 0)
    if len(roots) == 1:
        return graph
    if name in graph.names:
        raise ValueError(f"virtual_root cannot be called {name!r}, a node is; give another name as virtual_root=")
    above = np.concatenate([graph.above, np.full(len(roots), count)])
    return Graph((*graph.names, name), above, np.concatenate([graph.below, roots]))


def _without_chains(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """Take out the nodes with a single child, and say for each which node below took its place."""
    count = len(graph.names)
    stands_for = np.arange(count)
    above, below = graph.above, graph.below
    # a second round is needed only where a node's children became the same node
    while True:
        single = np.bincount(above, minlength=count)[above] == 1
        if not single.any():
            break
        step = np.arange(count)
        step[above[single]] = below[single]
        step = _last(step)
        stands_for = step[stands_for]
        edges = np.unique(np.stack([above[~single], step[below[~single]]], 1), axis=0)
        above, below = edges[:, 0], edges[:, 1]
    kept = np.flatnonzero(stands_for == np.arange(count))
    place = np.full(count, -1)
    place[kept] = np.arange(len(kept))
    names = graph.names
    collapsed = {names[node]: names[stands_for[node]] for node in np.flatnonzero(place < 0).tolist()}
    return Graph(tuple(names[node] for node in kept.tolist()), place[above], place[below]), collapsed


def _last(step: Ints) -> Ints:
    """Where each node ends when every node is followed to the next, by pointer doubling."""
    while True:
        further = step[step]
        if np.array_equal(further, step):
            return step
        step = further
