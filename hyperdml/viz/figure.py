"""Figures on paper and their files: PNG, SVG or PDF, written whole, the same bytes every time."""

from __future__ import annotations

import io
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperdml.errors import ConfigError
from hyperdml.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

FORMATS = ("png", "svg", "pdf")
_TITLE, _CAPTION = 13, 8.5  # points
_MARGIN = 0.12  # inches
# no dates and nothing random in the files; text that can be searched in a PDF, and outlines in an SVG, where a font
# can not be embedded
_REPRODUCIBLE: dict[Any, Any] = {"svg.hashsalt": "hyperdml", "svg.fonttype": "path", "pdf.fonttype": 42}
_NO_DATE = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def new_figure(width: float, height: float, *, title: str = "", caption: str = "") -> tuple[Figure, SubFigure]:
    """A white figure with a heading above and a caption below the part that is drawn into.

    Args:
        width: in inches.
        height: in inches, of the part between heading and caption; the figure becomes higher by those two.
        title: heading; empty for none.
        caption: text below, broken into lines that fit; empty for none.

    Returns:
        The figure, for `save_figure`, and its part of `width` by `height` inches to draw into. It is used like a
        figure: `part.add_axes(...)`, `part.subplots(...)`, `part.legend(...)`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    above, heading = _lines(title, width, _TITLE)
    below, text = _lines(caption, width, _CAPTION)
    figure = Figure(figsize=(width, height + above + below), dpi=130, facecolor="white")
    FigureCanvasAgg(figure)
    total = height + above + below
    rows = figure.add_gridspec(3, 1, height_ratios=[max(above, 1e-6), height, max(below, 1e-6)], hspace=0)
    rows.update(left=0, right=1, bottom=0, top=1)
    part: SubFigure = figure.add_subfigure(rows[1])
    part.set_facecolor("white")
    figure.text(0.5, 1 - _MARGIN / total, heading, ha="center", va="top", fontsize=_TITLE)
    figure.text(_MARGIN / width, _MARGIN / total, text, ha="left", va="bottom", fontsize=_CAPTION, color="#333333")
    return figure, part


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the ending of its name, atomically.

    The same figure gives the same bytes. Fonts are embedded. No text is read as a formula, so names of classes may
    hold any characters; those that the font lacks are drawn as boxes.

    Args:
        figure: of `new_figure`.
        path: file to write; its folder must exist.

    Raises:
        ConfigError: another ending.
        OSError: see `write_atomic`.
    """
    import matplotlib as mpl
    from matplotlib.text import Text

    kind = figure_format(path)
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    buffer = io.BytesIO()
    with mpl.rc_context(_REPRODUCIBLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format=kind, metadata=_NO_DATE[kind])
    write_atomic(path, buffer.getvalue())


def figure_format(path: Path) -> str:
    """The format of a file by its ending: "png", "svg" or "pdf".

    Raises:
        ConfigError: another ending, or none.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise ConfigError(f"{path}: a figure is written as .png, .svg or .pdf, got {path.suffix or 'no ending'!r}")
    return kind


def _lines(text: str, width: float, size: float) -> tuple[float, str]:
    """Height in inches that a text of this font size takes, and the text in lines."""
    if not text:
        return 0.0, ""
    letters = int((width - 2 * _MARGIN) * 72 / (0.57 * size))  # a letter of DejaVu Sans is 0.57 em wide on average
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, letters) or [""]]
    return 1.25 * size / 72 * len(lines) + 2 * _MARGIN, "\n".join(lines)
