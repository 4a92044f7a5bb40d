"""The disk: radii are the learned ones, geodesics are geodesics, the file is a picture."""

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic import tree_points

from hyperdml.geometry import dist0, expmap0
from hyperdml.viz import disk_layout, draw_disk, geodesic


def unit_distance(a, b):
    return 2 * np.arctanh(np.abs((a - b) / (1 - np.conj(a) * b)))


def test_radii_are_those_of_the_learned_space():
    points, _, _ = tree_points(60, 16, spread=True)
    proxies = expmap0(torch.randn(9, 16), 0.1)
    at, proxy_at = disk_layout(points, proxies, 0.1)
    for x, z in ((points, at), (proxies, proxy_at)):
        np.testing.assert_allclose(2 * np.arctanh(np.abs(z)) / np.sqrt(0.1), dist0(x, 0.1), rtol=1e-4)


def test_angles_keep_clusters_together():
    points, labels, _ = tree_points(80, 32, spread=False)
    at, _ = disk_layout(points, points[:0], 0.1)
    along = labels.numpy()[np.argsort(np.angle(at))]
    changes = (along != np.roll(along, 1)).sum()
    shuffled = np.random.default_rng(0).permutation(along)
    assert changes < 0.5 * (shuffled != np.roll(shuffled, 1)).sum()


def test_geodesics_have_even_steps_whose_lengths_add_up():
    rng = np.random.default_rng(0)
    start, end = (rng.uniform(0, 0.98, 50) * np.exp(1j * rng.uniform(0, 6.28, 50)) for _ in range(2))
    arcs = geodesic(start, end, steps=9)
    np.testing.assert_allclose(arcs[:, 0], start, atol=1e-12)
    np.testing.assert_allclose(arcs[:, -1], end, atol=1e-9)
    steps = unit_distance(arcs[:, 1:], arcs[:, :-1])
    np.testing.assert_allclose(steps, steps[:, :1].repeat(8, 1), rtol=1e-6)
    np.testing.assert_allclose(steps.sum(1), unit_distance(start, end), rtol=1e-6)


def test_geodesic_from_a_point_to_itself_stays():
    np.testing.assert_array_equal(
        geodesic(np.array([0.3 + 0.1j]), np.array([0.3 + 0.1j]), 4), np.full((1, 4), 0.3 + 0.1j)
    )


@pytest.mark.parametrize("with_proxies", [True, False])
def test_picture(tmp_path, with_proxies):
    points, _, levels = tree_points(50, 8, spread=False)
    groups = np.asarray(levels)[:, 0]
    names = [f"group {k}" for k in range(groups.max() + 1)]
    thumbnails = np.random.default_rng(0).integers(0, 255, (50, 16, 16, 3), dtype=np.uint8)
    proxies = expmap0(torch.randn(6, 8) * 0.5, 0.1) if with_proxies else None
    path = tmp_path / "disk.png"
    found = draw_disk(path, points, proxies, 0.1, groups, names, title="test", thumbnails=thumbnails)
    assert found.images == 50
    assert (found.root_share is not None) is with_proxies
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 1000
    assert (pixels != 255).any(2).mean() > 0.02
    again = tmp_path / "again.png"
    draw_disk(again, points, proxies, 0.1, groups, names, title="test", thumbnails=thumbnails)
    assert again.read_bytes() == path.read_bytes()


def test_large_sets_are_sampled(tmp_path):
    points, _, _ = tree_points(2100, 4, spread=True)
    found = draw_disk(tmp_path / "x.png", points, None, 0.1, np.arange(2100), list(map(str, range(2100))), title="many")
    assert found.images == 2000
