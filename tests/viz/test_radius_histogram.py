"""Radius histograms: bars add up, depth is counted along parents, clipping is said in words."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic import tree_points
from viz.figure_case import C, Captured, embeddings, subject

from hyperdml.errors import ConfigError, DataError
from hyperdml.geometry import dist0, expmap0
from hyperdml.viz.radius_histogram import draw_radii

module = importlib.import_module("hyperdml.viz.radius_histogram")


def bars(axes):
    """Label to the heights of its bars."""
    return {found.get_label(): np.array([bar.get_height() for bar in found]) for found in axes.containers}


def test_bars_are_the_shares_of_the_groups(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    run = subject()
    draw_radii(tmp_path / "x.png", run)
    images, proxies = captured.axes
    found = bars(images)
    assert list(found) == ["birds", "cars", "shoes", "faces"]
    order = run.embeddings.levels[:, 0].numpy()
    for group, heights in enumerate(found.values()):
        assert heights.sum() == pytest.approx((order == group).mean())
    edges = np.array([bar.get_x() for bar in images.containers[0]] + [images.get_xlim()[1]])
    radius = dist0(run.embeddings.points.double(), C).numpy()
    np.testing.assert_allclose(sum(found.values()), np.histogram(radius, edges)[0] / 240, atol=2 / 240)
    assert images.get_xlim() == proxies.get_xlim()
    assert sum(heights.sum() for heights in bars(proxies).values()) == pytest.approx(1)


def test_depth_counts_parents(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    direction = torch.nn.functional.normalize(torch.arange(1.0, 17), dim=0)
    chain = expmap0(torch.linspace(0.2, 2, 9)[:, None] * direction, C)
    run = subject()
    draw_radii(tmp_path / "x.png", replace(run, embeddings=replace(run.embeddings, proxies=chain)))
    found = bars(captured.axes[1])
    assert list(found) == ["1, below the origin", "2", "3", "4", "5", "6 or more"]
    np.testing.assert_allclose([heights.sum() for heights in found.values()], np.array([1, 1, 1, 1, 1, 4]) / 9)


def test_clipping_is_said(monkeypatch, tmp_path):
    Captured(monkeypatch, module)
    points, _, _ = tree_points(240, 16, spread=False)
    run = subject()
    clipped = replace(run, embeddings=replace(run.embeddings, points=points))
    caption = draw_radii(tmp_path / "x.png", clipped)
    assert caption.startswith("c = 0.1 (curvature -0.1). ")
    assert "Clipped embeddings: 100.0%" in caption
    assert "lie on one sphere" in caption
    assert "lie on one sphere" not in draw_radii(tmp_path / "x.png", run)


def test_small_groups_are_joined(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    monkeypatch.setattr(module, "_SHOWN", 3)
    run = subject(arms={})
    draw_radii(tmp_path / "x.png", run, level="family")
    found = bars(captured.axes[0])
    assert list(found)[-1] == "7 others"
    assert sum(heights.sum() for heights in found.values()) == pytest.approx(1)
    monkeypatch.setattr(module, "_MANY", 3)
    draw_radii(tmp_path / "x.png", run)
    assert list(bars(captured.axes[0])) == ["images"]


def test_whatever_is_missing(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    own = replace(embeddings(60, proxies=0), labels=None, levels=None, class_names=(), level_names=())
    run = replace(subject(60, arms={}, images=None), embeddings=own)
    draw_radii(tmp_path / "x.png", run)
    assert len(captured.axes) == 1
    with pytest.raises(DataError, match="no labels"):
        draw_radii(tmp_path / "x.png", run, level="order")
    with pytest.raises(ConfigError, match="no level 'genus'"):
        draw_radii(tmp_path / "x.png", subject(), level="genus")
    origin = replace(run, embeddings=replace(own, points=torch.zeros(60, 16)))
    draw_radii(tmp_path / "x.png", origin)
    assert bars(captured.axes[0])["images"][0] == 1


def test_file(tmp_path):
    draw_radii(tmp_path / "x.png", subject())
    with Image.open(tmp_path / "x.png") as image:
        assert (np.asarray(image.convert("RGB")) != 255).any(2).mean() > 0.05
