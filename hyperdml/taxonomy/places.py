"""Trees whose nodes are places, so that one name may stand at several: lineages, nested data, Newick."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hyperdml.taxonomy.graph import Graph
from hyperdml.taxonomy.names import clean_name, listing

SEPARATOR = " > "
HOMONYMS = ("error", "path", "level")


@dataclass
class Places:
    """Nodes of a tree in order of first appearance.

    Attributes:
        names: name of every place.
        above: place above it, -1 for roots.
        ranks: name of its level.
    """

    names: list[str] = field(default_factory=list)
    above: list[int] = field(default_factory=list)
    ranks: list[str] = field(default_factory=list)

    def add(self, name: object, above: int, rank: str) -> int:
        """Add a place and return its number.

        Raises:
            ValueError: no node can have this name.
        """
        self.names.append(clean_name(name))
        self.above.append(above)
        self.ranks.append(rank)
        return len(self.names) - 1

    def path(self, place: int) -> str:
        """Names from the root down to a place."""
        path = []
        while place >= 0:
            path.append(self.names[place])
            place = self.above[place]
        return SEPARATOR.join(reversed(path))

    def graph(self, homonyms: str) -> Graph:
        """The places under names that are all different; see `unique_names`.

        Raises:
            ValueError: see `unique_names`.
        """
        names = unique_names(self, homonyms)
        above = np.array(self.above, dtype=np.int64)
        below = np.flatnonzero(above >= 0)
        return Graph(tuple(names), above[below], below)


def unique_names(places: Places, homonyms: str) -> list[str]:
    """Names that are all different.

    Names that stand once stay as they are. Of the places that share a name a single leaf keeps it, since leaves are
    called as the classes of a data set; the others are called by their path ("Plantae > Morus") or their level
    ("genus: Morus").

    Args:
        places: the tree.
        homonyms: "error", "path" or "level".

    Returns:
        A name for every place.

    Raises:
        ValueError: `homonyms` is none of these, a name stands at several places and that is an error, or the names
            that were made are not all different.
    """
    if homonyms not in HOMONYMS:
        raise ValueError(f"homonyms must be one of {', '.join(map(repr, HOMONYMS))}, got {homonyms!r}")
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(places.names):
        groups.setdefault(name, []).append(place)
    shared = [group for group in groups.values() if len(group) > 1]
    if shared and homonyms == "error":
        shown = [f"{places.names[g[0]]!r} at {listing(map(places.path, g), 2)}" for g in shared[:5]]
        raise ValueError(
            f"{len(shared)} names stand at several places: {'; '.join(shown)}. If these are different nodes, give "
            "homonyms='path' or 'level', which tells them apart in their names; one node with several parents can be "
            "given as edges"
        )
    inner = set(places.above)
    out = list(places.names)
    for group in shared:
        leaves = [place for place in group if place not in inner]
        for place in group:
            if leaves != [place]:
                by_level = f"{places.ranks[place]}: {places.names[place]}"
                out[place] = places.path(place) if homonyms == "path" else by_level
    made: dict[str, int] = {}
    for place, name in enumerate(out):
        if made.setdefault(name, place) != place:
            raise ValueError(
                f"homonyms={homonyms!r} calls two nodes {name!r}: {places.path(made[name])!r} and "
                f"{places.path(place)!r}" + ("; homonyms='path' may tell them apart" if homonyms == "level" else "")
            )
    return out
