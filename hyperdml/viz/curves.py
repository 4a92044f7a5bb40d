"""Scores against settings: lines with their spread over seeds, in panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hyperdml.viz.figure import new_figure, save_figure
from hyperdml.viz.palette import colours, markers
from hyperdml.viz.tiles import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

_WIDTH, _HEIGHT, _KEY = 3.6, 2.9, 0.22  # inches of a panel, and of a line of the legend
_COLUMNS, _TICKS = 3, 8
_WIDE = 8.0  # a largest position so many times the smallest one asks for a logarithmic axis


@dataclass(frozen=True)
class Curve:
    """One line of a panel.

    Attributes:
        title: what it is; lines of one title look alike in all panels.
        x: ascending positions.
        y: values, as many.
        spread: standard deviation of each value, NaN where it is not known; None for a line without bars.

    Raises:
        ValueError: the lengths differ, there are no points, or positions do not ascend.
    """

    title: str
    x: Sequence[float]
    y: Sequence[float]
    spread: Sequence[float] | None = None

    def __post_init__(self) -> None:
        lengths = [len(part) for part in (self.x, self.y, self.spread) if part is not None]
        if len(set(lengths)) > 1 or 0 in lengths:
            raise ValueError(f"curve {self.title!r}: expected as many x, y and spread, one or more, got {lengths}")
        if not all(a < b for a, b in zip(self.x, self.x[1:], strict=False)):
            raise ValueError(f"curve {self.title!r}: x must ascend, got {list(self.x)}")


@dataclass(frozen=True)
class Panel:
    """One set of axes.

    Attributes:
        across: what is drawn to the right.
        up: what is drawn upwards, with its unit.
        curves: the lines.

    Raises:
        ValueError: there are none.
    """

    across: str
    up: str
    curves: Sequence[Curve]

    def __post_init__(self) -> None:
        if not self.curves:
            raise ValueError(f"panel of {self.up} against {self.across} has no curves")


def draw_curves(path: Path, panels: Sequence[Panel], *, title: str = "", caption: str = "") -> None:
    """Draw curves (Figures 6 and 7 of HIER).

    An axis is logarithmic where no position is below 0 and the largest is at least 8 times the smallest above 0.

    Args:
        path: PNG, SVG or PDF to write.
        panels: one or more.
        title: heading.
        caption: text below.

    Raises:
        ValueError: there are no panels.
    """
    if not panels:
        raise ValueError("there are no panels to draw")
    titles = list(dict.fromkeys(curve.title for panel in panels for curve in panel.curves))
    looks = dict(zip(titles, zip(colours(len(titles)), markers(len(titles)), strict=True), strict=True))
    columns = 2 if len(panels) == 4 else min(len(panels), _COLUMNS)
    rows = -(-len(panels) // columns)
    width = max(columns * _WIDTH, 5.0)
    below = _KEY * len(titles) + 0.15
    height = rows * _HEIGHT + below
    figure, part = new_figure(width, height, title=title, caption=caption)
    for number, panel in enumerate(panels):
        left = number % columns * width / columns + 0.66
        bottom = below + (rows - 1 - number // columns) * _HEIGHT + 0.5
        axes = part.add_axes(
            (left / width, bottom / height, (width / columns - 0.8) / width, (_HEIGHT - 0.62) / height)
        )
        for curve in panel.curves:
            colour, marker = looks[curve.title]
            bars = None if curve.spread is None else np.nan_to_num(np.asarray(curve.spread, float))
            axes.errorbar(curve.x, curve.y, bars, color=colour, marker=marker, markersize=4, linewidth=1.3, capsize=2.5)
        _across(axes, sorted({float(x) for curve in panel.curves for x in curve.x}))
        axes.set_xlabel(panel.across, fontsize=8)
        axes.set_ylabel(panel.up, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3, linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    _legend(part, looks, width)
    save_figure(figure, path)


def _across(axes: Axes, positions: Sequence[float]) -> None:
    """The axis to the right: logarithmic where that fits, with a tick at every position where these are few."""
    from matplotlib.ticker import NullLocator

    above = [x for x in positions if x > 0]
    if positions[0] >= 0 and above and above[-1] >= _WIDE * above[0]:
        if positions[0] > 0:
            axes.set_xscale("log", base=2)
        else:  # straight from 0 to the smallest position
            axes.set_xscale("symlog", base=2, linthresh=above[0])
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")  # the default writes powers as formulas
    if len(positions) <= _TICKS:
        axes.set_xticks(positions, [f"{x:g}" for x in positions])
        axes.xaxis.set_minor_locator(NullLocator())


def _legend(part: SubFigure, looks: Mapping[str, tuple[str, str]], width: float) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4, linewidth=1.3, label=fitted(title, width - 1, 8, 1))
        for title, (colour, marker) in looks.items()
    ]
    part.legend(handles=handles, loc="lower center", fontsize=8, frameon=False, borderaxespad=0.1)
