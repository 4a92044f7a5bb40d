"""Colours that colour-blind readers can tell apart, the same in all figures."""

from __future__ import annotations

# Okabe and Ito's colours (Wong, Nature Methods 2011), without black, which is for lines and text
_BASE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
# share of white mixed in, or of black where it is negative: lightness is seen whatever colours are not
_LIGHTNESS = (0.0, -0.42, 0.5)
_MARKERS = ("o", "s", "D", "P", "v", "X")

GOOD = "#009E73"
"""Right: of the same class."""

BAD = "#D55E00"
"""Wrong: of another super-class."""

NEAR = "#E69F00"
"""Wrong, but of the same super-class."""

DISTINCT = len(_BASE) * len(_LIGHTNESS)
"""Groups that get a colour of their own; beyond it colours come again, with another marker."""

PROXY = "#A01050"
"""Hierarchical proxies and the edges between them."""


def colours(count: int) -> tuple[str, ...]:
    """One colour for each of some groups.

    The first seven are far apart for all readers; then come their darker and their lighter tones, and after `DISTINCT`
    groups the same again.

    Args:
        count: number of groups, 0 or more.

    Returns:
        Colours as "#RRGGBB".
    """
    tones = [_mixed(colour, share) for share in _LIGHTNESS for colour in _BASE]
    return tuple(tones[group % DISTINCT] for group in range(count))


def markers(count: int) -> tuple[str, ...]:
    """Markers of matplotlib that go with `colours`: another one each time that the seven hues have been used.

    Args:
        count: number of groups, 0 or more.
    """
    return tuple(_MARKERS[group // len(_BASE) % len(_MARKERS)] for group in range(count))


def _mixed(colour: str, share: float) -> str:
    target = 255 if share > 0 else 0
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(part + abs(share) * (target - part)):02X}" for part in parts)
