"""JSON: what this package writes, nested data, parents by child; and how they are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperdml.taxonomy.files import from_dict
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.placed import placed
from hyperdml.taxonomy.graph import Graph, read_edges
from hyperdml.taxonomy.nested import read_nested


def json_kind(data: Any) -> str:
    """The name of the format: "json" (of this package), "parents", "nested" or "inaturalist"."""
    if isinstance(data, Mapping):
        if "format" in data and "parents" in data:
            return "json"
        if isinstance(data.get("categories"), list):
            return "inaturalist"
        values = list(data.values())
        # {"cat": "pet", "dog": "pet"}; as nested data every node would have a single child
        if any(isinstance(value, str) for value in values) and all(
            value is None or isinstance(value, str) for value in values
        ):
            return "nested" if isinstance(data.get("name"), str) else "parents"
    elif isinstance(data, list) and data and isinstance(data[0], Mapping) and {"id", "name"} <= set(data[0]):
        return "nested" if "children" in data[0] else "inaturalist"
    return "nested"


def read_own(data: Any, wanted: Wanted) -> Draft:
    """What `Taxonomy.to_json` wrote.

    Raises:
        ValueError: see `from_dict`.
    """
    found = from_dict(data)
    graph = Graph(found.names, found.parents.values, found.parents.row_of_values)
    return Draft(graph, leaves=found.leaves, collapsed=found.collapsed)


def nested_draft(data: Any, wanted: Wanted) -> Draft:
    """Nested data; see `Taxonomy.from_nested`.

    Raises:
        ValueError: see `read_nested`.
    """
    return placed(read_nested(data), wanted)


def parents_draft(data: Any, wanted: Wanted) -> Draft:
    """An object ``{"child": "parent", ...}`` in which null states a node without a parent.

    Raises:
        ValueError: it is no object.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"expected an object of children and parents, got a {type(data).__name__}")
    edges = [(up, child) for child, up in data.items()]
    return Draft(read_edges(edges, [child for child in data if child.strip()], "{child: parent}"))
