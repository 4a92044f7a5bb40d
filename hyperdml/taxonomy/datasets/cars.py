"""Stanford Cars: makes and body types, read off the names of its classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets.common import count_notes, find_file, finish
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.mat_files import read_mat
from hyperdml.taxonomy.formats.terms import Terms
from hyperdml.taxonomy.taxonomy import Taxonomy

_TWO_WORDS = ("AM General", "Aston Martin", "Land Rover")
_BODIES = {
    "cab": "pickup",
    "supercab": "pickup",
    "convertible": "convertible",
    "coupe": "coupe",
    "hatchback": "hatchback",
    "minivan": "minivan",
    "sedan": "sedan",
    "suv": "suv",
    "van": "van",
    "wagon": "wagon",
}
# names without a body type, by what stands in them; ours
_BY_MODEL = {
    "300 SRT-8": "sedan",
    "500 Abarth": "hatchback",
    "Challenger SRT8": "coupe",
    "Charger SRT-8": "sedan",
    "Cobalt SS": "coupe",
    "Corvette Ron Fellows": "coupe",
    "Corvette ZR1": "coupe",
    "Gallardo LP": "coupe",
    "HHR SS": "wagon",
    "Integra Type R": "coupe",
    "Regal GS": "sedan",
    "TL Type-S": "sedan",
    "TrailBlazer SS": "suv",
    "XK XKR": "coupe",
}
_YEAR = re.compile(r"(?:19|20)\d\d")


def cars(folder: Path, by: str = "type", *, complete: bool = True, virtual_root: bool | str = False) -> Taxonomy:
    """Body types or makes above the 196 classes of Stanford Cars; labels follow the release, from 0.

    The release has no hierarchy, but its names are "make model type year": the make is the first word, or two, and the
    body type the last such word; "Cab" is a pickup. The 14 names without a type are given one by us.

    Args:
        folder: with `cars_meta.mat` or `cars_annos.mat`.
        by: "type" (9 body types), "make" (49 makes) or "both", in which every class has two parents.
        complete: counts other than these are an error.
        virtual_root: see `Taxonomy.from_edges`.

    Raises:
        ValueError: `by` is none of these.
        DataError: the file is missing or broken, counts differ, or a name is not understood.

    Source: Krause et al., 3D Object Representations for Fine-Grained Categorization, 2013.
    """
    if by not in ("type", "make", "both"):
        raise ValueError(f"by must be 'type', 'make' or 'both', got {by!r}")
    return finish(lambda: cars_draft(Path(folder), Wanted(), by), folder, complete, virtual_root, "keep")


def cars_draft(folder: Path, wanted: Wanted, by: str = "type") -> Draft:
    """What the names say."""
    path = find_file(folder, "cars_meta.mat", "devkit/cars_meta.mat", "cars_annos.mat")
    return names_draft(class_names_of(path), wanted, by)


def names_draft(names: Sequence[str], wanted: Wanted, by: str) -> Draft:
    """Types and makes above classes with these names."""
    terms = Terms()
    makes, types = set(), set()
    for label, name in enumerate(names):
        try:
            make, body = make_and_type(name)
        except ValueError as error:
            terms.faults.append(f"class {label}: {error}")
            continue
        makes.add(make)
        types.add(body)
        terms.add(f"class {label}", name, label)
        for above in {"type": [body], "make": [make], "both": [body, make]}[by]:
            if above not in terms:
                terms.add(above, above, label)
            terms.link(above, f"class {label}", label)
    counts = {"classes": (len(names), 196), "body types": (len(types), 9), "makes": (len(makes), 49)}
    leaves = [f"class {label}" for label in range(len(names)) if f"class {label}" in terms]
    return terms.draft(wanted, count_notes("Stanford Cars", counts), leaves)


def make_and_type(name: str) -> tuple[str, str]:
    """Make and body type of a class.

    Raises:
        ValueError: the name ends without a year, or has no type that is known.

    Example:
        >>> make_and_type("Land Rover LR2 SUV 2012"), make_and_type("Ram C/V Cargo Van Minivan 2012")
        (('Land Rover', 'suv'), ('Ram', 'minivan'))
    """
    words = name.split()
    if len(words) < 3 or not _YEAR.fullmatch(words[-1]):
        raise ValueError(f"expected a name of make, model, type and year, got {name!r}")
    make = next((two for two in _TWO_WORDS if name.startswith(f"{two} ")), words[0])
    body = next((_BODIES[word.lower()] for word in reversed(words) if word.lower() in _BODIES), None)
    body = body or next((kind for model, kind in _BY_MODEL.items() if model in name), None)
    if body is None:
        raise ValueError(f"no body type in the name {name!r}")
    return make, body


def class_names_of(path: Path) -> tuple[str, ...]:
    """Names of the classes, in order, of `cars_meta.mat` or `cars_annos.mat`.

    Raises:
        DataError: the file is missing, damaged or of another structure.
    """
    found = read_mat(path, "class_names")
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise DataError(f"{path}: class_names must be a list of texts")
    return tuple(str(name).strip() for name in found)
