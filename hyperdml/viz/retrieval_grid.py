"""Queries and what was found for them, as images, under two models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hyperdml.data import EmbeddingSet
from hyperdml.metrics import recall_at_k
from hyperdml.viz.figure import new_figure, save_figure
from hyperdml.viz.grid_rows import SAME, Choice, GridRows, retrieval_rows
from hyperdml.viz.groups import class_groups
from hyperdml.viz.needs import arm_beside, needed_images
from hyperdml.viz.subject import Subject
from hyperdml.viz.thumbnails import thumbnails
from hyperdml.viz.tiles import PIXELS, draw_tile, line_height, tile_axes, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIDE, _GAP, _BETWEEN, _EDGE = 0.86, 0.1, 0.34, 0.14  # inches
_HEAD = 0.42
_ROW = _SIDE + 3 * line_height() + 0.12


def draw_retrieval_grid(
    path: Path,
    subject: Subject,
    *,
    queries: Choice | Sequence[int] = "random",
    count: int = 8,
    k: int = 4,
    level: str | None = None,
    against: str | None = None,
    seed: int = 0,
) -> str:
    """Draw queries with their nearest images, framed by whether the class is the same (Figure 9 of HIER).

    Frames differ in colour, line and mark, so that the figure can be read without colours.

    Args:
        path: PNG, SVG or PDF to write.
        subject: embeddings with images.
        queries: which ones; see `retrieval_rows`.
        count: how many queries.
        k: nearest images a query.
        level: level within which a wrong image counts as near; by default the coarsest above the class.
        against: title of the arm that is set beside the subject; by default the metric loss alone, if there is one.
        seed: of the draws.

    Returns:
        The caption, which is also in the figure.

    Raises:
        DataError: there are no images, or no labels to choose queries by.
        ConfigError: no such arm, level or row, or "changed" without a second arm.
        ValueError: see `retrieval_rows`.
    """
    images = needed_images(subject)
    other = arm_beside(subject, against)
    rows = retrieval_rows(
        subject.embeddings,
        queries=queries,
        count=count,
        k=k,
        level=level,
        against=None if other is None else other[1],
        seed=seed,
    )
    panels = [(subject.own_title, subject.embeddings, rows)]
    if other is not None:
        found = retrieval_rows(other[1], queries=rows.queries, k=k, level=level)
        panels.append((other[0], other[1], found))
    caption = _caption(panels)
    across = k * (_SIDE + _GAP)
    width = 2 * _EDGE + _SIDE + len(panels) * (_BETWEEN + across)
    height = _HEAD + len(rows.queries) * _ROW
    figure, part = new_figure(width, height, title=f"Nearest images: {subject.title}", caption=caption)
    axes = tile_axes(part, width, height)
    shown, place = np.unique(np.concatenate([rows.queries, *(rows.found.ravel() for *_, rows in panels)])), {}
    tiles = thumbnails(images, shown, PIXELS)
    place = {int(row): tiles[i] for i, row in enumerate(shown)}
    names = _names(subject.embeddings)
    write(axes, "query", _EDGE, 0.12, _SIDE, lines=1, size=8, weight="bold")
    for number, row in enumerate(rows.queries.tolist()):
        y = _HEAD + number * _ROW
        draw_tile(axes, place[row], _EDGE, y, _SIDE)
        write(axes, names[row] if names else f"image {row}", _EDGE, y + _SIDE + 0.04, _SIDE, lines=3)
    for number, (title, _, found) in enumerate(panels):
        x = _EDGE + _SIDE + _BETWEEN + number * (across + _BETWEEN)
        write(axes, title, x, 0.12, across - _GAP, lines=2, size=8, weight="bold")
        _panel(axes, found, place, names, x)
    save_figure(figure, path)
    return caption


def _panel(axes: Axes, rows: GridRows, tiles: dict[int, np.ndarray], names: Sequence[str] | None, left: float) -> None:
    for number, (hits, distances) in enumerate(zip(rows.found.tolist(), rows.distances.tolist(), strict=True)):
        y = _HEAD + number * _ROW
        for rank, (row, distance) in enumerate(zip(hits, distances, strict=True)):
            x = left + rank * (_SIDE + _GAP)
            agreement = None if rows.agreement is None else str(rows.agreement[number, rank])
            draw_tile(axes, tiles[row], x, y, _SIDE, agreement)
            write(axes, f"{distance:.2f}", x, y + _SIDE + 0.04, _SIDE, lines=1, colour="#777777")
            if names is not None and agreement != SAME:
                write(axes, names[row], x, y + _SIDE + 0.04 + line_height(), _SIDE)


def _names(embeddings: EmbeddingSet) -> list[str] | None:
    """The class of each image by name; None without labels."""
    if embeddings.labels is None:
        return None
    groups = class_groups(embeddings)
    return [groups.names[group] for group in groups.ids.tolist()]


def _caption(panels: Sequence[tuple[str, EmbeddingSet, GridRows]]) -> str:
    rows = panels[0][2]
    parts = [
        f"Queries ({rows.words}) and their nearest images by hyperbolic distance, which stands below each; nearest to "
        "the left."
    ]
    if rows.agreement is not None:
        near = "" if rows.level is None else f"amber, dashed, ≈: another class of the same {rows.level}; "
        parts.append(f"Green, solid, ✓: same class; {near}red, dotted, ✗: wrong.")
        shares = " and ".join(f"{100 * _recall(found):.1f} % with {title}" for title, found, _ in panels)
        parts.append(f"A few rows prove nothing; over all queries the nearest image is of the same class for {shares}.")
    return " ".join(parts)


def _recall(embeddings: EmbeddingSet) -> float:
    """Recall@1 by the protocol of the set."""
    queries, gallery, inside = embeddings.search_sets() or (embeddings, None, False)
    if queries.labels is None:
        return float("nan")
    if gallery is None:
        return recall_at_k(queries.points, queries.labels, (1,), embeddings.c)[1]
    reference = (gallery.points, gallery.labels)
    return recall_at_k(
        queries.points, queries.labels, (1,), embeddings.c, "hyperbolic", *reference, ref_includes_query=inside
    )[1]
