import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.metrics import (
    RetrievalResult,
    level_recall_at_1,
    map_at_r,
    recall_at_k,
    retrieval_report,
    retrieve,
)
from hyperdml.neighbors import HyperbolicKNN

C = 0.1


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def on_a_line(*positions):
    """Points on one ray at the given hyperbolic distances from the origin (c = 1): distances are differences."""
    return torch.tensor([[math.tanh(p / 2), 0.0] for p in positions], dtype=torch.float64)


# positions 0 1 3 6 10 15, labels a b a a b b; neighbours by hand, nearest first:
#   0 (a): 1b 3a 6a 10b 15b   first hit 2   R=2: P(2) rel = 1/2            -> 1/4
#   1 (b): 0a 3a 6a 10b 15b   first hit 4   R=2: none                      -> 0
#   3 (a): 1b 0a 6a 10b 15b   (1b at 2; 0a and 6a both at 3)  first hit 2  -> 1/4
#   6 (a): 3a 10b 1b 0a 15b   first hit 1   R=2: 1                         -> 1/2
#  10 (b): 6a 15b 3a 1b 0a    first hit 2   R=2: 1/2                       -> 1/4
#  15 (b): 10b 6a 3a 1b 0a    first hit 1   R=2: 1                         -> 1/2
LINE = on_a_line(0.0, 1.0, 3.0, 6.0, 10.0, 15.0)
LABELS = torch.tensor([0, 1, 0, 0, 1, 1])


def test_recall_by_hand():
    assert recall_at_k(LINE, LABELS, ks=(1, 2, 3, 4), c=1.0) == {1: 2 / 6, 2: 5 / 6, 3: 5 / 6, 4: 1.0}


def test_map_at_r_by_hand():
    assert map_at_r(LINE, LABELS, c=1.0) == pytest.approx((1 / 4 + 0 + 1 / 4 + 1 / 2 + 1 / 4 + 1 / 2) / 6, abs=1e-15)


def test_query_and_gallery_by_hand():
    query, gallery = on_a_line(0.9, 6.5), on_a_line(0.0, 1.0, 3.0, 6.0)
    names = {"reference": gallery, "reference_labels": np.array([0, 1, 0, 1])}
    # 0.9 (0): 1 | 0 at 0.9 away, 3; 6.5 (0): 6 | 3 | 1 | 0
    assert recall_at_k(query, [0, 0], ks=(1, 2), c=1.0, **names) == {1: 0.0, 2: 1.0}
    assert map_at_r(query, [0, 0], c=1.0, **names) == pytest.approx((1 / 4 + 1 / 4) / 2)


def test_gallery_masks_nothing():
    assert recall_at_k(LINE, LABELS, ks=(1,), c=1.0, reference=LINE, reference_labels=LABELS) == {1: 1.0}


def test_items_without_partner_are_misses_for_recall_and_left_out_of_map():
    labels = torch.tensor([0, 7, 0, 0, 1, 1])
    # the neighbours of the oracle above: only 1 (label 7) cannot be answered
    assert recall_at_k(LINE, labels, ks=(5,), c=1.0) == {5: 5 / 6}
    # R = 2, 2, 2 for label 0; 10 (R=1): 6 first -> 0; 15 (R=1): 10 first -> 1
    assert map_at_r(LINE, labels, c=1.0) == pytest.approx((1 / 4 + 1 / 4 + 1 / 2 + 0 + 1) / 5)
    assert retrieval_report(LINE, labels, ks=(1,), c=1.0).unanswerable == 1
    with pytest.raises(ValueError, match="no query shares its label"):
        map_at_r(LINE, torch.arange(6), c=1.0)


def test_ids_that_float32_merges_stay_apart():
    labels = torch.tensor([16777216, 16777217, 16777216, 16777216, 16777217, 16777217])
    assert recall_at_k(LINE, labels, ks=(1,), c=1.0) == {1: 2 / 6}
    assert recall_at_k(LINE, labels.numpy(), ks=(1,), c=1.0) == {1: 2 / 6}


def test_levels_by_hand():
    levels = torch.stack([torch.tensor([0, 0, 0, 1, 1, 1]), LABELS], 1)
    # nearest: 0->1, 1->0, 3->1, 6->3, 10->6, 15->10
    assert level_recall_at_1(LINE, levels, c=1.0) == [5 / 6, 2 / 6]


def test_report_is_one_search_with_the_same_numbers(monkeypatch):
    x, labels, levels = tree_points(300, 16, spread=True)
    searches = []
    call = HyperbolicKNN.__call__

    def counted(self, *args, **kwargs):
        searches.append(args)
        return call(self, *args, **kwargs)

    monkeypatch.setattr(HyperbolicKNN, "__call__", counted)
    report = retrieval_report(x, labels, (1, 2, 8), levels, ("top", "middle", "class"), c=C)
    assert len(searches) == 1
    assert report.recall == recall_at_k(x, labels, (1, 2, 8), c=C)
    assert report.map_at_r == map_at_r(x, labels, c=C)
    assert list(report.level_recall.values()) == level_recall_at_1(x, levels, c=C)
    assert report.level_recall["class"] == report.recall[1]
    assert report.level_recall["top"] > report.level_recall["class"]
    assert (report.queries, report.unanswerable) == (300, 0)
    assert list(retrieval_report(x, labels, levels=levels, c=C).level_recall) == ["level 0", "level 1", "level 2"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.queries = 1


@pytest.mark.parametrize("spread", [False, True])
def test_equals_pytorch_metric_learning(spread):
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    x, labels, _ = tree_points(400, 32, spread, seed=2)
    wanted = ("precision_at_1", "mean_average_precision_at_r")
    for k in ("max_bin_count", None):  # None: k = all others
        theirs = AccuracyCalculator(include=wanted, k=k, device=torch.device("cpu"), knn_func=HyperbolicKNN(C))
        scores = theirs.get_accuracy(x, labels)
        assert scores["precision_at_1"] == pytest.approx(recall_at_k(x, labels, (1,), c=C)[1], abs=1e-6)
        assert scores["mean_average_precision_at_r"] == pytest.approx(map_at_r(x, labels, c=C), abs=1e-6)
    scores = theirs.get_accuracy(x[:100], labels[:100], x[100:], labels[100:])
    gallery = {"c": C, "reference": x[100:], "reference_labels": labels[100:]}
    assert scores["precision_at_1"] == pytest.approx(recall_at_k(x[:100], labels[:100], (1,), **gallery)[1], abs=1e-6)
    assert scores["mean_average_precision_at_r"] == pytest.approx(map_at_r(x[:100], labels[:100], **gallery), abs=1e-6)


def test_metrics_differ_on_spread_radii_and_agree_on_one():
    x, labels, _ = tree_points(600, 128, spread=True)
    scores = {m: recall_at_k(x, labels, (1,), C, m)[1] for m in ("hyperbolic", "cosine", "euclidean")}
    assert len(set(scores.values())) == 3
    x, labels, _ = tree_points(600, 128, spread=False)
    assert recall_at_k(x, labels, (1,), C) == recall_at_k(x, labels, (1,), metric="cosine")


points_and_labels = st.tuples(st.integers(6, 40), st.integers(1, 6), st.integers(2, 5), st.integers(0, 2**31))


def drawn(n, dim, classes, seed):
    """Random points of the ball of c = 1, with radii of all sizes."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, dim, generator=g, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True) * (0.95 * torch.rand(n, 1, generator=g, dtype=torch.float64))
    return x, torch.randint(classes, (n,), generator=g), g


@settings(max_examples=40, deadline=None)
@given(points_and_labels)
def test_recall_grows_with_k(drawing):
    x, labels, _ = drawn(*drawing)
    recall = list(recall_at_k(x, labels, (1, 2, 3, 5), c=1.0).values())
    assert recall == sorted(recall)
    assert all(0 <= r <= 1 for r in recall)


@settings(max_examples=40, deadline=None)
@given(points_and_labels)
def test_order_of_the_items_does_not_matter(drawing):
    x, labels, g = drawn(*drawing)
    shuffled = torch.randperm(len(x), generator=g)
    mine, other = (retrieve(p, y, 5, c=1.0) for p, y in ((x, labels), (x[shuffled], labels[shuffled])))
    assert mine.recall_at_k((1, 3, 5)) == other.recall_at_k((1, 3, 5))


def mobius_translate(a, x):
    """a (+) x in the ball of c = 1: an isometry."""
    ax, a2, x2 = (x * a).sum(-1, keepdim=True), (a * a).sum(), (x * x).sum(-1, keepdim=True)
    return ((1 + 2 * ax + x2) * a + (1 - a2) * x) / (1 + 2 * ax + a2 * x2)


@settings(max_examples=40, deadline=None)
@given(points_and_labels)
def test_recall_is_the_same_after_a_moebius_translation(drawing):
    x, labels, g = drawn(*drawing)
    a = torch.randn(x.shape[1], generator=g, dtype=torch.float64)
    moved = mobius_translate(0.6 * a / a.norm(), x)
    before, after = (retrieve(p, labels, 5, c=1.0) for p in (x, moved))
    torch.testing.assert_close(before.distances, after.distances, rtol=1e-7, atol=1e-9)
    assert before.recall_at_k((1, 2, 5)) == after.recall_at_k((1, 2, 5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: recall_at_k(LINE, LABELS), "metric='hyperbolic' needs the curvature"),
        (lambda: recall_at_k(LINE, LABELS, ks=(), c=1.0), "ks is empty"),
        (lambda: recall_at_k(LINE, LABELS, ks=(0, 1), c=1.0), "Recall@0"),
        (lambda: recall_at_k(LINE, LABELS, ks=(6,), c=1.0), "k=6 .* only 5 are available"),
        (lambda: recall_at_k(LINE, LABELS, c=1.0, metric="l1"), "'l1'"),
        (lambda: recall_at_k(LINE, LABELS[:5], c=1.0), r"labels .*\(6,\), got \(5,\)"),
        (lambda: recall_at_k(LINE, LABELS.float(), c=1.0), "labels must be integers, got float32"),
        (lambda: recall_at_k(LINE, np.array(list("abaabb")), c=1.0), "labels must be integers"),
        (lambda: recall_at_k(LINE[:0], LABELS[:0], c=1.0), "no points"),
        (lambda: recall_at_k(LINE, LABELS, c=1.0, reference=LINE), "belong together"),
        (lambda: level_recall_at_1(LINE, LABELS, c=1.0), r"levels must be \(6, L\)"),
        (lambda: retrieval_report(LINE, LABELS, (1,), level_names=["a"], c=1.0), "1 level names for 0 levels"),
        (lambda: retrieve(LINE, LABELS, 1, c=1.0).map_at_r(), "MAP@R needs 2 neighbours"),
        (lambda: retrieve(LINE, LABELS, 1, c=1.0).recall_at_k((2,)), "Recall@2 needs 1 <= k <= 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_result_is_immutable():
    result = retrieve(LINE, LABELS, 2, c=1.0)
    assert isinstance(result, RetrievalResult)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.indices = result.indices[:1]
