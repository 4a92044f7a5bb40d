"""Scores under the names of the tables: leave-one-out, and of queries against a gallery, by hand and by their laws."""

import numpy as np
import pytest
import torch

from hyperdml.training.retrieval.evaluate import score


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 6)
    centres = rng.normal(size=(10, 4))
    points = torch.tensor(0.2 * (centres[labels] + rng.normal(size=(60, 4))))
    points = points / (1 + points.norm(dim=1, keepdim=True))
    levels = np.stack([labels // 5, labels // 2 + 100 * (labels // 5), labels], axis=1)
    return points, labels, levels, ("gender", "category", "item")


def distances(x, y, c=1.0):
    """(N, M) distances in the ball by their formula."""
    gap = ((x[:, None] - y[None]) ** 2).sum(-1)
    scale = (1 - c * (x**2).sum(-1))[:, None] * (1 - c * (y**2).sum(-1))[None]
    return np.arccosh(1 + 2 * c * gap / scale) / np.sqrt(c)


def by_hand(points, labels, levels, asks, searched, ks):
    order = np.argsort(distances(points[asks].numpy(), points[searched].numpy()), axis=1, kind="stable")
    hits = labels[searched][order] == labels[asks][:, None]
    figures = {f"R@{k}": hits[:, :k].any(1).mean() for k in ks}
    precisions = []
    for row in hits:
        relevant = int(row.sum())
        if relevant:
            at = np.cumsum(row[:relevant]) / np.arange(1, relevant + 1)
            precisions.append((at * row[:relevant]).sum() / relevant)
    figures["MAP@R"] = np.mean(precisions)
    for level, name in ((1, "category"), (0, "gender")):
        same = levels[searched][order, level] == levels[asks][:, None, level]
        figures[f"{name}@1"] = same[:, 0].mean()
    return figures


def test_queries_against_a_gallery(world):
    points, labels, levels, names = world
    asks = np.arange(60) % 3 == 0
    asks[:6] = False  # nobody asks for class 0
    searched = ~asks
    searched[6:12] = False
    asks[6:12] = np.arange(6) < 2  # class 1 is asked for and not there
    found = score(points, labels, levels, names, (1, 4), 1.0, queries=asks, gallery=searched)
    expected = by_hand(points, labels, levels, asks, searched, (1, 4))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert list(found) == [
        "R@1",
        "R@4",
        "MAP@R",
        "category@1",
        "gender@1",
        "category MAP@R",
        "gender MAP@R",
        "H-AP",
    ]


def test_everybody_within_the_gallery_is_leave_one_out(world):
    points, labels, levels, names = world
    every = np.ones(60, dtype=bool)
    usual = score(points, labels, levels, names, (1, 2, 8), 1.0)
    inside = score(points, labels, levels, names, (1, 2, 8), 1.0, queries=every, gallery=every)
    assert usual == pytest.approx(inside, abs=1e-12)
    assert list(usual) == list(inside)
    some = np.arange(60) % 2 == 0
    halves = [score(points, labels, levels, names, (1,), 1.0, queries=half, gallery=every) for half in (some, ~some)]
    for name in usual:  # figures are means over queries
        if name in halves[0]:
            assert usual[name] == pytest.approx((halves[0][name] + halves[1][name]) / 2, abs=1e-12)


@pytest.mark.parametrize("metric", ["hyperbolic", "cosine", "euclidean"])
def test_nothing_of_the_gallery_is_left_out(world, metric):
    points, labels, levels, names = world
    asks = np.arange(120) < 60
    twice = torch.cat([points, points])
    arguments = (twice, np.tile(labels, 2), np.tile(levels, (2, 1)), names, (1,), 1.0, metric)
    figures = score(*arguments, queries=asks, gallery=~asks)
    # every query has its own copy in the gallery, at the row of its own number there
    assert figures["R@1"] == figures["category@1"] == figures["gender@1"] == 1


def test_classes_alone(world):
    points, labels, _, _ = world
    asks = np.arange(60) % 2 == 0
    found = score(points, labels, labels[:, None], ("item",), (1,), 1.0, queries=asks, gallery=~asks)
    assert list(found) == ["R@1", "MAP@R"]
    with pytest.raises(ValueError, match="queries and gallery belong together"):
        score(points, labels, labels[:, None], ("item",), (1,), 1.0, queries=asks)
