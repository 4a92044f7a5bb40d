"""Images of proxies near the rim: the farthest ones, one a region, beside random directions."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from viz.figure_case import C, Captured, embeddings, subject

from hyperdml.errors import DataError
from hyperdml.geometry import dist0, expmap0, pairwise_distance
from hyperdml.viz.groups import class_groups
from hyperdml.viz.proxy_images import draw_proxy_images
from hyperdml.viz.proxy_rows import proxy_rows

module = importlib.import_module("hyperdml.viz.proxy_images")


def test_the_farthest_proxies_that_share_no_image():
    own = embeddings(dim=4, proxies=60)
    found = proxy_rows(own, own.proxies, None, count=7, k=3)
    near = pairwise_distance(own.proxies.double(), own.points.double(), C).argsort(dim=1)[:, :3].numpy()
    radius = dist0(own.proxies.double(), C).numpy()
    taken, expected = set(), []
    for proxy in np.argsort(-radius, kind="stable"):
        if len(expected) < 7 and not taken & set(near[proxy].tolist()):
            expected.append(int(proxy))
            taken |= set(near[proxy].tolist())
    assert found.proxies.tolist() == expected != np.argsort(-radius)[:7].tolist()
    np.testing.assert_array_equal(found.found, near[expected])
    np.testing.assert_allclose(found.radii, radius[expected])
    assert len(np.unique(found.found)) == found.found.size
    assert found.commonest is None
    assert found.alike is None


def test_proxies_of_one_region_give_one_row():
    own = embeddings(proxies=1)
    assert len(proxy_rows(own, own.proxies.repeat(9, 1), None).proxies) == 1


def test_the_commonest_class_and_its_share():
    own = embeddings(proxies=30)
    classes = class_groups(own)
    found = proxy_rows(own, own.proxies, classes, count=30, k=4)
    for rows, (which, times) in zip(found.found, found.commonest, strict=True):
        ids = classes.ids[rows].tolist()
        assert times == max(map(ids.count, ids))
        assert which == next(i for i in ids if ids.count(i) == times)
    near = pairwise_distance(own.proxies.double(), own.points.double(), C).argsort(dim=1)[:, :4]
    all_ids = own.labels[near].tolist()
    assert found.alike.value == pytest.approx(np.mean([max(map(ids.count, ids)) / 4 for ids in all_ids]))


def test_random_directions_are_chance_and_class_centres_are_not():
    own = embeddings()
    classes = class_groups(own)
    radius = torch.linspace(0.3, 2, 200)[:, None]
    random = expmap0(torch.nn.functional.normalize(torch.randn(200, 16)) * radius, C)
    (null,) = proxy_rows(own, random, classes).alike.nulls.values()
    assert abs(null.z) < 4
    centres = torch.stack([own.points[own.labels == i].mean(0) for i in range(40)])
    (null,) = proxy_rows(own, centres, classes).alike.nulls.values()
    assert null.z > 8


def test_messages(tmp_path):
    own = embeddings(60)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        proxy_rows(own, own.proxies, None, count=0)
    with pytest.raises(ValueError, match="k=61 nearest images were asked for, expected 1 to 60"):
        proxy_rows(own, own.proxies, None, k=61)
    with pytest.raises(DataError, match="run has none"):
        draw_proxy_images(tmp_path / "x.png", replace(subject(), embeddings=embeddings(proxies=0)))
    with pytest.raises(DataError, match="has none: gone"):
        draw_proxy_images(tmp_path / "x.png", subject(images=None, missing="gone"))
    assert not list(tmp_path.iterdir())


def test_picture(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    run = subject()
    caption = draw_proxy_images(tmp_path / "x.png", run, count=5, k=3)
    rows = proxy_rows(run.embeddings, run.embeddings.proxies, class_groups(run.embeddings), count=5, k=3)
    assert len(captured.axes[0].images) == rows.found.size
    for radius in rows.radii:
        assert f"radius {radius:.2f}" in captured.texts
    assert f"{len(rows.proxies)} of 12 proxies" in caption
    assert "no evidence of a hierarchy" in caption
    assert f"{100 * rows.alike.value:.1f} % of the 3 nearest" in caption
    bare = replace(run, embeddings=replace(run.embeddings, labels=None, class_names=(), levels=None, level_names=()))
    assert "commonest" not in draw_proxy_images(tmp_path / "x.png", bare)


def test_file(tmp_path):
    for name in ("x.svg", "y.svg"):
        draw_proxy_images(tmp_path / name, subject(), count=2, k=2)
    assert (tmp_path / "x.svg").read_bytes() == (tmp_path / "y.svg").read_bytes()
