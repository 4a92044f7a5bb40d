"""Google's product taxonomy: a line for every category, with its whole path."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.placed import placed
from hyperdml.taxonomy.formats.text import read_lines
from hyperdml.taxonomy.names import clean_name, listing
from hyperdml.taxonomy.places import SEPARATOR, Places

_ID = re.compile(r"(\d+)\s+-\s+(.*)")


def read_google(path: Path, wanted: Wanted) -> Draft:
    """Lines ``1 - Animals & Pet Supplies`` or, without ids, ``Animals & Pet Supplies > Live Animals``.

    Lines that start with # are comments. A category whose own line is missing is taken from the paths below it. Names
    that stand at several places are called by their paths.
    """
    places = Places()
    known: dict[tuple[int, str], int] = {}
    ids: dict[int, str] = {}
    faults: list[str] = []
    again: list[str] = []
    stated: set[int] = set()
    for number, line in read_lines(path):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _ID.fullmatch(text)
        try:
            words = [clean_name(word) for word in (match[2] if match else text).split(SEPARATOR)]
        except ValueError as error:
            faults.append(f"line {number}: {error}")
            continue
        place = -1
        for level, word in enumerate(words):
            above, key = place, (place, word)
            if key not in known:
                known[key] = places.add(word, above, f"level {level}")
            place = known[key]
        if place in stated:
            again.append(f"{SEPARATOR.join(words)} (line {number})")
        stated.add(place)
        if match:
            ids.setdefault(place, match[1])
    notes = [Finding("warning", "duplicates", f"categories that stand twice: {listing(again)}")] if again else []
    draft = placed(places, wanted, faults, notes, homonyms="path")
    if wanted.names == "ids":
        return _by_id(draft, ids)
    meanings = {value: (draft.graph.names[place],) for place, value in ids.items()}
    return replace(draft, ids={**meanings, **draft.ids})


def _by_id(draft: Draft, ids: dict[int, str]) -> Draft:
    """The same categories, called by their ids.

    Raises:
        ValueError: one has none, or shares it.
    """
    names = draft.graph.names
    lacking = [name for place, name in enumerate(names) if place not in ids]
    if lacking:
        raise ValueError(f"{len(lacking)} categories have no id: {listing(lacking)}")
    if len(set(ids.values())) < len(ids):
        twice = [value for value in set(ids.values()) if list(ids.values()).count(value) > 1]
        raise ValueError(f"ids that several categories have: {listing(sorted(twice))}")
    called = tuple(ids[place] for place in range(len(names)))
    id_of = dict(zip(names, called, strict=True))
    meanings = {name: tuple(id_of[one] for one in of) for name, of in draft.ids.items()}
    meanings |= {name: (value,) for name, value in id_of.items()}
    return replace(draft, graph=replace(draft.graph, names=called), ids=meanings)
