"""Small charts as SVG that takes its colours from the style of the page, in light and in dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape

from hyperdml.data.image_files import printable
from hyperdml.viz.report.blocks import Chart, Line

COLOURS = 6
"""Kinds of lines that the style tells apart, by colour and by dashes; further ones begin again."""

_WIDTH, _HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 44


def chart_svg(chart: Chart, kinds: Mapping[str, int]) -> str:
    """One chart as an SVG element; its title stands outside.

    Args:
        chart: what to draw. Values that are not finite leave gaps.
        kinds: number of the kind of each line's name.

    Returns:
        Markup without any style of its own.
    """
    xs = [x for line in chart.lines for x in line.x]
    ys = [y for line in chart.lines for y in line.y if math.isfinite(y)]
    name = _text(f"{chart.title} against {chart.across}")
    head = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{name}">'
    if not xs or not ys:
        return f'{head}<text class="tick" x="{_WIDTH / 2}" y="{_HEIGHT / 2}">nothing finite to draw</text></svg>'
    right, up = _ticks(min(xs), max(xs)), _ticks(min([0.0, *ys]) if chart.filled else min(ys), max(ys))
    x_at = _scale(right[0], right[-1], _LEFT, _WIDTH - _RIGHT)
    y_at = _scale(up[0], up[-1], _HEIGHT - _BOTTOM, _TOP)
    parts = [head]
    for tick in up:
        at = _digits(y_at(tick))
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text class="tick up" x="{_LEFT - 6}" y="{at}" dy=".35em">{tick:g}</text>')
    for tick in right:
        parts.append(f'<text class="tick" x="{_digits(x_at(tick))}" y="{_HEIGHT - _BOTTOM + 18}">{tick:g}</text>')
    parts.append(f'<text class="tick" x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 6}">{_text(chart.across)}</text>')
    for line in chart.lines:
        kind = f"s{kinds[line.name] % COLOURS}"
        parts += _drawn(line, kind, x_at, y_at, y_at(up[0]) if chart.filled else None)
    return "".join([*parts, "</svg>"])


def _drawn(
    line: Line, kind: str, x_at: Callable[[float], float], y_at: Callable[[float], float], floor: float | None
) -> Iterator[str]:
    """A line in pieces between its gaps, what lies below it if there is a floor, and a dot for a piece of one point."""
    for piece in _pieces(line):
        points = " ".join(f"{_digits(x_at(x))},{_digits(y_at(y))}" for x, y in piece)
        if floor is not None:
            first, last = (_digits(x_at(piece[end][0])) for end in (0, -1))
            base = _digits(floor)
            yield f'<polygon class="area {kind}" points="{first},{base} {points} {last},{base}"/>'
        if len(piece) == 1:
            x, y = points.split(",")
            yield f'<circle class="dot {kind}" cx="{x}" cy="{y}" r="3"/>'
        else:
            yield f'<polyline class="line {kind}" points="{points}"/>'


def _pieces(line: Line) -> Iterator[list[tuple[float, float]]]:
    piece: list[tuple[float, float]] = []
    for x, y in zip(line.x, line.y, strict=True):
        if math.isfinite(y):
            piece.append((x, y))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def _ticks(low: float, high: float, most: int = 6) -> Sequence[float]:
    """Round numbers from at or below `low` to at or above `high`, steps of 1, 2 or 5 times a power of ten."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-9):  # one value: it stands in the middle
        low, high = low - max(abs(low), 1.0) / 10, high + max(abs(high), 1.0) / 10
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (end - start) * (value - low) / (high - low)


def _digits(at: float) -> str:
    return f"{at:.1f}"


def _text(value: str) -> str:
    return escape(printable(value))
