"""CUB-200-2011, for which a table of ranks has to be given: the release has none."""

from __future__ import annotations

import re
from pathlib import Path

from hyperdml.taxonomy.datasets.common import count_notes, find_file, finish, integer, rows
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.placed import placed
from hyperdml.taxonomy.formats.tables import table_rows
from hyperdml.taxonomy.lineages import read_lineages
from hyperdml.taxonomy.names import listing
from hyperdml.taxonomy.places import HOMONYMS
from hyperdml.taxonomy.taxonomy import Taxonomy


def cub(
    folder: Path,
    table: Path,
    *,
    complete: bool = True,
    homonyms: str = "error",
    virtual_root: bool | str = False,
    unary: str = "keep",
) -> Taxonomy:
    """Ranks of birds above the 200 classes of CUB-200-2011; classes are called as their folders.

    Args:
        folder: of the release, with `classes.txt`; labels follow it, from 0.
        table: CSV with a header and a row for each class, as ``order,family,genus,class``: coarse to fine, last the
            class, as its folder, its name in any spelling of spaces and case, or its number from 1.
        complete: another number of classes than 200 is an error.
        homonyms: see `Taxonomy.from_lineages`.
        virtual_root: see `Taxonomy.from_edges`.
        unary: see `Taxonomy.from_edges`.

    Raises:
        DataError: a file is missing or broken, a class has no row, or a row no class; the message names the line.

    Source: Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, 2011.
    """
    if homonyms not in HOMONYMS:
        raise ValueError(f"homonyms must be one of {', '.join(map(repr, HOMONYMS))}, got {homonyms!r}")
    wanted = Wanted(homonyms=homonyms)
    return finish(lambda: _draft(Path(folder), Path(table), wanted), table, complete, virtual_root, unary)


def _draft(folder: Path, table: Path, wanted: Wanted) -> Draft:
    listed = find_file(folder, "classes.txt", "CUB_200_2011/classes.txt")
    known: dict[str, str] = {}
    classes: list[str] = []
    for line, (number, folder_name) in rows(listed, 2):
        known[str(integer(listed, line, number))] = folder_name
        known[_spelling(folder_name)] = folder_name
        classes.append(folder_name)
    lineages: dict[str, list[str | None]] = {}
    faults: list[str] = []
    found = table_rows(table)
    _, header = next(found, (0, []))
    for line, cells in found:
        if len(cells) != len(header):
            faults.append(f"line {line}: {len(cells)} cells, but the header has {len(header)}")
            continue
        *above, last = [cell.strip() for cell in cells]
        name: str | None = known.get(_spelling(last)) or known.get(last.lstrip("0"))
        if name is None:
            faults.append(f"line {line}: {last!r} is no class of {listed.name}")
        elif name in lineages:
            faults.append(f"line {line}: a second row for {name!r}")
        else:
            lineages[name] = [*(cell or None for cell in above), name]
    lacking = [name for name in classes if name not in lineages]
    if lacking:
        faults.append(f"{len(lacking)} classes have no row: {listing(lacking)}")
    ordered = [lineages[name] for name in classes if name in lineages]
    notes = count_notes("CUB-200-2011", {"classes": (len(classes), 200)})
    return placed(read_lineages(ordered, header, (), True), wanted, faults, notes)


def _spelling(name: str) -> str:
    """A name without its number, case, spaces and signs."""
    return re.sub(r"[\W_]+", "", re.sub(r"^\d+\.", "", name)).casefold()
