"""One search, its protocols, and what is read off it."""

import dataclasses
import math
import re

import pytest
import torch
from synthetic import tree_points

from hyperdml.metrics import RetrievalResult, map_at_r, recall_at_k, retrieve
from hyperdml.metrics.retrieval import per_query
from hyperdml.metrics.retrieval.precision import precision_at_k, r_precision
from hyperdml.metrics.retrieval.result import retrieve_each
from hyperdml.metrics.retrieval.whole_ranking import mean_average_precision, mean_reciprocal_rank

C = 0.1
METRICS = ["hyperbolic", "cosine", "euclidean"]
SCORES = [r_precision, map_at_r, mean_average_precision, mean_reciprocal_rank]


def on_a_line(*positions):
    """Points on one ray at the given hyperbolic distances from the origin (c = 1): distances are differences."""
    return torch.tensor([[math.tanh(p / 2), 0.0] for p in positions], dtype=torch.float64)


def test_union_of_galleries_counts_rows_on():
    query, parts = on_a_line(1.0), [on_a_line(5.0, 0.9), on_a_line(1.2), on_a_line(3.0, 1.05)]
    labels = [[7, 8], torch.tensor([7]), [8, 7]]
    result = retrieve(query, [7], 5, 1.0, reference=parts, reference_labels=labels)
    assert result.indices.tolist() == [[4, 1, 2, 3, 0]]
    assert result.distances.tolist()[0] == pytest.approx([0.05, 0.1, 0.2, 2.0, 4.0])
    assert result.hits.tolist() == [[True, False, True, False, True]]
    assert result.relevant.tolist() == [3]
    assert not result.leave_one_out


@pytest.mark.parametrize("metric", METRICS)
def test_union_equals_one_gallery(metric):
    x, labels, _ = tree_points(300, 8, spread=True)
    one = {"reference": x[100:], "reference_labels": labels[100:]}
    several = {"reference": (x[100:180], x[180:]), "reference_labels": (labels[100:180], labels[180:].numpy())}
    for score in SCORES:
        assert score(x[:100], labels[:100], C, metric, **one) == score(x[:100], labels[:100], C, metric, **several)
    ks = (1, 3, 9)
    for score in (recall_at_k, precision_at_k):
        assert score(x[:100], labels[:100], ks, C, metric, **one) == score(
            x[:100], labels[:100], ks, C, metric, **several
        )


@pytest.mark.parametrize("metric", METRICS)
def test_queries_within_the_gallery(metric):
    """The set as its own gallery is leave-one-out, and test queries meet the training set too."""
    x, labels, _ = tree_points(240, 8, spread=True)
    x[50:60] = x[:10]  # duplicates: the row that is left out is not always the nearest
    whole = {"reference": x, "reference_labels": labels, "ref_includes_query": True}
    for score in SCORES:
        assert score(x, labels, C, metric, **whole) == pytest.approx(score(x, labels, C, metric), abs=1e-14)
    assert recall_at_k(x, labels, (1, 4), C, metric, **whole) == recall_at_k(x, labels, (1, 4), C, metric)
    alone, within = retrieve(x, labels, 5, C, metric), retrieve(x[:80], labels[:80], 5, C, metric, **whole)
    assert torch.equal(within.indices, alone.indices[:80])
    assert torch.equal(within.relevant, alone.relevant[:80])
    assert not (within.indices == torch.arange(80)[:, None]).any()
    parts = {"reference": [x[:80], x[80:]], "reference_labels": [labels[:80], labels[80:]], "ref_includes_query": True}
    assert torch.equal(retrieve(x[:80], labels[:80], 5, C, metric, **parts).indices, within.indices)


def test_the_set_itself_as_a_gallery_masks_nothing():
    x, labels, _ = tree_points(60, 8, spread=True)
    for score in SCORES:
        assert score(x, labels, C, reference=x, reference_labels=labels) > score(x, labels, C)
    assert recall_at_k(x, labels, (1,), C, reference=x, reference_labels=labels) == {1: 1.0}


def test_engines_disagree_where_radii_are_spread():
    x, labels, _ = tree_points(300, 16, spread=True)
    neighbours = [retrieve(x, labels, 10, C, metric).indices for metric in METRICS]
    assert not any(torch.equal(neighbours[i], neighbours[j]) for i in range(3) for j in range(i))


def test_one_report_a_gallery():
    x, labels, _ = tree_points(300, 8, spread=True)
    galleries = {"street": (x[100:200], labels[100:200]), "shop": (x[200:], labels[200:].numpy())}
    results = retrieve_each(x[:100], labels[:100], 4, galleries, C)
    assert list(results) == ["street", "shop"]
    for name, (points, own) in galleries.items():
        by_itself = retrieve(x[:100], labels[:100], 4, C, reference=points, reference_labels=own)
        assert torch.equal(results[name].indices, by_itself.indices)
    with pytest.raises(ValueError, match=r"gallery 'shop': k=5 .* only 3 are available"):
        retrieve_each(x[:9], labels[:9], 5, {"street": (x, labels), "shop": (x[:3], labels[:3])}, C)
    with pytest.raises(ValueError, match="galleries is empty"):
        retrieve_each(x, labels, 1, {}, C)


def test_everything_is_read_off_one_result():
    x, labels, _ = tree_points(120, 8, spread=True)
    result = retrieve(x, labels, 119, C)
    assert result.recall_at_k((1, 7)) == recall_at_k(x, labels, (1, 7), C)
    assert result.precision_at_k((1, 7)) == pytest.approx(precision_at_k(x, labels, (1, 7), C))
    assert result.r_precision() == pytest.approx(r_precision(x, labels, C))
    assert result.map_at_r() == pytest.approx(map_at_r(x, labels, C))
    assert result.map_at_k(119) == pytest.approx(mean_average_precision(x, labels, C))
    assert result.mrr_at_k(119) == pytest.approx(mean_reciprocal_rank(x, labels, C))
    short = retrieve(x, labels, 10, C)
    assert short.map_at_k(7) == result.map_at_k(7) < result.map_at_k(119)
    assert short.mrr_at_k(7) == result.mrr_at_k(7)
    every = per_query.average_precision(result.hits, result.relevant)
    assert float(every.mean()) == pytest.approx(result.map_at_k(119))


def test_result_is_immutable():
    result = retrieve(on_a_line(0.0, 1.0, 3.0), [0, 1, 0], 2, c=1.0)
    assert isinstance(result, RetrievalResult)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.indices = result.indices[:1]


X, Y = on_a_line(0.0, 1.0, 3.0), torch.tensor([0, 1, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": [X], "reference_labels": [Y, Y]}, "1 galleries and 2 sets of labels"),
        ({"reference": [], "reference_labels": []}, "0 galleries"),
        ({"reference": [X, X[:, :1]], "reference_labels": [Y, Y]}, "of one dimension d, got [(3, 2), (3, 1)]"),
        ({"reference": [X, X], "reference_labels": [Y, Y[:2]]}, "reference_labels[1] must hold one integer per point"),
        ({"reference": X[:2], "reference_labels": Y[:2], "ref_includes_query": True}, "3 queries and 2 reference"),
        (
            {"reference": X, "reference_labels": [0, 2, 0], "ref_includes_query": True},
            "row 1 has label 2 there and 1 among the queries",
        ),
        ({"reference_labels": Y}, "belong together"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        retrieve(X, Y, 1, 1.0, **options)
    with pytest.raises(ValueError, match=re.escape(message)):
        mean_average_precision(X, Y, 1.0, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.map_at_r(), "MAP@R needs 2 neighbours"),
        (lambda r: r.r_precision(), "R-precision needs 2 neighbours"),
        (lambda r: r.recall_at_k((2,)), "Recall@2 needs a whole number 1 <= k <= 1"),
        (lambda r: r.precision_at_k((0,)), "Precision@0"),
        (lambda r: r.map_at_k(2), "MAP@2"),
        (lambda r: r.mrr_at_k(2), "MRR@2"),
    ],
)
def test_scores_need_as_many_neighbours_as_they_look_at(call, message):
    with pytest.raises(ValueError, match=message):
        call(retrieve(on_a_line(0.0, 1.0, 3.0), [0, 0, 0], 1, c=1.0))
