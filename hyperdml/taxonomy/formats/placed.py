"""Drafts of what is read as places in a tree: lineages, nested data, Newick, paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.places import SEPARATOR, Places


def placed(
    places: Places,
    wanted: Wanted,
    faults: Sequence[str] = (),
    notes: Sequence[Finding] = (),
    homonyms: str = "error",
) -> Draft:
    """The places under names that are all different.

    Names that stand twice where that is an error become a note, and the graph goes on under paths, so that everything
    else that is wrong is found too.

    Args:
        places: the tree.
        wanted: see `Wanted`.
        faults: what could not be read.
        notes: of the reader.
        homonyms: what the format does where `wanted` does not say.

    Raises:
        ValueError: see `hyperdml.taxonomy.places.unique_names`.
    """
    rule, notes = wanted.homonyms or homonyms, list(notes)
    try:
        graph = places.graph(rule)
    except ValueError as error:
        if rule != "error":
            raise
        notes.append(Finding("error", "homonyms", str(error)))
        graph = places.graph("path")
    ids: dict[str, tuple[str, ...]] = {}
    if wanted.classes is not None:
        paths: list[str] = []
        for place, name in enumerate(places.names):
            up = places.above[place]
            paths.append(f"{paths[up]}{SEPARATOR}{name}" if up >= 0 else name)
            for other in {name, paths[place]} - {graph.names[place]}:
                ids[other] = (*ids.get(other, ()), graph.names[place])
    return Draft(replace(graph, faults=tuple(faults)), tuple(notes), ids=ids)
