"""Nested dictionaries and lists, as JSON holds them."""

from __future__ import annotations

from collections.abc import Mapping

from hyperdml.taxonomy.places import Places


def read_nested(data: object) -> Places:
    """The tree that nested data describes; see `Taxonomy.from_nested`.

    Raises:
        ValueError: something is neither a name, a dictionary nor a list, a list stands where a name is needed, or a
            node names a child twice.
    """
    places = Places()
    # depth first with an own stack, children in order: deep data must not exhaust Python's
    stack: list[tuple[object, int, int]] = [(data, -1, 0)]
    siblings: set[tuple[int, str]] = set()
    while stack:
        item, above, level = stack.pop()
        try:
            named = _named(item)
            if named is None:
                stack += [(part, above, level) for part in reversed(_parts(item))]
                continue
            place = places.add(named[0], above, f"level {level}")
            name = places.names[place]
            if (above, name) in siblings:
                raise ValueError(f"two children are called {name!r}")
        except ValueError as error:
            where = f"under {places.path(above)!r}" if above >= 0 else "at the top"
            raise ValueError(f"{where}: {error}") from None
        siblings.add((above, name))
        if named[1] is not None:
            stack.append((named[1], place, level + 1))
    return places


class _Pair(tuple[object, object]):
    """One entry of a dictionary: a name and what is below it."""


def _named(item: object) -> tuple[object, object] | None:
    """Name and children of an item that is one node."""
    if isinstance(item, _Pair):
        return item
    if isinstance(item, str):
        return item, None
    if isinstance(item, Mapping) and isinstance(item.get("name"), str):
        return item["name"], item.get("children")
    if isinstance(item, Mapping) and "children" in item and isinstance(item["children"], list):
        raise ValueError("a node has children but no name")
    return None


def _parts(item: object) -> list[object]:
    """Nodes of an item that is several."""
    if isinstance(item, Mapping):
        return [_Pair(entry) for entry in item.items()]
    if isinstance(item, list | tuple):
        if any(isinstance(part, list | tuple) for part in item):
            raise ValueError("a list stands directly in a list, so that its node has no name")
        return list(item)
    raise ValueError(f"expected a name, a dictionary or a list, got {item!r}")
