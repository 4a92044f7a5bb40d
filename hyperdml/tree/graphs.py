"""Dendrograms as networkx graphs, GraphML and tables of edges."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np

from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.formats.tables import table_rows
from hyperdml.taxonomy.formats.text import read_text
from hyperdml.taxonomy.names import listing
from hyperdml.tree.assemble import assemble
from hyperdml.tree.shape import Shape

COLUMNS = ("parent", "child", "height", "name")


def graph_of(tree: Shape) -> Any:
    """A networkx graph; see `Dendrogram.to_networkx`."""
    import networkx as nx

    graph = nx.DiGraph(num_leaves=tree.num_leaves, method=tree.method)
    if tree.c is not None:
        graph.graph["c"] = tree.c
    for node, height in enumerate(tree.heights.tolist()):
        graph.add_node(node, height=height)
    called = {node: name for node, name in enumerate(_names(tree)) if name is not None}
    nx.set_node_attributes(graph, called, "name")
    graph.add_edges_from(zip(tree.parents[:-1].tolist(), range(tree.root), strict=True))
    return graph


def shape_of_graph(graph: Any, leaves: Sequence[str] | None = None) -> Shape:
    """Read a networkx graph; see `Dendrogram.from_networkx`.

    Raises:
        ValueError: it is not directed, a node has several parents or only some have a height; see `assemble`.
    """
    if not graph.is_directed():
        raise ValueError("a networkx graph must be directed, with edges from parent to child")
    index = {node: place for place, node in enumerate(graph.nodes)}
    above = np.full(len(index), -1, dtype=np.int64)
    for up, node in graph.edges():
        if above[index[node]] >= 0:
            raise ValueError(f"node {node!r} has several parents: {listing(graph.predecessors(node))}")
        above[index[node]] = index[up]
    given = [data.get("height") for _, data in graph.nodes(data=True)]
    missing = sum(height is None for height in given)
    if 0 < missing < len(given):
        raise ValueError(f"{missing} of {len(given)} nodes have no height")
    heights = None if missing else np.array([_number(height, node) for height, node in zip(given, index, strict=True)])
    called = [data.get("name") for _, data in graph.nodes(data=True)]
    names = [None if name is None else str(name) for name in called]
    labels = [str(node) for node in index]
    found = assemble(labels, above, heights=heights, names=names, inner=names, leaves=leaves)
    curvature = graph.graph.get("c")
    c = None if curvature is None else _number(curvature, "the graph, as c,")
    return replace(found, c=c, method=str(graph.graph.get("method", "given")))


def _names(tree: Shape) -> list[str | None]:
    """(M,) names of leaves and inner nodes, None where there is none."""
    leaves = tree.names or (None,) * tree.num_leaves
    return [*leaves, *(tree.inner_names or (None,) * (tree.num_nodes - tree.num_leaves))]


def _number(value: object, node: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"node {node!r} has height {value!r}, expected a number") from None


def graphml_bytes(tree: Shape) -> bytes:
    """Content of a GraphML file."""
    import networkx as nx

    return "\n".join(nx.generate_graphml(graph_of(tree))).encode()


def shape_of_graphml(path: Path, leaves: Sequence[str] | None = None) -> Shape:
    """Read a GraphML file; see `Dendrogram.from_graphml`.

    Raises:
        DataError: it cannot be read, is not GraphML, declares a document type, or holds no tree.
    """
    import networkx as nx

    text = read_text(path)
    if re.search("<!(DOCTYPE|ENTITY)", text):
        raise DataError(f"{path}: document types are not read")
    try:
        return shape_of_graph(nx.parse_graphml(re.sub(r"^<\?xml[^>]*\?>", "", text)), leaves)
    except (ParseError, KeyError, nx.NetworkXError) as error:
        raise DataError(f"{path} is not GraphML: {error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not a tree: {error}") from error


def edges_csv_bytes(tree: Shape) -> bytes:
    """Content of a table of edges: a row for every node, that of the root without a parent."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = zip(tree.parents.tolist(), tree.heights.tolist(), _names(tree), strict=True)
    for node, (up, height, name) in enumerate(rows):
        writer.writerow(("" if up < 0 else up, node, repr(height), name or ""))
    return text.getvalue().encode()


def shape_of_edges_csv(path: Path, leaves: Sequence[str] | None = None) -> Shape:
    """Read a table of edges; see `Dendrogram.from_edges_csv`.

    Raises:
        DataError: the file is missing, a row is broken, with its line, or the rows are no tree.
    """
    rows = iter(table_rows(path))
    header = next(rows, (0, []))[1]
    try:
        if tuple(cell.strip() for cell in header) != COLUMNS:
            taxonomy = Taxonomy.from_edges_csv(path)
            names = taxonomy.names
            return assemble(names, taxonomy.parent.copy(), inner=names, leaves=leaves)
        return _shape_of_rows(rows, leaves)
    except ValueError as error:
        raise DataError(f"{path} is not a tree: {error}") from error


def _shape_of_rows(rows: Iterator[tuple[int, list[str]]], leaves: Sequence[str] | None) -> Shape:
    index: dict[str, int] = {}
    above: list[tuple[int, str]] = []
    heights: list[float] = []
    names: list[str | None] = []
    for line, cells in rows:
        if len(cells) != len(COLUMNS):
            raise ValueError(f"line {line}: expected {len(COLUMNS)} cells, got {len(cells)}: {cells!r}")
        parent, child, height, name = (cell.strip() for cell in cells)
        if not child or index.setdefault(child, len(above)) != len(above):
            raise ValueError(f"line {line}: child {child!r} " + ("has two rows" if child else "has no label"))
        try:
            heights.append(float(height))
        except ValueError:
            raise ValueError(f"line {line}: height {height!r} is not a number") from None
        above.append((line, parent))
        names.append(name or None)
    missing = [(line, parent) for line, parent in above if parent and parent not in index]
    if missing:
        raise ValueError(f"line {missing[0][0]}: parent {missing[0][1]!r} has no row of its own")
    parents = np.array([index[parent] if parent else -1 for _, parent in above], dtype=np.int64)
    return assemble(list(index), parents, heights=np.array(heights), names=names, inner=names, leaves=leaves)
