"""One panel an epoch: the same images in the disk as training goes on."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from hyperdml.data import EmbeddingSet
from hyperdml.errors import ConfigError, DataError
from hyperdml.viz.colouring import LEGEND, colouring
from hyperdml.viz.disk import draw_scene
from hyperdml.viz.figure import new_figure, save_figure
from hyperdml.viz.layouts import Layout, LinearMap, align, umap_layout
from hyperdml.viz.layouts.linear_map import Kind
from hyperdml.viz.scene import MOST, Places, Scene, about_linear, parent_scene
from hyperdml.viz.subject import Subject

_SIDE, _LEGEND, _COLUMNS = 4.2, 0.7, 3


def draw_epochs(path: Path, subject: Subject, *, layout: Layout = "tangent-pca", seed: int = 0) -> str:
    """Draw the embeddings after several epochs (Figure 8 of HIER), which `snapshot_epochs` keeps.

    The panels share one frame: a linear map is fitted on the last epoch and applied to all; UMAP begins at each epoch
    where it ended at the one before, and is turned onto it.

    Args:
        path: PNG, SVG or PDF to write.
        subject: with epochs.
        layout: "tangent-pca", "horospherical" or "umap".
        seed: of the sample and of UMAP.

    Returns:
        The caption, which is also in the figure.

    Raises:
        DataError: there are no epochs.
        ConfigError: another layout.
    """
    if not subject.epochs:
        raise DataError(
            f"{subject.title} has kept no epochs; train with snapshot_epochs, as 'snapshot_epochs=[1,3,5,7,10]'"
        )
    if layout not in ("tangent-pca", "horospherical", "umap"):
        raise ConfigError(f"epochs are drawn by tangent-pca, horospherical or umap, got {layout!r}")
    rows = np.sort(np.random.default_rng(seed).permutation(len(subject))[: MOST[layout]])
    found = colouring(subject)
    places, words = _places(subject, layout, rows, seed)
    if found.words:
        words += f" {found.words}"
    columns = min(_COLUMNS, len(places))
    down = -(-len(places) // columns)
    height = down * _SIDE + _LEGEND
    title = f"{subject.title}: the disk after {_listed(list(subject.epochs))}"
    figure, part = new_figure(columns * _SIDE, height, title=title, caption=words)
    for number, (epoch, scene) in enumerate(places.items()):
        top = 1 - (number // columns + 1) * _SIDE / height
        axes = part.add_axes((number % columns / columns, top, 1 / columns, 0.94 * _SIDE / height))
        draw_scene(axes, scene, found, size=0.35)
        axes.set_title(f"epoch {epoch}", fontsize=10)
    handles, labels = axes.get_legend_handles_labels()
    if 0 < len(handles) <= LEGEND + 2:
        part.legend(handles, labels, loc="lower center", ncols=min(5, len(handles)), fontsize=8, frameon=False)
    save_figure(figure, path)
    return words


def _places(subject: Subject, layout: Layout, rows: np.ndarray, seed: int) -> tuple[dict[int, Scene], str]:
    """The scene of every epoch, and what they show."""
    epochs = {number: _stacked(found, rows, subject.embeddings.c) for number, found in subject.epochs.items()}
    c, count = subject.embeddings.c, len(rows)
    out: dict[int, Scene] = {}
    seen: LinearMap | None = None
    if layout == "umap":
        words = (
            "UMAP of hyperbolic distances, each epoch begun where the one before ended, and turned onto it. Its radius "
            "is not depth."
        )
    else:
        kind: Kind = "horospherical" if layout == "horospherical" else "tangent-pca"
        seen = LinearMap.fit(list(epochs.values())[-1][0], c=c, kind=kind)
        words = f"{about_linear(seen)} The map is that of the last epoch."
    before: Places | None = None  # of the images: proxies may appear on the way
    for number, (points, proxies) in epochs.items():
        both = torch.cat([points, proxies, points.new_zeros(1, points.shape[1])])
        if seen is not None:
            at = seen(both)
        else:
            at = umap_layout(both, c=c, seed=seed, start=None if before is None else _begin(before, len(both)))
            at = at if before is None else align(at, before, count)
            before = at[:count]
        ends = at[:count], at[count:-1], complex(at[-1])
        out[number] = parent_scene(layout, rows, *ends, points, proxies, c, [])
    shown = [number for number, (_, proxies) in epochs.items() if len(proxies)]
    if shown:
        words += (
            " Lines lead to the parent in the learned space: the nearest proxy closer to the origin, or the origin."
        )
    if 0 < len(shown) < len(epochs):
        words += (
            f" Only {_listed(shown)} {'has' if len(shown) == 1 else 'have'} proxies, so lines are drawn there alone."
        )
    return out, words


def _begin(images: Places, count: int) -> Places:
    """Places to begin from: those of the images, and 0 for what may not have been there before."""
    return np.concatenate([images, np.zeros(count - len(images), complex)])


def _stacked(found: EmbeddingSet, rows: np.ndarray, c: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and proxies of an epoch; a learned curvature moves, and the disk is the same for all balls."""
    to_ball = math.sqrt(found.c / c)
    points = to_ball * found.points.detach().cpu()[torch.from_numpy(rows)].double()
    return points, points[:0] if found.proxies is None else to_ball * found.proxies.detach().cpu().double()


def _listed(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"epoch {numbers[0]}"
    return f"epochs {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"
