"""The Poincaré disk as a picture: images, proxies and edges of the learned space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from hyperdml.data import LabelledImages
from hyperdml.errors import ConfigError
from hyperdml.metrics.trees.nulls import random_directions
from hyperdml.viz.colouring import LEGEND, Colouring, colouring
from hyperdml.viz.figure import new_figure, save_figure
from hyperdml.viz.layouts import Layout, geodesic
from hyperdml.viz.palette import PROXY
from hyperdml.viz.scene import Places, Scene, scene_of
from hyperdml.viz.subject import Subject
from hyperdml.viz.thumbnails import thumbnails as small_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_SIDE, _LEGEND = 9.6, 0.8  # inches
_SECTORS, _PIXELS = 60, 64  # images around the disk, one a sector
_RING, _HALF = 1.08, 0.039  # where their middles lie, and half their side: at 60 they stand side by side
_RASTER = 2000  # marks or edges; more become pixels in SVG and PDF
_EDGES, _SHORT = 20_000, 0.004  # more edges than this are drawn only where they are longer, in disk radii
_EDGE = "#9a9a9a"
_REACH = _RING + _HALF + 0.02  # of the axes around them
_AROUND = f"Around the disk: of each of {_SECTORS} sectors the image nearest the rim, at its angle."


def draw_disk(
    path: Path,
    subject: Subject,
    *,
    layout: Layout = "tree",
    colour: str | None = None,
    thumbnails: bool = True,
    control: bool = False,
    max_points: int | None = None,
    seed: int = 0,
) -> str:
    """Draw a subject in the Poincaré disk.

    What radius, angle and lines mean depends on the layout, see `hyperdml.viz.scene.scene_of`; the caption says it.

    Args:
        path: PNG, SVG or PDF to write; many marks are one raster image in the last two.
        subject: at least 4 points; proxies, labels and images are shown as far as it has them.
        layout: "tree" (average linkage, exact), "radius" (the learned radius, the angle a layout), "umap",
            "tangent-pca" or "horospherical".
        colour: level that gives the colours, "class" or "radius"; see `colouring`.
        thumbnails: set images around the disk: of each of 60 sectors the one whose point is nearest the rim.
        control: set beside it the same with proxies in random directions of the same radii.
        max_points: images to show; by default 20,000 in a tree, 2,000 by radius, 5,000 of UMAP, 100,000 of the others.
        seed: of samples and of UMAP.

    Returns:
        The caption, which is also in the figure.

    Raises:
        ConfigError: an unknown layout or level, too few points, another ending, or a control without proxies to change.
        DataError: see `colouring`.
    """
    found = colouring(subject, colour)
    scenes = {"": scene_of(subject.embeddings, layout, most=max_points, seed=seed)}
    if control:
        scenes = {"as learned": scenes[""], "proxies in random directions": _control(subject, layout, max_points, seed)}
    shown = subject.images if thumbnails else None
    words = [f"{name[0].upper()}{name[1:]}: {scene.words}" if name else scene.words for name, scene in scenes.items()]
    caption = " ".join(filter(None, [*words, _AROUND if shown is not None else "", found.words]))
    figure, part = new_figure(
        _SIDE * len(scenes), _SIDE + _LEGEND, title=f"{subject.title} in the Poincaré disk", caption=caption
    )
    width = 1 / len(scenes)
    for place, (name, scene) in enumerate(scenes.items()):
        share = _SIDE / (_SIDE + _LEGEND)
        axes = part.add_axes((place * width + 0.01 * width, 1 - share, 0.98 * width, 0.99 * share))
        draw_scene(axes, scene, found, images=shown)
        if name:
            axes.set_title(name, fontsize=11)
    _legend(part, axes, found)
    save_figure(figure, path)
    return caption


def draw_scene(
    axes: Axes,
    scene: Scene,
    found: Colouring,
    *,
    images: LabelledImages | None = None,
    size: float = 1.0,
) -> None:
    """Draw a scene into axes.

    Args:
        axes: where to.
        scene: what.
        found: colours.
        images: set some of them around the disk.
        size: factor of the marks.
    """
    axes.set_aspect("equal")
    axes.set_axis_off()
    reach = _REACH if images is not None else 1.03
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    _rim(axes, scene.layout == "radius")
    many = len(scene.rows)
    crowded = float(np.clip(2000 / max(many, 1), 0.01, 1.0))
    _arcs(axes, scene.tree_edges, _EDGE, 0.75 if len(scene.inner) else 0.3 * max(crowded, 0.2))
    _arcs(axes, scene.proxy_edges, PROXY, 0.45)
    area = size * float(np.clip(16 * np.sqrt(crowded), 1.5, 16))
    alpha = 1.0 if many <= 5000 else max(0.3, crowded**0.5)
    raster = many > _RASTER
    if found.radii is not None:
        at = scene.images
        marks = axes.scatter(
            at.real,
            at.imag,
            s=area,
            c=found.radii[scene.rows],
            cmap="viridis",
            linewidths=0,
            zorder=3,
            rasterized=raster,
        )
        axes.figure.colorbar(marks, ax=axes, shrink=0.5, label=found.title)
    else:
        for name, tone, mark, rows in found.layers(scene.rows):
            at = scene.images[rows]
            axes.scatter(
                at.real,
                at.imag,
                s=area,
                color=tone,
                marker=mark,
                label=name,
                alpha=alpha,
                linewidths=0,
                zorder=3,
                rasterized=raster,
            )
    if len(scene.proxies):
        axes.scatter(
            scene.proxies.real,
            scene.proxies.imag,
            s=size * 16,
            marker="^",
            facecolor="#ffd5e5",
            edgecolor=PROXY,
            linewidths=0.6,
            label="hierarchical proxy",
            zorder=4,
        )
    if scene.origin is not None:
        name = "root" if scene.layout == "tree" else "origin"
        middle = scene.origin
        axes.scatter([middle.real], [middle.imag], s=size * 60, marker="*", color="black", label=name, zorder=5)
    if images is not None:
        sectors, chosen = outermost(scene.images)
        _around(axes, sectors, small_images(images, scene.rows[chosen], _PIXELS))


def _control(subject: Subject, layout: Layout, most: int | None, seed: int) -> Scene:
    """The scene with every proxy in a random direction."""
    proxies = subject.embeddings.proxies
    if proxies is None or layout == "tree":
        raise ConfigError(f"a control changes proxies, and the layout {layout!r} of {subject.title} shows none")
    drawn = random_directions(proxies.detach().cpu(), torch.Generator().manual_seed(seed))
    return scene_of(replace(subject.embeddings, proxies=drawn), layout, most=most, seed=seed)


def _rim(axes: Axes, radii: bool) -> None:
    """The edge of the disk, and where radii are learned ones circles to read them by."""
    from matplotlib.patches import Circle

    axes.add_patch(Circle((0, 0), 1, fill=False, color="black", linewidth=1.2))
    for radius in (2, 4, 6) if radii else ():  # hyperbolic radius in units of 1 / sqrt(c)
        axes.add_patch(Circle((0, 0), float(np.tanh(radius / 2)), fill=False, color="#e4e4e4", linewidth=0.6))


def _arcs(axes: Axes, edges: Places, colour: str, alpha: float) -> None:
    """Edges as geodesics; of very many only those that can be seen."""
    from matplotlib.collections import LineCollection

    if len(edges) > _EDGES:
        edges = edges[np.abs(edges[:, 0] - edges[:, 1]) > _SHORT]
    if not len(edges):
        return
    arcs = geodesic(edges[:, 0], edges[:, 1])
    lines: NDArray[np.float64] = np.stack([arcs.real, arcs.imag], -1)
    axes.add_collection(
        LineCollection(
            list(lines), colors=colour, linewidths=0.5, alpha=alpha, zorder=1, rasterized=len(edges) > _RASTER
        )
    )


def outermost(places: Places, sectors: int = _SECTORS) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of every sector of the disk the place nearest the rim.

    Args:
        places: (n,) complex numbers of modulus below 1.
        sectors: of equal angle, numbered from the positive real axis against the clock.

    Returns:
        Ascending sectors that hold a place, and the position of the outermost of their places.
    """
    sector = np.floor(np.angle(places) % (2 * np.pi) * sectors / (2 * np.pi)).astype(np.int64) % sectors
    order = np.lexsort((-np.abs(places), sector))
    found, first = np.unique(sector[order], return_index=True)
    return found, order[first]


def _around(axes: Axes, sectors: NDArray[np.int64], tiles: NDArray[np.uint8]) -> None:
    """Images around the disk, each in the middle of its sector."""
    for sector, tile in zip(sectors, tiles, strict=True):
        angle = 2 * np.pi * (sector + 0.5) / _SECTORS
        x, y = _RING * np.cos(angle), _RING * np.sin(angle)
        axes.imshow(tile, extent=(x - _HALF, x + _HALF, y - _HALF, y + _HALF), zorder=6, interpolation="bilinear")
    # pictures set their own limits and shape of the axes
    axes.set(xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH), aspect="equal")


def _legend(part: SubFigure, axes: Axes, found: Colouring) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if found.groups is not None and len(found.groups.names) > LEGEND:
        kept = [(mark, label) for mark, label in zip(handles, labels, strict=True) if label not in found.groups.names]
        handles, labels = [mark for mark, _ in kept], [label for _, label in kept]
    if handles:
        part.legend(
            handles,
            labels,
            loc="lower center",
            ncols=min(5, len(handles)),
            fontsize=8.5,
            frameon=False,
            markerscale=1.6,
        )
