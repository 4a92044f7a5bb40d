"""Grids of queries: exact neighbours under every protocol, honest choices, frames that say what is right."""

import importlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from viz.figure_case import C, Captured, embeddings, subject

from hyperdml.data import EmbeddingSet
from hyperdml.errors import ConfigError, DataError
from hyperdml.geometry import expmap0, pairwise_distance
from hyperdml.metrics import recall_at_k
from hyperdml.viz.grid_rows import NEAR, OTHER, SAME, retrieval_rows
from hyperdml.viz.retrieval_grid import draw_retrieval_grid

module = importlib.import_module("hyperdml.viz.retrieval_grid")


def ranking(own, row, gallery):
    """Rows of the gallery by distance, ties by row, without the query."""
    distance = pairwise_distance(own.points[[row]].double(), own.points.double(), C)[0].numpy()
    return [other for other in sorted(gallery, key=lambda i: (round(distance[i], 9), i)) if other != row]


def precision_of(own, row, gallery):
    hits = [int(own.labels[other] == own.labels[row]) for other in ranking(own, row, gallery)]
    ranks = [i for i, hit in enumerate(hits, 1) if hit]
    return np.mean([n / rank for n, rank in enumerate(ranks, 1)]) if ranks else np.nan


def masks(n, *, inside):
    queries = torch.arange(n) % 3 == 0
    return {"queries": queries, "gallery": torch.ones(n, dtype=torch.bool) if inside else ~queries}


@pytest.mark.parametrize("fields", [{}, masks(60, inside=False), masks(60, inside=True)])
def test_neighbours_are_those_of_the_protocol(fields):
    own = embeddings(60, **fields)
    rows = [0, 3, 57, 30]
    found = retrieval_rows(own, queries=rows, k=5)
    gallery = range(60) if not fields else np.flatnonzero(fields["gallery"]).tolist()
    for row, hits, distances in zip(rows, found.found, found.distances, strict=True):
        assert hits.tolist() == ranking(own, row, gallery)[:5]
        expected = pairwise_distance(own.points[[row]], own.points[torch.from_numpy(hits)], C)[0]
        np.testing.assert_allclose(distances, expected, rtol=1e-4)
    assert found.queries.tolist() == rows
    assert found.words == "as given"
    assert found.precision is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(1, 4))
def test_a_query_never_finds_itself_among_duplicates(seed, n, different):
    draw = np.random.default_rng(seed)
    points = expmap0(torch.from_numpy(draw.normal(size=(different, 3))), C)[torch.from_numpy(np.arange(n) % different)]
    own = EmbeddingSet(points, C)
    k = int(draw.integers(1, n))
    found = retrieval_rows(own, queries=range(n), k=k)
    for row, hits in enumerate(found.found.tolist()):
        assert row not in hits
        assert len(set(hits)) == k
        assert hits == ranking(own, row, range(n))[:k]
    assert (np.diff(found.distances, axis=1) >= 0).all()


def test_agreement():
    own = embeddings()
    labels, levels = own.labels.numpy(), own.levels.numpy()
    found = retrieval_rows(own, queries=[5, 100, 200], k=20)
    assert found.level == "order"
    assert set(found.agreement.ravel()) == {SAME, NEAR, OTHER}
    for level, column in (("order", 0), ("family", 1)):
        found = retrieval_rows(own, queries=[5, 100, 200], k=20, level=level)
        for row, hits, said in zip(found.queries, found.found, found.agreement, strict=True):
            same, near = labels[hits] == labels[row], levels[hits, column] == levels[row, column]
            assert said.tolist() == [SAME if a else NEAR if b else OTHER for a, b in zip(same, near, strict=True)]
    plain = retrieval_rows(replace(own, levels=None, level_names=()), queries=[5], k=20)
    assert plain.level is None
    assert set(plain.agreement.ravel()) == {SAME, OTHER}
    assert retrieval_rows(replace(own, labels=None), queries=[5]).agreement is None


@pytest.mark.parametrize("fields", [{}, masks(60, inside=False), masks(60, inside=True)])
@pytest.mark.parametrize("choice", ["best", "worst"])
def test_best_and_worst_by_average_precision(fields, choice):
    own = embeddings(60, noise=0.5, **fields)
    asks = range(60) if not fields else np.flatnonzero(fields["queries"]).tolist()
    gallery = range(60) if not fields else np.flatnonzero(fields["gallery"]).tolist()
    expected = {row: precision_of(own, row, gallery) for row in asks}
    found = retrieval_rows(own, queries=choice, count=4, k=2)
    np.testing.assert_allclose(found.precision, [expected[row] for row in found.queries], rtol=1e-9)
    end = max if choice == "best" else min
    of_class = sorted(
        (end(value for row, value in expected.items() if own.labels[row] == label) for label in range(10)),
        reverse=choice == "best",
    )
    np.testing.assert_allclose(found.precision, of_class[:4], rtol=1e-9)
    assert "one a class" in found.words


def test_all_queries_when_there_are_fewer_classes_than_wanted():
    own = embeddings(60)
    found = retrieval_rows(own, queries="worst", count=25, k=1)
    assert len(set(found.queries.tolist())) == 25
    assert "one a class" not in found.words
    assert len(retrieval_rows(own, queries="random", count=500, k=1).queries) == 60


def test_queries_that_cannot_be_answered_are_neither_best_nor_worst():
    own = embeddings(60)
    labels = own.labels.clone()
    labels[7] = 10
    own = replace(own, labels=labels, class_names=(*own.class_names, "alone"), levels=None, level_names=())
    assert 7 not in retrieval_rows(own, queries="worst", count=60, k=1).queries
    alone = replace(own, labels=torch.arange(60), class_names=())
    with pytest.raises(DataError, match="nothing to choose by"):
        retrieval_rows(alone, queries="best")


def test_changed_are_those_where_two_models_differ_most():
    one, other = embeddings(60), embeddings(60, noise=0.5)
    change = np.abs([precision_of(one, row, range(60)) - precision_of(other, row, range(60)) for row in range(60)])
    found = retrieval_rows(one, queries="changed", against=other, count=3, k=1)
    assert change[found.queries[0]] == pytest.approx(change.max())
    assert (np.diff(change[found.queries]) <= 1e-12).all()
    with pytest.raises(ConfigError, match="needs a second model"):
        retrieval_rows(one, queries="changed")


def test_the_seed_decides_and_many_queries_are_sampled():
    own = embeddings(60)
    one, again, other = (retrieval_rows(own, queries="random", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.queries, again.queries)
    assert one.queries.tolist() != other.queries.tolist()
    many = retrieval_rows(embeddings(2100, dim=4), queries="worst", count=2001)
    assert len(many.queries) == 2000
    assert "of 2,000 queries drawn at random" in many.words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queries": "good"}, "queries must be 'best', 'worst', 'random', 'changed' or rows, got 'good'"),
        ({"queries": [1.5]}, "rows of queries must be a list of integers"),
        ({"queries": []}, "rows of queries must be a list of integers"),
        ({"queries": [3, 60]}, "row 60 is not one of the 60 queries"),
        ({"count": 0}, "count must be at least 1, got 0"),
        ({"k": 60}, "k=60 nearest images were asked for, expected 1 to 59"),
        ({"k": 0}, "k=0 nearest images"),
        ({"level": "genus"}, "no level 'genus'"),
    ],
)
def test_messages(options, message):
    with pytest.raises(ValueError, match=message):
        retrieval_rows(embeddings(60), **options)


def test_choices_that_need_labels():
    own = replace(embeddings(60), labels=None, class_names=())
    for choice in ("best", "worst"):
        with pytest.raises(DataError, match="no labels"):
            retrieval_rows(own, queries=choice)
    assert len(retrieval_rows(own, queries="random").queries) == 8


def test_every_hit_has_its_mark_under_both_models(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    run = subject()
    caption = draw_retrieval_grid(tmp_path / "x.png", run, queries="changed", count=5, k=3)
    rows = retrieval_rows(run.embeddings, queries="changed", against=run.arms["plain"], count=5, k=3)
    beside = retrieval_rows(run.arms["plain"], queries=rows.queries, k=3)
    said = np.concatenate([rows.agreement.ravel(), beside.agreement.ravel()])
    for mark, agreement in (("✓", SAME), ("≈", NEAR), ("✗", OTHER)):
        assert captured.texts.count(mark) == (said == agreement).sum() > 0
    assert len(captured.axes[0].images) == 5 + 2 * 15
    assert {"query", "run", "plain"} <= set(captured.texts)
    for share in (recall_at_k(arm.points, arm.labels, (1,), C)[1] for arm in (run.embeddings, run.arms["plain"])):
        assert f"{100 * share:.1f} %" in caption
    assert "another class of the same order" in caption


def test_the_images_are_those_of_the_rows(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    run = subject(arms={})
    draw_retrieval_grid(tmp_path / "x.png", run, queries=[17], k=2, seed=0)
    shown = [np.asarray(image.get_array()) for image in captured.axes[0].images]
    hits = retrieval_rows(run.embeddings, queries=[17], k=2).found[0]
    means = [pixels.mean() for pixels in shown]
    np.testing.assert_allclose(means, [run.images.images[row].mean() for row in (17, *hits)], atol=3)


def test_recall_of_queries_in_a_gallery(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    fields = masks(240, inside=False)
    run = subject(arms={})
    run = replace(run, embeddings=replace(run.embeddings, **fields))
    caption = draw_retrieval_grid(tmp_path / "x.png", run)
    asks, gallery, _ = run.embeddings.search_sets()
    share = recall_at_k(asks.points, asks.labels, (1,), C, "hyperbolic", gallery.points, gallery.labels)[1]
    assert f"{100 * share:.1f} % with run" in caption
    assert captured.figures


def test_without_labels_nothing_is_judged(monkeypatch, tmp_path):
    captured = Captured(monkeypatch, module)
    run = subject(arms={})
    bare = replace(run, embeddings=replace(run.embeddings, labels=None, class_names=(), levels=None, level_names=()))
    caption = draw_retrieval_grid(tmp_path / "x.png", bare)
    assert "class" not in caption
    assert not {"✓", "≈", "✗"} & set(captured.texts)
    assert any(text.startswith("image ") for text in captured.texts)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_files(tmp_path, ending):
    run = subject(arms={})
    hostile = tuple(f"<b>$x_{i}$ \x00 {'long ' * 30}" for i in range(40))
    run = replace(run, embeddings=replace(run.embeddings, class_names=hostile))
    path = tmp_path / f"x.{ending}"
    draw_retrieval_grid(path, run, count=2, k=2)
    if ending == "png":
        with Image.open(path) as image:
            assert (np.asarray(image.convert("RGB")) != 255).any(2).mean() > 0.1
    assert path.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending])


def test_nothing_is_written_without_images(tmp_path):
    with pytest.raises(DataError, match="has none: moved"):
        draw_retrieval_grid(tmp_path / "x.png", subject(images=None, missing="moved"))
    assert not list(tmp_path.iterdir())
