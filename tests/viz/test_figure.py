"""Figures: the right kind of file by its ending, the same bytes again, whole or not at all; colours that stay apart."""

import warnings

import numpy as np
import pytest
from PIL import Image

from hyperdml.errors import ConfigError
from hyperdml.viz.figure import FORMATS, new_figure, save_figure
from hyperdml.viz.palette import BAD, DISTINCT, GOOD, NEAR, colours, markers

BEGIN = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def draw(path, title="title", caption="caption", label="label"):
    figure, part = new_figure(4, 3, title=title, caption=caption)
    axes = part.subplots()
    axes.plot([0, 1], [1, 0], label=label)
    axes.set_title(label)
    axes.legend()
    save_figure(figure, path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", FORMATS)
def test_same_figure_gives_the_same_bytes(tmp_path, kind):
    first, again = (draw(tmp_path / f"{name}.{kind}") for name in "ab")
    assert first == again
    assert first.startswith(BEGIN[kind])


def test_fonts_are_inside_the_files(tmp_path):
    pdf = draw(tmp_path / "a.pdf")
    assert b"/FontFile2" in pdf  # TrueType, not the bitmaps of type 3
    assert b"/Subtype /Type3" not in pdf
    assert b"<text" not in draw(tmp_path / "a.svg")  # outlines: an SVG finds other fonts on other machines


@pytest.mark.parametrize("name", ["$x_{$", "a_$b$^", "中文", "\\frac{", "<&>", "  "])
def test_any_name_can_be_drawn(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw(tmp_path / "a.png", title=name, caption=name, label=f" {name}")


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.png.txt"])
def test_other_endings_are_refused_and_nothing_is_written(tmp_path, name):
    figure, _ = new_figure(2, 2)
    with pytest.raises(ConfigError, match=r"a figure is written as \.png, \.svg or \.pdf"):
        save_figure(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_part_to_draw_into_keeps_its_size_beside_any_caption():
    for caption in ("", "short", "many words " * 60):
        figure, part = new_figure(5, 2, title="t", caption=caption)
        box = part.bbox.bounds
        np.testing.assert_allclose(np.array(box[2:]) / figure.dpi, (5, 2), rtol=1e-6)


def test_a_long_caption_stays_inside_the_figure(tmp_path):
    figure, _ = new_figure(4, 1, caption="WMWM wide words and narrow ones, illi " * 20)
    save_figure(figure, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert (pixels < 128).any()
    assert (pixels[:, -4:] > 250).all()
    assert (pixels[:, :4] > 250).all()
    assert (pixels[-4:] > 250).all()


def rgb(colour):
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255


def as_deuteranope(colour):
    """Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB."""
    matrix = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    return np.clip(np.array(matrix) @ rgb(colour) ** 2.2, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("names", [colours(7), (GOOD, BAD), (GOOD, NEAR), (BAD, NEAR)])
@pytest.mark.parametrize("see", [rgb, as_deuteranope])
def test_colours_stay_apart_also_for_colour_blind_readers(names, see):
    seen = np.array([see(name) for name in names])
    gap = np.linalg.norm(seen[:, None] - seen[None], axis=2) + 9 * np.eye(len(seen))
    assert gap.min() > 0.15


def test_groups_differ_by_colour_or_marker_far_beyond_the_hues():
    assert len(set(colours(DISTINCT))) == DISTINCT
    assert len(set(zip(colours(42), markers(42), strict=True))) == 42
    assert colours(0) == ()
    assert colours(3) == colours(9)[:3]
