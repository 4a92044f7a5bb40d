"""The Poincaré disk as a picture: images, proxies and the parent edges of the learned space."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hyperdml.files import write_atomic
from hyperdml.tree import ROOT, nearest_ancestors
from hyperdml.viz.layout import disk_layout, geodesic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which stay apart for colour-blind readers
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_MAX_POINTS = 2000
_THUMBNAILS = 64
_LEGEND = 20  # more groups than this make no readable legend
_PROXY_EDGE = "#c2185b"


@dataclass(frozen=True)
class DiskPicture:
    """What `draw_disk` drew.

    Attributes:
        images: number of images shown (a sample of at most 2,000).
        root_share: share of shown images whose parent is the origin rather than a proxy; None without proxies.
        proxy_root_share: the same for the proxies.
    """

    images: int
    root_share: float | None = None
    proxy_root_share: float | None = None


def draw_disk(
    path: Path,
    points: Tensor,
    proxies: Tensor | None,
    c: float,
    groups: np.ndarray,
    group_names: Sequence[str],
    *,
    title: str,
    thumbnails: np.ndarray | None = None,
    seed: int = 0,
) -> DiskPicture:
    """Draw images, proxies and parent edges into a PNG.

    Radii are those of the learned space and parents are found there (`nearest_ancestors`); only the angle is a layout
    (`disk_layout`).

    Args:
        path: PNG to write.
        points: (N, d) points of the ball.
        proxies: (P, d) points of the ball, or None for a picture without proxies and edges.
        c: curvature magnitude.
        groups: (N,) id of each image's group, which gives its colour.
        group_names: names of the groups, for the legend.
        title: heading.
        thumbnails: (N, S, S, 3) uint8 images; a sample of them is set around the disk in the order of the angles of
            their points.
        seed: seed of the samples.

    Returns:
        Counts for the caption.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rng = np.random.default_rng(seed)
    shown = np.sort(rng.permutation(len(points))[:_MAX_POINTS])
    points = points[torch.from_numpy(shown)]
    at, proxy_at = disk_layout(points, points[:0] if proxies is None else proxies, c)

    figure = Figure(figsize=(9.6, 10.4), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.02, 0.07, 0.96, 0.88))
    axes.set_aspect("equal")
    axes.set_axis_off()
    reach = 1.22 if thumbnails is not None else 1.03
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_title(title, fontsize=14)
    _rim(axes)
    for group, name in enumerate(group_names):
        rows = groups[shown] == group
        if rows.any():
            colour = _COLOURS[group % len(_COLOURS)]
            axes.scatter(at[rows].real, at[rows].imag, s=16, color=colour, label=name, linewidths=0, zorder=3)
    picture = DiskPicture(len(points))
    if proxies is not None:
        parents = nearest_ancestors(points, proxies, c).numpy()
        proxy_parents = nearest_ancestors(proxies, proxies, c).numpy()
        _edges(axes, at, parents, proxy_at, "#bbbbbb", 0.25)
        _edges(axes, proxy_at, proxy_parents, proxy_at, _PROXY_EDGE, 0.45)
        axes.scatter(
            proxy_at.real,
            proxy_at.imag,
            s=16,
            marker="^",
            facecolor="#ffd5e5",
            edgecolor=_PROXY_EDGE,
            linewidths=0.6,
            label="hierarchical proxy",
            zorder=4,
        )
        picture = DiskPicture(len(points), float((parents == ROOT).mean()), float((proxy_parents == ROOT).mean()))
    axes.scatter([0], [0], s=60, marker="*", color="black", label="origin (root)", zorder=5)
    if thumbnails is not None:
        chosen = rng.permutation(len(points))[:_THUMBNAILS]
        _thumbnails(axes, at[chosen], thumbnails[shown[chosen]])
    if len(group_names) <= _LEGEND:
        figure.legend(
            *axes.get_legend_handles_labels(), loc="lower center", ncols=5, fontsize=9, frameon=False, markerscale=1.6
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue())
    return picture


def _rim(axes: Axes) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), 1, fill=False, color="black", linewidth=1.2))
    for radius in (2, 4, 6):  # hyperbolic radius in units of 1 / sqrt(c)
        axes.add_patch(Circle((0, 0), float(np.tanh(radius / 2)), fill=False, color="#dddddd", linewidth=0.6))


def _edges(axes: Axes, child: np.ndarray, parents: np.ndarray, proxy_at: np.ndarray, colour: str, alpha: float) -> None:
    from matplotlib.collections import LineCollection

    ends = np.where(parents == ROOT, 0, proxy_at[parents])
    arcs = geodesic(child, ends)
    lines = np.stack([arcs.real, arcs.imag], -1)
    axes.add_collection(LineCollection(list(lines), colors=colour, linewidths=0.5, alpha=alpha, zorder=1))


def _thumbnails(axes: Axes, at: np.ndarray, images: np.ndarray) -> None:
    """Images around the disk, in the order of their angles, in two rings so that they do not cover each other."""
    half = 0.04
    order = np.argsort(np.angle(at))
    for place, index in enumerate(order):
        angle = 2 * np.pi * (place + 0.5) / len(order) - np.pi
        x, y = (1.06 + 0.1 * (place % 2)) * np.array([np.cos(angle), np.sin(angle)])
        axes.imshow(images[index], extent=(x - half, x + half, y - half, y + half), zorder=6, interpolation="bilinear")
    axes.autoscale(False)
