"""Lineage tables: a row for each class or sample, a column for each rank."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence

from hyperdml.taxonomy.names import clean_name, is_nothing, listing
from hyperdml.taxonomy.places import Places

Table = Iterable[Sequence[object]] | Mapping[str, Iterable[object]]


def read_lineages(table: Table, ranks: Sequence[str] | None, missing: Collection[str], trusted: bool) -> Places:
    """The tree that lineages span; see `Taxonomy.from_lineages`.

    Raises:
        ValueError: a cell is not a name, a row is too long or empty, or the columns run from fine to coarse.
    """
    if isinstance(table, Mapping):
        ranks = list(table) if ranks is None else list(ranks)
        absent = [rank for rank in ranks if rank not in table]
        if absent:
            raise ValueError(f"ranks {listing(absent)} are not among the columns {listing(table, 20)}")
        columns = [list(table[rank]) for rank in ranks]
        if len({len(column) for column in columns}) > 1:
            lengths = ", ".join(f"{rank!r} {len(column)}" for rank, column in zip(ranks, columns, strict=True))
            raise ValueError(f"columns must have the same length, got {lengths}")
        rows: list[Sequence[object]] = list(zip(*columns, strict=True))
    else:
        rows = list(table)
    gaps = {"", *missing}
    places = Places()
    known: dict[tuple[int, int, str], int] = {}
    lines: dict[tuple[str | None, ...], int] = {}
    for number, row in enumerate(rows):
        lines.setdefault(_cells(row, number, gaps), number)
    for cells, number in lines.items():
        if ranks is not None and len(cells) > len(ranks):
            raise ValueError(f"row {number} has {len(cells)} cells, but there are {len(ranks)} ranks")
        above = -1
        for level, name in enumerate(cells):
            if name is None:
                continue
            key = (above, level, name)
            if key not in known:
                known[key] = places.add(name, above, f"level {level}" if ranks is None else str(ranks[level]))
            above = known[key]
        if above < 0:
            raise ValueError(f"row {number} names nothing: {rows[number]!r}")
    if not trusted:
        _check_direction(list(lines))
    return places


def _cells(row: Sequence[object], number: int, gaps: Collection[str]) -> tuple[str | None, ...]:
    """The names of a row, None where nothing is given."""
    if isinstance(row, str) or not isinstance(row, Iterable):
        raise ValueError(f"row {number} must be a sequence of names, coarse to fine, got {row!r}")
    cells: list[str | None] = []
    for level, cell in enumerate(row):
        try:
            cells.append(
                None if is_nothing(cell) or (isinstance(cell, str) and cell.strip() in gaps) else clean_name(cell)
            )
        except ValueError as error:
            raise ValueError(f"row {number}, column {level}: {error}") from None
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _check_direction(lines: Sequence[tuple[str | None, ...]]) -> None:
    """Refuse a table in which every first cell has one last cell and many share it: fine to coarse."""
    pairs = {(line[0], line[-1]) for line in lines if len(line) > 1}
    first, last = {a for a, _ in pairs}, {b for _, b in pairs}
    if len(last) < len(first) == len(pairs):
        (name, group) = max(_by_last(pairs), key=lambda item: len(item[1]))
        raise ValueError(
            f"columns run from fine to coarse: {listing(sorted(map(str, group)), 3)} in the first column all have "
            f"{name!r} in the last; columns must run from coarse to fine, so turn their order round, or give "
            "leaves= if they are right"
        )


def _by_last(pairs: Iterable[tuple[str | None, str | None]]) -> list[tuple[str | None, list[str | None]]]:
    ordered = sorted(pairs, key=lambda pair: str(pair[1]))
    return [(last, [a for a, _ in group]) for last, group in itertools.groupby(ordered, key=lambda pair: pair[1])]
