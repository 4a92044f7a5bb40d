"""Affinity matrices: by hand, figures that tell structure from chance, an order that favours nobody."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from viz.figure_case import C, Captured, embeddings, subject

from hyperdml.errors import ConfigError, DataError
from hyperdml.geometry import distance, einstein_midpoint
from hyperdml.metrics.trees.nulls import ABOVE, CHANCE, verdict
from hyperdml.viz.affinity import draw_affinity
from hyperdml.viz.class_affinity import affinity_scores, class_affinity, class_order
from hyperdml.viz.groups import class_groups

module = importlib.import_module("hyperdml.viz.affinity")


def test_affinities_by_hand():
    own = embeddings(60)
    classes = class_groups(own)
    by_distance, by_cosine = (class_affinity(own, classes, measure) for measure in ("distance", "cosine"))
    points = own.points.double()
    for a in range(10):
        for b in range(10):
            one, other = points[own.labels == a], points[own.labels == b]
            ends = [einstein_midpoint(part, c=C) for part in (one, other)]
            assert by_distance[a, b] == pytest.approx(-float(distance(*ends, C)), abs=1e-6)
            cosine = torch.nn.functional.cosine_similarity(one.mean(0), other.mean(0), dim=0)
            assert by_cosine[a, b] == pytest.approx(float(cosine), abs=1e-9)
    for matrix in (by_distance, by_cosine):
        np.testing.assert_array_equal(matrix, matrix.T)
        assert (np.diag(matrix) == matrix.max()).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 12))
def test_scores_by_loops(seed, n):
    draw = np.random.default_rng(seed)
    matrix = draw.normal(size=(n, n))
    matrix += matrix.T
    groups = np.array([0, 0, 1, *draw.integers(0, 3, n - 3)])
    found = affinity_scores(matrix, groups, seed)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    within = [matrix[i, j] for i, j in pairs if groups[i] == groups[j]]
    between = [matrix[i, j] for i, j in pairs if groups[i] != groups[j]]
    spread = np.std([matrix[pair] for pair in pairs])
    assert found.contrast.value == pytest.approx((np.mean(within) - np.mean(between)) / spread)
    right = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        if any(groups[j] == groups[i] for j in others):
            right.append(groups[max(others, key=lambda j: matrix[i, j])] == groups[i])
    assert found.nearest.value == pytest.approx(np.mean(right))
    moved = draw.permutation(n)
    again = affinity_scores(3 * matrix[np.ix_(moved, moved)] + 5, groups[moved], seed)
    assert again.contrast.value == pytest.approx(found.contrast.value)
    assert again.nearest.value == pytest.approx(found.nearest.value)


def test_structure_is_told_from_chance():
    own = embeddings()
    matrix = class_affinity(own, class_groups(own), "distance")
    order = own.levels[:, 0].numpy()[[np.flatnonzero(own.labels == i)[0] for i in range(40)]]
    real = affinity_scores(matrix, order)
    empty = affinity_scores(matrix, np.random.default_rng(0).permutation(order))
    for score, words in ((real.contrast, ABOVE), (real.nearest, ABOVE), (empty.contrast, CHANCE)):
        (null,) = score.nulls.values()
        assert verdict(score.value, null.mean, null.sd) == words


@pytest.mark.parametrize("groups", [np.arange(5), np.zeros(5, np.int64)])
def test_scores_need_something_to_compare(groups):
    with pytest.raises(ValueError, match="need two classes in one, and two super-classes"):
        affinity_scores(np.zeros((5, 5)), groups)


def test_equal_affinities_have_no_contrast():
    found = affinity_scores(np.ones((4, 4)), np.array([0, 0, 1, 1]))
    assert found.contrast.value == 0


def test_order_keeps_super_classes_together_and_shows_blocks():
    draw = np.random.default_rng(0)
    hidden = draw.permutation(np.repeat(np.arange(4), 5))
    groups = hidden // 2
    matrix = (hidden[:, None] == hidden) + 0.01 * draw.normal(size=(20, 20))
    order = class_order([matrix + matrix.T], groups)
    assert sorted(order.tolist()) == list(range(20))
    assert (np.diff(groups[order]) >= 0).all()
    assert (np.diff(hidden[order]) != 0).sum() == 3
    # a second matrix in other units counts as much as the first
    np.testing.assert_array_equal(class_order([matrix + matrix.T, 1000 * (matrix + matrix.T) - 7], groups), order)


def test_the_metric_loss_alone_stands_beside(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    caption = draw_affinity(tmp_path / "x.png", subject())
    said = "\n".join(captured.texts)
    assert "cosine of class means" in said
    assert "negative hyperbolic distance" in said
    assert {"plain", "run"} <= set(captured.texts)
    assert "By hyperbolic distance plain has" in caption
    assert "All 40 classes in 4 super-classes (order" in caption
    assert {"birds", "cars", "shoes", "faces"} <= set(captured.texts)
    draw_affinity(tmp_path / "x.png", subject(), against="with proxies", level="family")
    said = "\n".join(captured.texts)
    assert "cosine" not in said
    assert "family 9" in said
    draw_affinity(tmp_path / "x.png", subject(arms={}))
    assert "cosine" not in "\n".join(captured.texts)


def test_figures_below_the_panels_are_those_of_the_scores(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    run = subject(arms={})
    draw_affinity(tmp_path / "x.png", run)
    own = run.embeddings
    classes = class_groups(own)
    of_class = own.levels[:, 0].numpy()[[np.flatnonzero(classes.ids == i)[0] for i in range(40)]]
    scores = affinity_scores(class_affinity(own, classes, "distance"), of_class)
    said = "\n".join(captured.texts)
    assert f"within less between: {scores.contrast.value:.2f}, shuffled" in said
    assert f"nearest class in the same one: {100 * scores.nearest.value:.1f} %, shuffled" in said


def test_a_figure_within_chance_says_so(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    run = subject(arms={})
    noise = replace(run, embeddings=embeddings(noise=0.5))
    draw_affinity(tmp_path / "x.png", noise)
    assert CHANCE in "\n".join(captured.texts)


def test_many_classes_are_sampled(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    monkeypatch.setattr(module, "_MOST", 25)
    caption = draw_affinity(tmp_path / "x.png", subject())
    assert caption.startswith("25 of 40 classes drawn at random in")
    matrices = [axes.images[0].get_array().shape for axes in captured.axes if axes.images]
    assert matrices.count((25, 25)) == 2


def test_messages(tmp_path):
    run = subject()
    path = tmp_path / "x.png"
    with pytest.raises(ConfigError, match="no level 'class' above"):
        draw_affinity(path, run, level="class")
    with pytest.raises(ConfigError, match="run has no other arm 'x'"):
        draw_affinity(path, run, against="x")
    flat = replace(run, embeddings=replace(run.embeddings, levels=None, level_names=()), arms={})
    with pytest.raises(DataError, match="no level above its classes"):
        draw_affinity(path, flat)
    with pytest.raises(DataError, match="no labels"):
        draw_affinity(path, replace(flat, embeddings=replace(flat.embeddings, labels=None)))
    assert not list(tmp_path.iterdir())


def test_file(tmp_path):
    draw_affinity(tmp_path / "x.pdf", subject(), seed=3)
    assert (tmp_path / "x.pdf").read_bytes().startswith(b"%PDF")
