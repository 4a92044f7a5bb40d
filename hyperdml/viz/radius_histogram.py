"""Histograms of hyperbolic radii: of images by super-class, of proxies by their depth in the learned space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hyperdml.geometry import dist0
from hyperdml.metrics import radius_report
from hyperdml.seeds import derive_seed
from hyperdml.tree import ROOT, nearest_ancestors
from hyperdml.viz.figure import new_figure, save_figure
from hyperdml.viz.groups import Groups, super_groups
from hyperdml.viz.palette import colours
from hyperdml.viz.subject import Subject
from hyperdml.viz.tiles import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 60
_WIDTH, _PANEL, _KEY = 8.6, 2.3, 2.3  # inches
_SHOWN, _DEPTHS = 11, 6  # groups and depths with a colour of their own
_MANY = 30  # of more groups than this the largest few say nothing


def draw_radii(path: Path, subject: Subject, *, level: str | None = None) -> str:
    """Draw how far from the origin images and proxies lie, in hyperbolic distance.

    Proxies are coloured by depth: how many parents lead to the origin, each parent the nearest proxy of smaller radius
    (`hyperdml.tree.nearest_ancestors`).

    Args:
        path: PNG, SVG or PDF to write.
        subject: embeddings, with proxies or without.
        level: level that groups the images; by default the coarsest above the class, if there is one of at most 30
            groups.

    Returns:
        The caption, which is also in the figure.

    Raises:
        ConfigError: there is no such level.
        DataError: a level was named and there are no labels, or the levels are not nested.
    """
    embeddings = subject.embeddings
    points = embeddings.points.detach().cpu().double()
    radius = dist0(points, embeddings.c).numpy()
    groups = None
    if embeddings.labels is not None or level is not None:
        groups = super_groups(embeddings, level, subject.coarse_names)
    if groups is not None and level is None and len(groups.names) > _MANY:
        groups = None
    panels = [(f"{len(points):,} images", radius, _largest(groups, len(points)))]
    proxies = None if embeddings.proxies is None or not len(embeddings.proxies) else embeddings.proxies.detach().cpu()
    if proxies is not None:
        depths = _depths(proxies.double(), embeddings.c)
        panels.append((f"{len(proxies):,} proxies", dist0(proxies.double(), embeddings.c).numpy(), depths))
    caption = _caption(subject, points, proxies)
    height = len(panels) * (_PANEL + 0.35) + 0.1
    title = f"Hyperbolic radii: {subject.title}"
    figure, part = new_figure(_WIDTH, height, title=title, caption=caption)
    most = max(float(values.max()) for _, values, *_ in panels)
    edges = np.linspace(0, 1.05 * max(most, 1e-6), _BINS + 1)
    for number, (what, values, by) in enumerate(panels):
        bottom = height - _PANEL - number * (_PANEL + 0.35)
        axes = part.add_axes((0.62 / _WIDTH, bottom / height, (_WIDTH - 0.7 - _KEY) / _WIDTH, (_PANEL - 0.1) / height))
        _panel(axes, values, by, edges)
        axes.set_ylabel(f"share of {what}", fontsize=8)
    axes.set_xlabel("hyperbolic distance to the origin", fontsize=8)
    save_figure(figure, path)
    return caption


def _panel(axes: Axes, values: np.ndarray, groups: Groups, edges: np.ndarray) -> None:
    """One histogram whose bars are cut up by group and add up to 1."""
    from matplotlib.ticker import PercentFormatter

    tones = dict(enumerate(colours(_SHOWN))) | {_SHOWN: "#BBBBBB"}
    below = np.zeros(_BINS)
    for group, name in enumerate(groups.names):
        share = np.histogram(values[groups.ids == group], edges)[0] / len(values)
        said = fitted(name, _KEY - 0.5, 7, 1)
        axes.bar(edges[:-1], share, np.diff(edges), below, align="edge", color=tones[group], label=said)
        below += share
    axes.axvline(float(np.median(values)), color="black", linewidth=0.9, linestyle="dashed", label="median")
    axes.set_xlim(0, edges[-1])
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1.02),
        fontsize=7,
        frameon=False,
        title=groups.level or None,
        title_fontsize=7.5,
        handlelength=1.2,
        borderaxespad=0,
    )


def _largest(groups: Groups | None, count: int) -> Groups:
    """The largest groups, all others as one more; one group of everything where there are none."""
    if groups is None:
        return Groups("", np.zeros(count, np.int64), ("images",))
    if len(groups.names) <= _SHOWN:
        return groups
    order = np.argsort(-np.bincount(groups.ids), kind="stable")
    place = np.full(len(order), _SHOWN)
    place[order[:_SHOWN]] = np.arange(_SHOWN)
    rest = f"{len(order) - _SHOWN} others"
    return Groups(groups.level, place[groups.ids], (*(groups.names[group] for group in order[:_SHOWN]), rest))


def _depths(proxies: Tensor, c: float) -> Groups:
    """The proxies by their depth, the deepest ones in one group."""
    parents = nearest_ancestors(proxies, proxies, c).numpy()
    depth = np.zeros(len(parents), np.int64)
    above = parents
    while (going := above != ROOT).any():
        depth[going] += 1
        above = np.where(going, parents[above], ROOT)
    deepest = min(int(depth.max()), _DEPTHS - 1)
    names = ["1, below the origin", *(str(number + 1) for number in range(1, deepest + 1))]
    if depth.max() > deepest:
        names[-1] += " or more"
    return Groups("depth", np.minimum(depth, deepest), tuple(names))


def _caption(subject: Subject, points: Tensor, proxies: Tensor | None) -> str:
    generator = torch.Generator().manual_seed(derive_seed(0, "radius report"))
    c = subject.embeddings.c
    report = radius_report(points, proxies, c=c, clip_r=subject.clip_r, generator=generator)
    lines = [line if line.endswith(".") else f"{line}." for line in report.lines()]
    return f"c = {c:g} (curvature {-c:g}). " + " ".join(line[0].upper() + line[1:] for line in lines)
