"""Queries and what is found for them: at random, where it goes best, where it goes worst."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hyperdml.viz.grid_rows import NEAR, SAME, Choice, GridRows, retrieval_rows
from hyperdml.viz.report import Block, Fold, Kind, Paragraph, Section, Tile, Tiles, pixels_uri
from hyperdml.viz.subject import Subject
from hyperdml.viz.thumbnails import thumbnails

FOUND = "What is found"
_COUNT, _NEAREST, _SIDE = 6, 6, 112
_CHOICES: tuple[tuple[Choice, str], ...] = (("random", "At random"), ("worst", "Worst"), ("best", "Best"))


def retrieved_section(subject: Subject, seed: int) -> Section:
    """Rows of a query and its nearest images, or a sentence that says why there are none.

    Args:
        subject: embeddings and images.
        seed: of the draws.
    """
    images = subject.images
    if images is None:
        return Section(FOUND, [Paragraph(f"There are no images to show: {subject.missing}.")])
    chosen = {heading: _rows(subject, choice, seed) for choice, heading in _CHOICES}
    wanted = np.unique(np.concatenate([np.append(rows.queries, rows.found) for rows in chosen.values()]))
    pictures = {
        int(row): pixels_uri(pixels) for row, pixels in zip(wanted, thumbnails(images, wanted, _SIDE), strict=True)
    }
    names = subject.embeddings.class_of_items()
    blocks: list[Block] = [Paragraph(_legend(chosen["At random"]), soft=True)]
    for heading, rows in chosen.items():
        found: list[Block] = [Paragraph(f"Queries: {rows.words}.", soft=True), _tiles(rows, pictures, names)]
        blocks.append(Fold(heading, found, opened=heading != "Best"))
    return Section(FOUND, blocks)


def _rows(subject: Subject, choice: Choice, seed: int) -> GridRows:
    available = len(subject) - 1 if subject.embeddings.gallery is None else int(subject.embeddings.gallery.sum()) - 1
    return retrieval_rows(subject.embeddings, queries=choice, count=_COUNT, k=min(_NEAREST, available), seed=seed)


def _legend(rows: GridRows) -> str:
    near = "" if rows.level is None else f" ≈ double frame: another class of the same {rows.level};"
    return (
        f"The query, then its nearest images in hyperbolic distance. ✓ solid frame: same class;{near} ✗ dashed frame: "
        "wrong."
    )


def _tiles(rows: GridRows, pictures: Mapping[int, str], names: list[str] | None) -> Tiles:
    lines = []
    for place, query in enumerate(rows.queries.tolist()):
        name = "" if names is None else names[query]
        score = "" if rows.precision is None else f"AP {rows.precision[place]:.3f}"
        line = [Tile(pictures[query], f"Query: {name or query}", "query", ["query", *filter(None, [name, score])])]
        for rank, row in enumerate(rows.found[place].tolist()):
            kind, mark = _judgement(rows, place, rank)
            about = [] if names is None else [names[row]]
            words = [f"{rank + 1} {mark}", *about, f"{rows.distances[place, rank]:.2f}"]
            line.append(Tile(pictures[row], f"Result {rank + 1}: {about[0] if about else row}", kind, words))
        lines.append(line)
    return Tiles(lines)


def _judgement(rows: GridRows, place: int, rank: int) -> tuple[Kind | None, str]:
    """Frame and words of a result."""
    if rows.agreement is None:
        return None, ""
    found = rows.agreement[place, rank]
    if found == SAME:
        return "same", "✓ same class"
    if found == NEAR:
        return "near", f"≈ same {rows.level}"
    return "other", "✗ wrong"
