"""Small pictures with frames, marks and names, laid out in inches: what grids of images are made of."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from hyperdml.data.image_files import printable
from hyperdml.viz.grid_rows import NEAR, OTHER, SAME
from hyperdml.viz.palette import BAD, GOOD
from hyperdml.viz.palette import NEAR as NEAR_COLOUR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

PIXELS = 112
"""Side of the pictures that are read for a tile."""

SMALL = 6.5
"""Size in points of the text below tiles."""

# colour, line and mark, so that a grid can be read without colours
_FRAMES = {SAME: (GOOD, "solid", "✓"), NEAR: (NEAR_COLOUR, "dashed", "≈"), OTHER: (BAD, "dotted", "✗")}
_LETTER = 0.6  # width of a letter as a share of its size, on average
_LINE = 1.22 / 72  # height of a line of 1 point in inches


def tile_axes(part: SubFigure, width: float, height: float) -> Axes:
    """Axes over a whole part whose unit is the inch, from the upper left corner to the right and down."""
    axes = part.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    return axes


def draw_tile(axes: Axes, pixels: np.ndarray, x: float, y: float, side: float, agreement: str | None = None) -> None:
    """A picture at a place, with the frame and the mark of an agreement.

    Args:
        axes: of `tile_axes`.
        pixels: (S, S, 3) uint8.
        x: left edge.
        y: upper edge.
        side: in inches.
        agreement: `SAME`, `NEAR` or `OTHER` of `hyperdml.viz.grid_rows`; None for a thin grey frame.
    """
    from matplotlib.patches import Rectangle

    axes.imshow(pixels, extent=(x, x + side, y + side, y), zorder=1, aspect="auto", interpolation="bilinear")
    colour, line, mark = _FRAMES.get(agreement or "", ("#999999", "solid", ""))
    axes.add_patch(
        Rectangle((x, y), side, side, fill=False, edgecolor=colour, lw=2.4 if mark else 0.8, linestyle=line, zorder=2)
    )
    if mark:
        badge = {"boxstyle": "circle,pad=0.12", "facecolor": colour, "edgecolor": "white", "linewidth": 0.6}
        place = (x + side - 0.07, y + 0.07)
        axes.text(*place, mark, color="white", fontsize=7, ha="center", va="center", bbox=badge, zorder=3)


def write(
    axes: Axes,
    text: str,
    x: float,
    y: float,
    width: float,
    *,
    lines: int = 2,
    size: float = SMALL,
    weight: str = "normal",
    colour: str = "#333333",
    middle: bool = True,
) -> None:
    """Text below its upper edge y, in lines that fit into a width.

    Args:
        axes: of `tile_axes`.
        text: any text; the end of a longer one is left out.
        x: left edge, of the width.
        y: upper edge.
        width: in inches.
        lines: at most.
        size: in points.
        weight: of the letters.
        colour: of the letters.
        middle: centred in the width, else at its left edge.
    """
    place, align = (x + width / 2, "center") if middle else (x, "left")
    said = fitted(text, width, size, lines)
    axes.text(place, y, said, ha=align, va="top", fontsize=size, weight=weight, color=colour, linespacing=1.1)


def fitted(text: str, width: float, size: float, lines: int) -> str:
    """A text in at most so many lines of a width in inches, cut off with "…" where it is longer."""
    letters = max(4, int(width * 72 / (_LETTER * size)))
    return "\n".join(textwrap.wrap(printable(text), letters, max_lines=lines, placeholder="…") or [""])


def line_height(size: float = SMALL) -> float:
    """Height in inches of a line of text of a size in points."""
    return _LINE * size
