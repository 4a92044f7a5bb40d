"""Curves: what is drawn where, and which axes are logarithmic."""

import importlib

import numpy as np
import pytest
from viz.figure_case import Captured

from hyperdml.viz.curves import Curve, Panel, draw_curves

module = importlib.import_module("hyperdml.viz.curves")


def panel(*x, title="one", spread=None):
    return Panel("size", "R@1, %", [Curve(title, x, [float(i) for i in range(len(x))], spread)])


def test_every_curve_is_drawn_in_its_panel(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    panels = [
        Panel("size", "R@1", [Curve("a", (1, 2, 3), (5, 6, 7), (0.1, np.nan, 0.3)), Curve("b", (1, 3), (4, 4))]),
        Panel("weight", "R@1", [Curve("b", (0,), (4,))]),
    ]
    draw_curves(tmp_path / "x.png", panels, title="heading", caption="below")
    first, second = captured.axes
    assert first.get_xlabel() == "size"
    assert second.get_xlabel() == "weight"
    lines = [container.lines[0] for container in first.containers]
    assert [line.get_xydata().tolist() for line in lines] == [[[1, 5], [2, 6], [3, 7]], [[1, 4], [3, 4]]]
    bars = [segment[:, 1].tolist() for segment in first.containers[0].lines[2][0].get_segments()]
    np.testing.assert_allclose(bars, [[4.9, 5.1], [6, 6], [6.7, 7.3]])
    # one arm looks alike in all panels, and no other does
    assert lines[1].get_color() == second.containers[0].lines[0].get_color() != lines[0].get_color()
    assert {"heading", "below", "a", "b"} <= set(captured.texts)


@pytest.mark.parametrize(
    ("x", "scale"),
    [
        ((32, 64, 128, 256), "log"),
        ((32, 64, 128), "linear"),
        ((0, 0.1, 1), "symlog"),
        ((0, 1, 2), "linear"),
        ((-1, 1, 100), "linear"),
        ((0,), "linear"),
    ],
)
def test_axes_are_logarithmic_where_that_fits(monkeypatch, tmp_path, x, scale):
    captured = Captured(monkeypatch, module)
    draw_curves(tmp_path / "x.png", [panel(*x)])
    (axes,) = captured.axes
    assert axes.get_xscale() == scale
    assert [label.get_text() for label in axes.get_xticklabels()] == [f"{at:g}" for at in x]


def test_labels_of_many_positions_are_no_formulas(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    draw_curves(tmp_path / "x.png", [panel(*(2**i for i in range(12)))])
    captured.figures[-1].canvas.draw()
    said = [label.get_text() for label in captured.axes[0].get_xticklabels()]
    assert len(said) > 2
    assert all(text == f"{float(text):g}" for text in said)


@pytest.mark.parametrize(
    ("x", "y", "spread", "message"),
    [
        ((1, 2), (1,), None, r"expected as many x, y and spread, one or more, got \[2, 1\]"),
        ((), (), None, r"got \[0, 0\]"),
        ((1,), (1,), (1, 2), r"got \[1, 1, 2\]"),
        ((2, 1), (1, 1), None, "x must ascend, got"),
        ((1, 1), (1, 1), None, "x must ascend"),
    ],
)
def test_curves_that_cannot_be(x, y, spread, message):
    with pytest.raises(ValueError, match=f"curve 'a'.*{message}"):
        Curve("a", x, y, spread)


def test_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match="panel of R@1 against size has no curves"):
        Panel("size", "R@1", [])
    with pytest.raises(ValueError, match="no panels"):
        draw_curves(tmp_path / "x.png", [])


def test_file(tmp_path):
    draw_curves(tmp_path / "x.svg", [panel(1, 2, 400, spread=(0.1, 0.2, 0.3)) for _ in range(5)], caption="five")
    assert (tmp_path / "x.svg").read_bytes().startswith(b"<?xml")
