"""The report is its functions' numbers under the names of the tables."""

import dataclasses
import json
import math

import pytest
import torch
from synthetic import tree_points

from hyperdml.metrics import graded_report, map_at_r, recall_at_k, retrieve
from hyperdml.metrics.bootstrap import bootstrap_interval
from hyperdml.metrics.clustering import clustering_scores
from hyperdml.metrics.graded.level_recall import level_recall_at_k
from hyperdml.metrics.report import EvaluationReport, evaluation_report
from hyperdml.metrics.retrieval import per_query
from hyperdml.metrics.retrieval.precision import precision_at_k, r_precision
from hyperdml.metrics.retrieval.whole_ranking import mean_average_precision, mean_reciprocal_rank

C = 0.1
X, LABELS, LEVELS = tree_points(300, 8, spread=True)
NAMES = ("top", "middle", "class")


def flat(*sets, ks, **options):
    return {
        **{f"R@{k}": value for k, value in recall_at_k(*sets, ks=ks, **options).items()},
        **{f"P@{k}": value for k, value in precision_at_k(*sets, ks=ks, **options).items()},
        "R-precision": r_precision(*sets, **options),
        "MAP@R": map_at_r(*sets, **options),
        "MAP": mean_average_precision(*sets, **options),
        "MRR": mean_reciprocal_rank(*sets, **options),
    }


@pytest.mark.parametrize("metric", ["hyperbolic", "cosine", "euclidean"])
def test_everything_leave_one_out(metric):
    report = evaluation_report(X, LABELS, (1, 5), LEVELS, NAMES, C, metric, clustering=True, intervals=None)
    expected = flat(X, LABELS, ks=(1, 5), c=C, metric=metric)
    graded = graded_report(X, LEVELS, NAMES, C, metric)
    recall = level_recall_at_k(X, LEVELS, (1, 5), C, metric)
    for name, found in zip(NAMES[:2], recall, strict=False):
        expected |= {f"{name} R@1": found[1], f"{name} R@5": found[5]}
        expected |= {f"{name} MAP@R": graded.map_at_r[name], f"{name} MAP": graded.average_precision[name]}
    clusters = clustering_scores(X, LABELS, C, metric)
    expected |= {"H-AP": graded.hap, "NDCG": graded.ndcg, "ASI": graded.asi, "NMI": clusters.nmi, "AMI": clusters.ami}
    assert list(report.scores) == list(expected)
    assert report.scores == pytest.approx(expected, abs=1e-12)
    assert (report.queries, report.references, report.unanswerable, report.intervals) == (300, 300, 0, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.queries = 1


def test_galleries():
    labels = LABELS.clone()
    labels[7] = 999  # nothing to find
    one = {"reference": X[100:], "reference_labels": LABELS[100:]}
    report = evaluation_report(X[:100], labels[:100], (1, 4), c=C, **one, intervals="queries")
    assert report.scores == pytest.approx(flat(X[:100], labels[:100], ks=(1, 4), c=C, **one), abs=1e-12)
    assert (report.queries, report.references, report.unanswerable) == (100, 200, 1)
    assert list(report.intervals) == list(report.scores)
    parts = {"reference": [X[100:150], X[150:]], "reference_labels": [LABELS[100:150], LABELS[150:]]}
    assert evaluation_report(X[:100], labels[:100], (1, 4), c=C, **parts, intervals="queries") == report
    within = {"reference": X, "reference_labels": labels, "ref_includes_query": True}
    leveled = {"levels": LEVELS, "level_names": NAMES, "c": C, "intervals": None}
    both = [
        evaluation_report(X, labels, (1,), **leveled),
        evaluation_report(X, labels, (1,), **leveled, **within, reference_levels=LEVELS),
    ]
    assert both[0].scores == pytest.approx(both[1].scores, abs=1e-12)
    assert "class R@1" in both[0].scores  # the labels are no longer the finest level


def test_intervals_are_those_of_the_queries_or_classes():
    result = retrieve(X, LABELS, 10, C)
    scores = per_query.average_precision_at_r(result.hits, result.relevant)
    for intervals, groups in (("queries", None), ("classes", LABELS)):
        report = evaluation_report(X, LABELS, (1,), c=C, intervals=intervals, seed=4)
        expected = bootstrap_interval(scores, groups, seed=4)
        assert report.intervals["MAP@R"] == pytest.approx((expected.low, expected.high))
        assert all(low <= report.scores[name] <= high for name, (low, high) in report.intervals.items())


def test_report_is_plain_json_in_order():
    report = evaluation_report(X, LABELS, (1, 2), LEVELS, NAMES, C, clustering=True)
    record = dataclasses.asdict(report)
    assert json.loads(json.dumps(record)) == {**record, "intervals": {k: list(v) for k, v in report.intervals.items()}}
    assert not any(math.isnan(value) for value in report.scores.values())
    assert list(report.scores)[:4] == ["R@1", "R@2", "P@1", "P@2"]
    assert list(report.scores)[-2:] == ["NMI", "AMI"]
    assert list(report.intervals) == list(report.scores)[:-2]
    assert "class MAP" not in report.scores
    assert EvaluationReport(**record) == report


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"intervals": "images"}, "'classes', 'queries' or None, got 'images'"),
        ({"ks": ()}, "ks is empty"),
        ({"ks": (300,)}, "Recall@300 needs a whole number 1 <= k <= 299"),
        ({"level_names": NAMES}, "3 level names, but no levels"),
        ({"levels": LEVELS, "level_names": ("a", "b")}, "2 level names for 3 levels"),
        ({"c": None}, "needs the curvature"),
        ({"reference": X}, "belong together"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        evaluation_report(X, LABELS, **({"c": C} | options))
    with pytest.raises(ValueError, match="R-precision is not defined"):
        evaluation_report(X, torch.arange(300), (1,), c=C)
