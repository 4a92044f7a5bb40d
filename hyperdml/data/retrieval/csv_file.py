"""Images listed in a table, as pandas writes it and open-metric-learning reads it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from hyperdml.data.image_files import printable
from hyperdml.data.labelled_images import FileImages
from hyperdml.data.presence import check_present
from hyperdml.data.retrieval.collection import TEST, TRAIN, VALIDATION, ClassLevels, Collection, prevailing
from hyperdml.data.retrieval.config import DataConfig
from hyperdml.data.retrieval.csv_table import CATEGORY, Table, read_table
from hyperdml.errors import DataError


def load_csv(config: DataConfig) -> Collection:
    """Images of a table with the columns `path` and `label`, and others where they are there.

    | column | holds |
    |---|---|
    | `split` | train, test or validation; where nothing is test, validation is, as in open-metric-learning |
    | `is_query`, `is_gallery` | True or False in rows of test and validation; all of a part both: leave-one-out |
    | `level_NAME` | levels above the class, from coarse to fine in the order of the columns |
    | `category` | the level above the class where there is no `level_NAME`: that of most of its images |
    | `x_1`, `y_1`, `x_2`, `y_2` | left, top, right and bottom of the part of the image to keep, in pixels |

    Other columns are passed over. Paths are relative to the folder of the table, or absolute. Classes are in the order
    of their labels, as numbers if all are. Without `split` the classes are divided by chance, as those of a folder.

    Args:
        config: its root counts, which is the file.

    Raises:
        DataError: the file is missing or no such table, or images are missing; the message names line and column.
    """
    table = read_table(Path(config.root or ""))
    texts = table.filled("label")
    whole = all(text.removeprefix("-").isdecimal() and len(text) < 19 for text in texts)
    class_names = tuple(sorted(set(texts), key=(lambda text: (int(text), text)) if whole else None))
    number = {name: label for label, name in enumerate(class_names)}
    labels = np.array([number[text] for text in texts], dtype=np.int64)
    parts = _parts(table)
    queries, gallery = _masks(table, parts)
    images = _images(table, labels)
    levels = _levels(table, labels, class_names)
    return Collection(
        images, class_names, levels.ids, levels.names, levels.coarse_names, parts, queries=queries, gallery=gallery
    )


def _parts(table: Table) -> np.ndarray | None:
    if "split" not in table.columns:
        return None
    cells = [cell.casefold() for cell in table.columns["split"]]
    validation = VALIDATION if "test" in cells else TEST
    known = {"train": TRAIN, "test": TEST, "validation": validation, "val": validation}
    for row, cell in enumerate(cells):
        if cell not in known:
            raise table.fault(row, f"split must be train, validation or test, got {cell[:40]!r}")
    return np.array([known[cell] for cell in cells], dtype=np.int64)


def _masks(table: Table, parts: np.ndarray | None) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Who asks and who is searched, False of training images and of parts that are evaluated leave-one-out."""
    there = [name for name in ("is_query", "is_gallery") if name in table.columns]
    if not there:
        return None, None
    if len(there) < 2 or parts is None:
        raise DataError(f"{printable(table.path)}: the columns is_query, is_gallery and split belong together")
    evaluated = parts != TRAIN
    queries, gallery = (table.marks(name, evaluated) for name in there)
    for part in (VALIDATION, TEST):
        rows = parts == part
        unused = np.flatnonzero(rows & ~queries & ~gallery)
        if len(unused):
            raise table.fault(int(unused[0]), "the image is neither query nor gallery")
        if (queries & gallery)[rows].all():
            queries[rows] = gallery[rows] = False
    return queries, gallery


def _images(table: Table, labels: np.ndarray) -> FileImages:
    """Files below the folder of the table; below one further up if they lie elsewhere."""
    folder = os.path.abspath(table.path.parent)
    places = [os.path.normpath(os.path.join(folder, path)) for path in table.filled("path")]
    boxes = table.boxes()
    first: dict[tuple[str, tuple[int, ...]], int] = {}
    for row, place in enumerate(places):
        key = place, () if boxes is None else tuple(boxes[row].tolist())
        if first.setdefault(key, row) != row:
            raise table.fault(row, f"{table.columns['path'][row]!r} is in line {table.lines[first[key]]} already")
    root = os.path.commonpath([folder, *map(os.path.dirname, places)])
    paths = tuple(Path(os.path.relpath(place, root)).as_posix() for place in places)
    check_present(Path(root), paths)
    return FileImages(Path(root), paths, labels, boxes)


def _levels(table: Table, labels: np.ndarray, class_names: tuple[str, ...]) -> ClassLevels:
    """Levels from their columns; nodes are told apart by what is above them too."""
    columns = table.level_columns()
    if not columns:
        return ClassLevels.flat(class_names)
    names = tuple(name.removeprefix("level_") for name in columns)
    if len({*names, "class"}) < len(names) + 1:
        raise DataError(f"{printable(table.path)}: levels cannot be called alike, or class: {', '.join(columns)}")
    cells = list(zip(*(table.filled(name) for name in columns), strict=True))
    distinct = sorted(set(cells))
    number = {lineage: k for k, lineage in enumerate(distinct)}
    of_image = np.array([number[lineage] for lineage in cells], dtype=np.int64)
    if columns != [CATEGORY]:
        first = np.unique(labels, return_index=True)[1][labels]
        astray = np.flatnonzero(of_image != of_image[first])
        if len(astray):
            row, other = int(astray[0]), int(first[astray[0]])
            raise table.fault(
                row,
                f"class {class_names[labels[row]]!r} is of {', '.join(columns)} {cells[row]!r}, but of "
                f"{cells[other]!r} in line {table.lines[other]}",
            )
    lineages = [distinct[k] for k in prevailing(labels, of_image).tolist()]
    ids = [np.arange(len(class_names), dtype=np.int64)]
    for level in range(len(columns), 0, -1):
        nodes = {node: k for k, node in enumerate(sorted({lineage[:level] for lineage in lineages}))}
        ids.insert(0, np.array([nodes[lineage[:level]] for lineage in lineages], dtype=np.int64))
    coarse_names = tuple(sorted({lineage[0] for lineage in lineages}))
    return ClassLevels(np.stack(ids, axis=1), (*names, "class"), coarse_names)
