import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.metrics import level_recall_at_k, map_at_r, recall_at_k, retrieval_report, retrieve
from hyperdml.metrics.galleries import SearchSets
from hyperdml.metrics.retrieval.precision import precision_at_k, r_precision
from hyperdml.metrics.retrieval.ranked_hits import ranked_hits
from hyperdml.metrics.retrieval.whole_ranking import mean_average_precision, mean_reciprocal_rank
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


def test_precision_by_hand():
    # hits of the rows above: 01100, 00011, 01100, 10010, 01010, 10010
    assert precision_at_k(LINE, LABELS, ks=(1, 2, 4), c=1.0) == pytest.approx({1: 2 / 6, 2: 5 / 12, 4: 11 / 24})
    assert r_precision(LINE, LABELS, c=1.0) == pytest.approx((1 / 2 + 0 + 1 / 2 + 1 / 2 + 1 / 2 + 1 / 2) / 6)


def test_scores_of_whole_rankings_by_hand():
    ap = [(1 / 2 + 2 / 3) / 2, (1 / 4 + 2 / 5) / 2, (1 / 2 + 2 / 3) / 2, (1 + 2 / 4) / 2, (1 / 2 + 2 / 4) / 2]
    assert mean_average_precision(LINE, LABELS, c=1.0) == pytest.approx((sum(ap) + (1 + 2 / 4) / 2) / 6)
    assert mean_reciprocal_rank(LINE, LABELS, c=1.0) == pytest.approx((1 / 2 + 1 / 4 + 1 / 2 + 1 + 1 / 2 + 1) / 6)


def test_query_and_gallery_by_hand():
    query, gallery = on_a_line(0.9, 6.5), on_a_line(0.0, 1.0, 3.0, 6.0)
    names = {"reference": gallery, "reference_labels": np.array([0, 1, 0, 1])}
    # 0.9 (0): 1 | 0 at 0.9 away, 3; 6.5 (0): 6 | 3 | 1 | 0
    assert recall_at_k(query, [0, 0], ks=(1, 2), c=1.0, **names) == {1: 0.0, 2: 1.0}
    assert map_at_r(query, [0, 0], c=1.0, **names) == pytest.approx((1 / 4 + 1 / 4) / 2)
    # hits 0110 and 0101, R = 2
    assert precision_at_k(query, [0, 0], ks=(3,), c=1.0, **names) == pytest.approx({3: (2 / 3 + 1 / 3) / 2})
    assert r_precision(query, [0, 0], c=1.0, **names) == pytest.approx(1 / 2)
    ap = ((1 / 2 + 2 / 3) / 2, (1 / 2 + 2 / 4) / 2)
    assert mean_average_precision(query, [0, 0], c=1.0, **names) == pytest.approx(sum(ap) / 2)
    assert mean_reciprocal_rank(query, [0, 0], c=1.0, **names) == pytest.approx(1 / 2)


def test_gallery_masks_nothing():
    assert recall_at_k(LINE, LABELS, ks=(1,), c=1.0, reference=LINE, reference_labels=LABELS) == {1: 1.0}


def test_items_without_partner_are_misses_for_recall_and_left_out_of_map():
    labels = torch.tensor([0, 7, 0, 0, 1, 1])
    # the neighbours of the oracle above: only 1 (label 7) cannot be answered
    assert recall_at_k(LINE, labels, ks=(5,), c=1.0) == {5: 5 / 6}
    # R = 2, 2, 2 for label 0; 10 (R=1): 6 first -> 0; 15 (R=1): 10 first -> 1
    assert map_at_r(LINE, labels, c=1.0) == pytest.approx((1 / 4 + 1 / 4 + 1 / 2 + 0 + 1) / 5)
    assert retrieval_report(LINE, labels, ks=(1,), c=1.0).unanswerable == 1
    # the other rows have hits 01100, -, 01100, 10010, 01000, 10000
    assert precision_at_k(LINE, labels, ks=(1, 2), c=1.0) == pytest.approx({1: 2 / 6, 2: 5 / 12})
    assert r_precision(LINE, labels, c=1.0) == pytest.approx((1 / 2 + 1 / 2 + 1 / 2 + 0 + 1) / 5)
    assert mean_average_precision(LINE, labels, c=1.0) == pytest.approx((7 / 12 + 7 / 12 + 3 / 4 + 1 / 2 + 1) / 5)
    assert mean_reciprocal_rank(LINE, labels, c=1.0) == pytest.approx((1 / 2 + 1 / 2 + 1 + 1 / 2 + 1) / 5)
    with pytest.raises(ValueError, match="no query shares its label"):
        map_at_r(LINE, torch.arange(6), c=1.0)
    for score in (r_precision, mean_average_precision, mean_reciprocal_rank):
        with pytest.raises(ValueError, match="is not defined: no query shares its label"):
            score(LINE, torch.arange(6), c=1.0)
    assert precision_at_k(LINE, torch.arange(6), ks=(1, 5), c=1.0) == {1: 0.0, 5: 0.0}


def test_ids_that_float32_merges_stay_apart():
    labels = torch.tensor([16777216, 16777217, 16777216, 16777216, 16777217, 16777217])
    assert recall_at_k(LINE, labels, ks=(1,), c=1.0) == {1: 2 / 6}
    assert recall_at_k(LINE, labels.numpy(), ks=(1,), c=1.0) == {1: 2 / 6}


def test_levels_by_hand():
    top = torch.tensor([0, 0, 0, 1, 1, 1])
    levels = torch.stack([top, 10 * top + LABELS], 1)
    # nearest: 0->1, 1->0, 3->1, 6->3, 10->6, 15->10
    assert level_recall_at_k(LINE, levels, (1,), c=1.0) == [{1: 5 / 6}, {1: 1 / 6}]


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
    assert [{1: share} for share in report.level_recall.values()] == level_recall_at_k(x, levels, (1,), c=C)
    assert report.level_recall["class"] == report.recall[1]
    assert report.level_recall["top"] > report.level_recall["class"]
    assert (report.queries, report.unanswerable) == (300, 0)
    assert list(retrieval_report(x, labels, levels=levels, c=C).level_recall) == ["level 0", "level 1", "level 2"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.queries = 1


OURS = {
    "precision_at_1": lambda *a, **o: precision_at_k(*a, ks=(1,), **o)[1],
    "r_precision": r_precision,
    "mean_average_precision_at_r": map_at_r,
    "mean_average_precision": mean_average_precision,
    "mean_reciprocal_rank": mean_reciprocal_rank,
}


@pytest.mark.parametrize("spread", [False, True])
def test_equals_pytorch_metric_learning(spread):
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    x, labels, _ = tree_points(400, 32, spread, seed=2)
    theirs = AccuracyCalculator(include=tuple(OURS), k=None, device=torch.device("cpu"), knn_func=HyperbolicKNN(C))
    protocols = [
        ((x, labels), {}),
        ((x[:100], labels[:100]), {"reference": x[100:], "reference_labels": labels[100:]}),
        ((x[:100], labels[:100]), {"reference": x, "reference_labels": labels, "ref_includes_query": True}),
    ]
    for sets, gallery in protocols:
        scores = theirs.get_accuracy(*sets, **gallery)
        assert {name: score(*sets, c=C, **gallery) for name, score in OURS.items()} == pytest.approx(scores, abs=1e-6)
    assert recall_at_k(x, labels, (1,), c=C)[1] == pytest.approx(theirs.get_accuracy(x, labels)["precision_at_1"])
    labels[0], labels[399] = 1000, 2000  # queries without a match, which the library leaves out of precision_at_1 too
    scores = theirs.get_accuracy(x, labels)
    mine = {name: score(x, labels, c=C) for name, score in OURS.items()}
    assert mine.pop("precision_at_1") == pytest.approx(398 / 400 * scores.pop("precision_at_1"), abs=1e-6)
    assert mine == pytest.approx(scores, abs=1e-6)


def test_average_precision_equals_scikit_learn():
    from sklearn.metrics import average_precision_score

    x, labels, _ = tree_points(120, 8, spread=True)
    _, _, *found = every_distance(x, labels)
    expected = [average_precision_score(same, -gap) for same, gap in zip(*found, strict=True)]
    assert mean_average_precision(x, labels, C) == pytest.approx(np.mean(expected), abs=1e-12)


def every_distance(x, labels):
    """Leave-one-out by brute force in float64: which other items share the label, and how far away they are."""
    distances, indices = HyperbolicKNN(C, engine="torch")(x.double(), len(x) - 1, x.double(), True)
    return distances, indices, (labels[indices] == labels[:, None]).numpy(), distances.numpy()


@pytest.mark.parametrize("metric", ["hyperbolic", "cosine", "euclidean"])
def test_search_and_whole_rankings_give_the_same_scores(metric, monkeypatch):
    x, labels, _ = tree_points(600, 8, spread=True)
    x[50:60] = x[:10]  # duplicates of other classes: equal distances
    calls = []
    module = "hyperdml.metrics.retrieval.ranked_hits"
    monkeypatch.setattr(f"{module}.ranked_hits", lambda *a: calls.append(a) or ranked_hits(*a))
    scores = []
    for cheaper in (True, False):
        monkeypatch.setattr(f"{module}.search_is_cheaper", lambda *_, answer=cheaper: answer)
        options = {"c": C, "metric": metric}
        scores.append(
            [
                map_at_r(x, labels, **options),
                r_precision(x, labels, **options),
                *precision_at_k(x, labels, (1, 3, 10), **options).values(),
            ]
        )
        assert len(calls) == (0 if cheaper else 3)
    assert scores[0] == pytest.approx(scores[1], abs=1e-14)
    result = retrieve(x, labels, 10, **options)
    assert result.precision_at_k((1, 3, 10)) == pytest.approx(precision_at_k(x, labels, (1, 3, 10), **options))
    assert result.recall_at_k((1, 3, 10)) == recall_at_k(x, labels, (1, 3, 10), **options)


def test_blocks_of_whole_rankings_change_nothing(monkeypatch):
    x, labels, _ = tree_points(120, 8, spread=True)
    whole = mean_average_precision(x, labels, C)
    monkeypatch.setattr("hyperdml.metrics.ranks.ranking._BLOCK", 700)
    assert len(list(ranked_hits(SearchSets.of(x, labels, None, None, False), C, "hyperbolic"))) > 20
    assert mean_average_precision(x, labels, C) == pytest.approx(whole, abs=1e-15)


def test_metrics_differ_on_spread_radii_and_agree_on_one():
    x, labels, _ = tree_points(600, 128, spread=True)
    scores = {m: recall_at_k(x, labels, (1,), C, m)[1] for m in ("hyperbolic", "cosine", "euclidean")}
    assert len(set(scores.values())) == 3
    for score in (r_precision, map_at_r, mean_average_precision, mean_reciprocal_rank):
        assert len({score(x, labels, C, m) for m in ("hyperbolic", "cosine", "euclidean")}) == 3
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
        (lambda: recall_at_k(LINE, LABELS, ks=(1,)), "metric='hyperbolic' needs the curvature"),
        (lambda: recall_at_k(LINE, LABELS, ks=(), c=1.0), "ks is empty"),
        (lambda: recall_at_k(LINE, LABELS, ks=(0, 1), c=1.0), "Recall@0"),
        (
            lambda: recall_at_k(LINE, LABELS, ks=(6,), c=1.0),
            r"Recall@6 needs a whole number 1 <= k <= 5, the items that each query is compared with",
        ),
        (lambda: recall_at_k(LINE, LABELS, ks=(1,), c=1.0, metric="l1"), "'l1'"),
        (lambda: recall_at_k(LINE, LABELS[:5], c=1.0), r"labels .*\(6,\), got \(5,\)"),
        (lambda: recall_at_k(LINE, LABELS.float(), c=1.0), "labels must be integers, got float32"),
        (lambda: recall_at_k(LINE, np.array(list("abaabb")), c=1.0), "labels must be integers"),
        (lambda: recall_at_k(LINE[:0], LABELS[:0], c=1.0), "no points"),
        (lambda: precision_at_k(LINE, LABELS, ks=(), c=1.0), "ks is empty"),
        (lambda: precision_at_k(LINE, LABELS, ks=(1.5,), c=1.0), "Precision@1.5 needs a whole number"),
        (lambda: recall_at_k(LINE, LABELS, c=1.0, reference=LINE), "belong together"),
        (lambda: level_recall_at_k(LINE, LABELS, c=1.0), r"levels must be \(6, L\)"),
        (lambda: retrieval_report(LINE, LABELS, (1,), level_names=["a"], c=1.0), "1 level names for 0 levels"),
        (lambda: retrieve(LINE, LABELS, 1, c=1.0).map_at_r(), "MAP@R needs 2 neighbours"),
        (lambda: retrieve(LINE, LABELS, 1, c=1.0).recall_at_k((2,)), "Recall@2 needs a whole number 1 <= k <= 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
