"""One way into every format: `read_taxonomy` and `check_file`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hyperdml.errors import DataError
from hyperdml.taxonomy.building import clean_leaves
from hyperdml.taxonomy.datasets.aircraft import aircraft_draft
from hyperdml.taxonomy.datasets.cars import cars_draft
from hyperdml.taxonomy.datasets.in_shop import in_shop_draft
from hyperdml.taxonomy.datasets.inaturalist import inaturalist_draft
from hyperdml.taxonomy.datasets.nabirds import nabirds_draft
from hyperdml.taxonomy.datasets.sop import sop_draft
from hyperdml.taxonomy.files import load_json
from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.google import read_google
from hyperdml.taxonomy.formats.graphml import read_graphml
from hyperdml.taxonomy.formats.json_files import json_kind, nested_draft, parents_draft, read_own
from hyperdml.taxonomy.formats.ncbi import read_ncbi
from hyperdml.taxonomy.formats.obo import read_obo
from hyperdml.taxonomy.formats.placed import placed
from hyperdml.taxonomy.formats.recognise import recognise
from hyperdml.taxonomy.formats.tables import read_edge_table, read_lineage_table
from hyperdml.taxonomy.formats.text import read_text
from hyperdml.taxonomy.formats.wordnet import read_wordnet
from hyperdml.taxonomy.newick import read_newick
from hyperdml.taxonomy.places import HOMONYMS
from hyperdml.taxonomy.taxonomy import Taxonomy


def _edges(path: Path, wanted: Wanted) -> Draft:
    return Draft(read_edge_table(path))


def _lineages(path: Path, wanted: Wanted) -> Draft:
    places, faults = read_lineage_table(path, wanted.classes is not None)
    return placed(places, wanted, faults)


def _newick(path: Path, wanted: Wanted) -> Draft:
    return placed(read_newick(read_text(path)), wanted)


_READERS: dict[str, Callable[[Path, Wanted], Draft]] = {
    "edges": _edges,
    "lineages": _lineages,
    "newick": _newick,
    "graphml": read_graphml,
    "obo": read_obo,
    "wordnet": read_wordnet,
    "ncbi": read_ncbi,
    "google": read_google,
    "fgvc_aircraft": aircraft_draft,
    "nabirds": nabirds_draft,
    "cars": cars_draft,
    "sop": sop_draft,
    "in_shop": in_shop_draft,
}
_JSON_READERS: dict[str, Callable[[Any, Wanted], Draft]] = {
    "json": read_own,
    "nested": nested_draft,
    "parents": parents_draft,
    "inaturalist": inaturalist_draft,
}
FORMATS = (*_JSON_READERS, *_READERS)
"""Names of the formats."""
_WITH_IDS = ("obo", "wordnet", "ncbi", "google", "nabirds")
_WITH_HOMONYMS = ("lineages", "nested", "newick", "google", "inaturalist", "fgvc_aircraft")


def read_taxonomy(
    path: Path,
    format: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    names: str = "names",
    homonyms: str | None = None,
    virtual_root: bool | str = False,
    unary: str = "keep",
) -> Taxonomy:
    """Read a taxonomy from a file, or a folder of files, of any format.

    | format | what is read |
    |---|---|
    | json | what `Taxonomy.to_json` wrote |
    | edges | two columns, parent and child (or a header that says otherwise); so also WordNet's is_a lists |
    | lineages | a column for each rank, coarse to fine, under a header |
    | nested, parents | JSON: see `Taxonomy.from_nested`; ``{child: parent}`` |
    | newick, graphml | one Newick tree; GraphML, directed from parent to child |
    | obo | terms and their is_a lines, without obsolete ones |
    | wordnet | `data.noun` or `data.verb`, or the folder of the database |
    | ncbi | the folder of `nodes.dmp` and `names.dmp` |
    | google | Google's product taxonomy, with or without ids |
    | inaturalist, fgvc_aircraft, nabirds, cars, sop, in_shop | see `hyperdml.taxonomy.datasets`; may be incomplete |

    Files are UTF-8, with or without a byte order mark, and are read line by line up to 4 GiB; JSON and Newick are read
    at once, up to 512 MiB. Nothing in a file is executed.

    Args:
        path: the file or folder.
        format: its format; None to recognise it by name and content.
        classes: names or ids of the leaves that are wanted, in label order; what is not above one of them is left out.
            None for everything.
        names: call nodes by their "names", those that share one also by their ids, or by their "ids"; ids are those of
            OBO, WordNet (n02084071), NCBI, Google and NABirds.
        homonyms: see `Taxonomy.from_lineages`; None for what the format does: "error", Google's and iNaturalist's
            "path", FGVC-Aircraft's "level".
        virtual_root: see `Taxonomy.from_edges`.
        unary: see `Taxonomy.from_edges`.

    Returns:
        The taxonomy.

    Raises:
        ValueError: an option is not valid, or the format has no such option.
        DataError: the file is missing or is no taxonomy; the message names everything that is wrong, with lines.
    """
    path = Path(path)
    _, draft = read_draft(path, format, classes=classes, names=names, homonyms=homonyms)
    return draft.taxonomy(path, virtual_root, unary)


def check_file(
    path: Path,
    format: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    names: str = "names",
    homonyms: str | None = None,
) -> list[Finding]:
    """Everything that is wrong with a file, or worth knowing, errors first; see `read_taxonomy` for the arguments.

    Raises:
        ValueError: see `read_taxonomy`.
        DataError: the file is missing or cannot be read as this format at all.
    """
    return read_draft(Path(path), format, classes=classes, names=names, homonyms=homonyms)[1].findings()


def read_draft(
    path: Path,
    format: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    names: str = "names",
    homonyms: str | None = None,
) -> tuple[str, Draft]:
    """The format of a file, and what it says; see `read_taxonomy` for arguments and errors."""
    if format is not None and format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if names not in ("names", "ids"):
        raise ValueError(f"names must be 'names' or 'ids', got {names!r}")
    if homonyms is not None and homonyms not in HOMONYMS:
        raise ValueError(f"homonyms must be one of {', '.join(map(repr, HOMONYMS))}, got {homonyms!r}")
    wanted = Wanted(names, homonyms, None if classes is None else tuple(clean_leaves(classes)))
    found, data = recognise(path) if format is None else format, None
    if found in _JSON_READERS:
        data = load_json(path)
        found = json_kind(data) if format is None else format
    if names == "ids" and found not in _WITH_IDS:
        raise ValueError(f"names='ids' is for {', '.join(_WITH_IDS)}; {path} was read as {found}")
    if homonyms is not None and found not in _WITH_HOMONYMS:
        raise ValueError(f"homonyms= is for {', '.join(_WITH_HOMONYMS)}; {path} was read as {found}")
    try:
        draft = _JSON_READERS[found](data, wanted) if found in _JSON_READERS else _READERS[found](path, wanted)
        return found, draft if wanted.classes is None else draft.restricted(wanted.classes)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
