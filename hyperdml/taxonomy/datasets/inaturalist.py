"""iNaturalist: the categories of its annotation files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hyperdml.taxonomy.datasets.common import count_notes, finish
from hyperdml.taxonomy.files import load_json
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.placed import placed
from hyperdml.taxonomy.lineages import read_lineages
from hyperdml.taxonomy.names import clean_name
from hyperdml.taxonomy.taxonomy import Taxonomy

_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "name")
_OLD_RANKS = ("supercategory", "name")
_CLASSES = {2017: 5089, 2018: 8142, 2019: 1010, 2021: 10000}


def inaturalist(
    path: Path,
    year: int | None = None,
    *,
    virtual_root: bool | str = False,
    unary: str = "keep",
) -> Taxonomy:
    """The categories of iNaturalist 2017 to 2021; label l is category l.

    Seven ranks from kingdom to species; 2017 has only super-category and species. Cells are stripped, empty ones and
    "NA" are passed over, and genera that several kingdoms have are called by their paths. Some of the annotation files
    of 2018 and 2019 hold codes instead of names, whose names came in a file of their own.

    Args:
        path: an annotation file (that of the validation images is the smallest), or a file with only its categories.
        year: 2017, 2018, 2019 or 2021: another number of categories than that year's is an error. None for any number.
        virtual_root: see `Taxonomy.from_edges`.
        unary: see `Taxonomy.from_edges`. A third of the inner nodes have a single child.

    Raises:
        ValueError: `year` is none of these.
        DataError: the file is missing or broken, or has another number of categories.

    Source: Van Horn et al., The iNaturalist Species Classification and Detection Dataset, CVPR 2018; and the
    repository inat_comp of Visipedia.
    """
    if year is not None and year not in _CLASSES:
        raise ValueError(f"year must be one of {', '.join(map(str, _CLASSES))}, or None, got {year!r}")
    data = load_json(Path(path))
    return finish(lambda: inaturalist_draft(data, Wanted(), year), path, True, virtual_root, unary)


def inaturalist_draft(data: Any, wanted: Wanted, year: int | None = None) -> Draft:
    """What the categories of an annotation file say.

    Raises:
        ValueError: there are none, or names are not made different by `wanted`.
    """
    categories = data.get("categories") if isinstance(data, Mapping) else data
    if not isinstance(categories, list) or not categories:
        raise ValueError("it holds no list of categories")
    ids: dict[int, tuple[str | None, ...]] = {}
    faults: list[str] = []
    ranks = _OLD_RANKS if not any(isinstance(one, Mapping) and "kingdom" in one for one in categories) else _RANKS
    for number, one in enumerate(categories):
        try:
            label, row = _category(one, ranks)
        except ValueError as error:
            faults.append(f"category {number}: {error}")
            continue
        if label in ids:
            faults.append(f"category {number}: id {label} is given twice")
        ids[label] = row
    notes = [] if year is None else count_notes(f"iNaturalist {year}", {"categories": (len(ids), _CLASSES[year])})
    places = read_lineages([ids[label] for label in sorted(ids)], ranks, (), True)
    return placed(places, wanted, faults, notes, homonyms="path")


def _category(one: Any, ranks: tuple[str, ...]) -> tuple[int, tuple[str | None, ...]]:
    """Id and lineage of a category."""
    if not isinstance(one, Mapping):
        raise ValueError(f"expected an object, got {one!r}"[:120])
    if type(one.get("id")) is not int:
        raise ValueError(f"its id must be an integer, got {one.get('id')!r}"[:120])
    row = []
    for rank in ranks:
        value = one.get(rank)
        nothing = value is None or (isinstance(value, str) and value.strip() in ("", "NA"))
        row.append(None if nothing else clean_name(value))
    if row[-1] is None:
        raise ValueError("it has no name")
    return one["id"], tuple(row)
