"""Tables in files: edges in two columns, lineages under a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from hyperdml.errors import DataError
from hyperdml.taxonomy.formats.text import read_lines
from hyperdml.taxonomy.graph import Graph, read_edges
from hyperdml.taxonomy.lineages import read_lineages
from hyperdml.taxonomy.names import clean_name
from hyperdml.taxonomy.places import Places

# fmt: off
_RANKS = {
    "domain", "superkingdom", "kingdom", "phylum", "class", "order", "family", "genus", "species", "variety", "coarse",
    "middle", "fine", "superclass", "subclass", "group", "subgroup", "supercategory", "category", "subcategory", "make",
    "maker", "manufacturer", "model", "type", "variant", "department", "gender", "item", "product",
}
# fmt: on


def table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines with cells, with their numbers: of tabs, commas or semicolons, whichever the first one has, else of spaces.

    Raises:
        DataError: see `read_lines`; or quotes are not closed.
    """
    lines = read_lines(path)
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        return
    start, text = first
    delimiter = next((sign for sign in "\t,;" if sign in text), None)
    if delimiter is None:
        yield first[0], text.split()
        yield from ((number, line.split()) for number, line in lines if line.strip())
        return

    def feed() -> Iterator[str]:
        yield text + "\n"
        yield from (line + "\n" for _, line in lines)

    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            if cells:
                yield start + reader.line_num - 1, cells
    except csv.Error as error:
        raise DataError(f"{path}, line {start + max(reader.line_num, 1) - 1}: {error}") from error


def is_lineages(header: list[str]) -> bool:
    """Whether a first row is that of lineages: three columns or more, or two that are called as ranks are."""
    words = {cell.strip().casefold() for cell in header}
    return len(header) > 2 or (len(header) == 2 and words <= _RANKS)


def read_edge_table(path: Path) -> Graph:
    """Nodes and edges of a table; see `Taxonomy.from_edges_csv`. Rows that are no edges become faults.

    Raises:
        DataError: see `table_rows`.
    """
    edges: list[tuple[str | None, str]] = []
    lines: list[int] = []
    faults: list[str] = []
    child = 1
    for number, (line, cells) in enumerate(table_rows(path)):
        if len(cells) != 2:
            faults.append(f"line {line}: expected 2 cells, got {len(cells)}: {cells!r}")
            continue
        if not number and sorted(cell.strip().lower() for cell in cells) == ["child", "parent"]:
            child = int(cells[1].strip().lower() == "child")
            continue
        try:
            if not cells[child].strip():
                raise ValueError("the child has no name")
            above = clean_name(cells[1 - child]) if cells[1 - child].strip() else None
            edges.append((above, clean_name(cells[child])))
        except ValueError as error:
            faults.append(f"line {line}: {error}")
            continue
        if above is not None:
            lines.append(line)
    # children first: leaves are in the order of their rows
    graph = read_edges(edges, [name for _, name in edges])
    return replace(graph, faults=tuple(faults), lines=np.array(lines, dtype=np.int64))


def read_lineage_table(path: Path, trusted: bool) -> tuple[Places, list[str]]:
    """Places of a table whose first row names the ranks, coarse to fine, and faults of rows that are no lineages.

    Args:
        path: the file.
        trusted: do not look whether the columns run from fine to coarse.

    Raises:
        DataError: see `table_rows`.
        ValueError: see `read_lineages`.
    """
    ranks: list[str] | None = None
    rows: list[list[str | None]] = []
    faults: list[str] = []
    for line, cells in table_rows(path):
        if ranks is None:
            ranks = [cell.strip() or f"level {level}" for level, cell in enumerate(cells)]
            continue
        if len(cells) > len(ranks):
            faults.append(f"line {line}: {len(cells)} cells, but the header has {len(ranks)}")
            continue
        try:
            row = [clean_name(cell) if cell.strip() else None for cell in cells]
        except ValueError as error:
            faults.append(f"line {line}: {error}")
            continue
        if any(row):
            rows.append(row)
        else:
            faults.append(f"line {line}: names nothing")
    return read_lineages(rows, ranks, (), trusted), faults
