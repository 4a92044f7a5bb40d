"""Images around hierarchical proxies near the rim of the ball."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.metrics.trees.nulls import z_text
from hyperdml.viz.figure import new_figure, save_figure
from hyperdml.viz.groups import Groups, class_groups
from hyperdml.viz.needs import needed_images, needed_proxies
from hyperdml.viz.proxy_rows import ProxyRows, proxy_rows
from hyperdml.viz.subject import Subject
from hyperdml.viz.thumbnails import thumbnails
from hyperdml.viz.tiles import PIXELS, draw_tile, line_height, tile_axes, write

_SIDE, _GAP, _EDGE, _LABEL = 0.86, 0.1, 0.14, 1.5  # inches
_ROW = _SIDE + 2 * line_height() + 0.14


def draw_proxy_images(path: Path, subject: Subject, *, count: int = 8, k: int = 4, seed: int = 0) -> str:
    """Draw the nearest images of the proxies of the largest radii, one proxy a region (Figure 5 of HIER).

    Args:
        path: PNG, SVG or PDF to write.
        subject: embeddings with proxies and images.
        count: how many proxies, at most.
        k: nearest images a proxy.
        seed: of the proxies in random directions that the caption compares with.

    Returns:
        The caption, which is also in the figure.

    Raises:
        DataError: there are no images or no proxies.
        ValueError: see `proxy_rows`.
    """
    images, proxies = needed_images(subject), needed_proxies(subject)
    classes = None if subject.embeddings.labels is None else class_groups(subject.embeddings)
    rows = proxy_rows(subject.embeddings, proxies, classes, count=count, k=k, seed=seed)
    caption = _caption(rows, len(proxies), k)
    columns = 2 if len(rows.proxies) > 4 else 1
    across = _LABEL + k * (_SIDE + _GAP) + 0.2
    down = -(-len(rows.proxies) // columns)
    width, height = 2 * _EDGE + columns * across - 0.2, down * _ROW
    title = f"Nearest images of proxies near the rim: {subject.title}"
    figure, part = new_figure(width, height, title=title, caption=caption)
    axes = tile_axes(part, width, height)
    tiles = thumbnails(images, rows.found.ravel(), PIXELS).reshape(*rows.found.shape, PIXELS, PIXELS, 3)
    for number in range(len(rows.proxies)):
        left, y = _EDGE + number // down * across, number % down * _ROW
        write(
            axes, f"radius {rows.radii[number]:.2f}", left, y + 0.1, _LABEL - 0.1, size=8, weight="bold", middle=False
        )
        if rows.commonest is not None and classes is not None:
            which, times = rows.commonest[number]
            said = f"{times} of {k} are {classes.names[which]}" if times > 1 else f"{k} classes"
            write(axes, said, left, y + 0.3, _LABEL - 0.1, lines=4, size=7, middle=False)
        for rank, row in enumerate(rows.found[number].tolist()):
            x = left + _LABEL + rank * (_SIDE + _GAP)
            draw_tile(axes, tiles[number, rank], x, y, _SIDE)
            write(axes, _name(classes, row), x, y + _SIDE + 0.04, _SIDE)
    save_figure(figure, path)
    return caption


def _name(classes: Groups | None, row: int) -> str:
    return f"image {row}" if classes is None else classes.names[int(np.asarray(classes.ids)[row])]


def _caption(rows: ProxyRows, proxies: int, k: int) -> str:
    said = (
        f"{len(rows.proxies)} of {proxies:,} proxies: those of the largest hyperbolic radius whose {k} nearest images "
        "are nearest to none shown before. Every point of the ball has nearest images, and near ones look alike, so "
        "rows like these are no evidence of a hierarchy."
    )
    if rows.alike is not None:
        (null,) = rows.alike.nulls.values()
        said += (
            f" Over all proxies, {100 * rows.alike.value:.1f} % of the {k} nearest images are of the commonest class "
            f"among them, where {100 / k:.0f} % are {k} different classes; of proxies in random directions at the same "
            f"radii {100 * null.mean:.1f} ± {100 * null.sd:.1f} % ({z_text(null.z)})."
        )
    return said
