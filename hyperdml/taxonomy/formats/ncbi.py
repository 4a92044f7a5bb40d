"""The NCBI taxonomy dump: `nodes.dmp` and `names.dmp`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hyperdml.errors import DataError
from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.terms import Terms
from hyperdml.taxonomy.formats.text import read_lines
from hyperdml.taxonomy.names import listing

NODES, NAMES = "nodes.dmp", "names.dmp"


def read_ncbi(path: Path, wanted: Wanted) -> Draft:
    """Taxa under their scientific names; the root, which is its own parent in the file, has none.

    With classes wanted, names are kept only of those taxa and what is above them: of a dump of 2.5 million taxa that
    takes 0.7 GB instead of 2.6.

    Args:
        path: the folder of both files, or one of them.
        wanted: see `Wanted`.

    Raises:
        DataError: a file is missing, or a row is not one; the message names the line.
    """
    folder = path if path.is_dir() else path.parent
    parents = _parents(folder / NODES)
    kept = None if wanted.classes is None else _upward(parents, _taxa(folder / NAMES, wanted.classes))
    names = {taxon: name for taxon, name in _scientific(folder / NAMES) if kept is None or taxon in kept}
    terms, nameless = Terms(NODES, NODES), []
    for taxon, (above, line) in parents.items():
        if kept is not None and taxon not in kept:
            continue
        if taxon not in names:
            nameless.append(taxon)
        terms.add(str(taxon), names.get(taxon, str(taxon)), line)
        if above != taxon:
            terms.link(str(above), str(taxon), line)
    notes = []
    if nameless:
        message = f"{len(nameless)} taxa have no scientific name and are called by their ids: {listing(nameless)}"
        notes.append(Finding("warning", "names", message))
    return terms.draft(wanted, notes)


def _parents(path: Path) -> dict[int, tuple[int, int]]:
    """Parent and line of every taxon."""
    parents: dict[int, tuple[int, int]] = {}
    for line, cells in _rows(path, 3):
        taxon = _number(path, line, cells[0])
        if taxon in parents:
            raise DataError(f"{path}, line {line}: taxon {taxon} stands on line {parents[taxon][1]} already")
        parents[taxon] = _number(path, line, cells[1]), line
    return parents


def _scientific(path: Path) -> Iterator[tuple[int, str]]:
    """Taxa with their scientific names."""
    for line, cells in _rows(path, 4):
        if cells[3] == "scientific name":
            yield _number(path, line, cells[0]), cells[1]


def _taxa(path: Path, classes: tuple[str, ...]) -> set[int]:
    """Taxa of ids and names; which of them mean nothing is told later."""
    names = set(classes)
    return {int(name) for name in names if name.isascii() and name.isdigit()} | {
        taxon for taxon, name in _scientific(path) if name in names
    }


def _upward(parents: dict[int, tuple[int, int]], taxa: set[int]) -> set[int]:
    found: set[int] = set()
    for start in taxa:
        taxon = start
        while taxon in parents and taxon not in found:
            found.add(taxon)
            taxon = parents[taxon][0]
    return found


def _rows(path: Path, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Cells of every line: tab, bar, tab between them, tab and bar at the end."""
    for number, line in read_lines(path):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.removesuffix("\t|").split("\t|\t")]
        if len(cells) < columns:
            raise DataError(f"{path}, line {number}: {len(cells)} cells between '|', expected {columns} or more")
        yield number, cells


def _number(path: Path, line: int, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) < 19):
        raise DataError(f"{path}, line {line}: {cell[:40]!r} is not the id of a taxon")
    return int(cell)
