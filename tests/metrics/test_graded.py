"""H-AP, MAP@R and AP per level: numbers by hand, plain loops, and what they must reduce to."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.geometry import distance
from hyperdml.metrics import map_at_r
from hyperdml.metrics.graded import shared_levels
from hyperdml.metrics.graded.average_precision import (
    GradedReport,
    graded_report,
    hierarchical_average_precision,
    level_average_precision,
    level_map_at_r,
)
from hyperdml.metrics.graded.level_sums import LevelSums
from hyperdml.metrics.graded.ndcg import ndcg
from hyperdml.metrics.graded.scores import GradedScores, graded_scores
from hyperdml.metrics.graded.set_intersection import asi
from hyperdml.metrics.graded.shared_levels import SharedLevels
from hyperdml.metrics.retrieval.result import retrieve


def on_a_line(*positions):
    """Points on one ray at the given hyperbolic distances from the origin (c = 1): distances are differences."""
    return torch.tensor([[math.tanh(p / 2), 0.0] for p in positions], dtype=torch.float64)


# Query 0 meets items that share 2, 1, 0, 2, 1 levels, in this order. The points lie a little wider apart from one to
# the next, so that no two are equally far from a third.
LINE = on_a_line(*(p + 1e-4 * p**2 for p in range(6)))
LEVELS = torch.tensor([[0, 0], [0, 0], [0, 1], [1, 2], [0, 0], [0, 1]])


METRICS = ("hyperbolic", "cosine", "euclidean")


def loop_hap(x, levels, c, relevance, gallery=None, gallery_levels=None):
    """Ramzi et al.'s definition, item by item."""
    scores = []
    items, among = (x, levels) if gallery is None else (gallery, gallery_levels)
    for q in range(len(x)):
        others = [j for j in range(len(items)) if gallery is not None or j != q]
        gap = distance(x[q], items, c).tolist()
        others.sort(key=lambda j: (gap[j], j))
        rel = [([0.0, *relevance])[int((among[j] == levels[q]).sum())] for j in others]
        if sum(rel) > 0:
            ranks = range(1, len(rel) + 1)
            scores.append(sum(sum(min(rel[j], rel[k - 1]) for j in range(k)) / k for k in ranks) / sum(rel))
    return sum(scores) / len(scores)


def loop_map(x, ids, c):
    scores, ids = [], ids.tolist()
    for q in range(len(x)):
        gap = distance(x[q], x, c).tolist()
        hits = [ids[j] == ids[q] for j in sorted((j for j in range(len(x)) if j != q), key=lambda j: (gap[j], j))]
        r = sum(map(int, hits))
        if r:
            scores.append(sum(sum(hits[: k + 1]) / (k + 1) for k in range(r) if hits[k]) / r)
    return sum(scores) / len(scores)


def nested(n, seed):
    g = torch.Generator().manual_seed(seed)
    fine = torch.randint(6, (n,), generator=g)
    x = torch.randn(n, 3, generator=g, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True) * (0.95 * torch.rand(n, 1, generator=g, dtype=torch.float64))
    return x, torch.stack([fine // 4, fine // 2, fine], 1), g


def test_one_query_by_hand():
    found = SharedLevels(torch.tensor([[2, 1, 0, 2, 1]], dtype=torch.int16), torch.tensor([[4, 2]]))
    (whole,) = shared_levels.shared_levels(LINE, LEVELS, None, 1.0)
    assert torch.equal(whole.shared[:1], found.shared)
    assert torch.equal(whole.relevant[:1], found.relevant)
    sums = LevelSums.of(found)
    coarse, fine = 1 + 1 + 3 / 4 + 4 / 5, 1 + 2 / 4  # precision at the hits: ranks 1, 2, 4, 5 and ranks 1, 4
    assert sums.precision[0].tolist() == pytest.approx([coarse, fine])
    assert sums.precision_at_r[0].tolist() == pytest.approx([1 + 1 + 3 / 4, 1])
    assert sums.average_precision[0].tolist() == pytest.approx([0.8875, 0.75])
    assert sums.map_at_r[0].tolist() == pytest.approx([2.75 / 4, 0.5])
    # min(rel_j, rel_k) summed over j <= k: 1, 1, -, 5/2, 2 at the ranks k = 1, 2, -, 4, 5; sum of rel 3
    by_hand = (1 / 1 + 1 / 2 + 2.5 / 4 + 2 / 5) / 3
    assert by_hand == pytest.approx(0.8416667, abs=1e-7)
    assert sums.hap(torch.tensor([0.5, 0.5], dtype=torch.float64)).tolist() == pytest.approx([by_hand])
    scores = graded_scores(LINE, LEVELS, 1.0)
    assert scores.hap[0].item() == pytest.approx(by_hand)
    assert scores.ndcg[0].item() == pytest.approx(0.9117959, abs=1e-7)
    assert scores.asi[0].item() == pytest.approx(0.7291667, abs=1e-7)


def test_hap_by_hand():
    line = on_a_line(0, 1, 3, 7)
    levels = [[0, 0], [0, 1], [0, 0], [1, 2]]
    # 0: items that share 1, 2, 0 levels: (.5 / 1 + (.5 + 1) / 2) / 1.5; 1: shares 1, 1, 0; 2: 1, 2, 0; 3: nothing
    assert hierarchical_average_precision(line, np.array(levels), c=1.0) == pytest.approx((5 / 6 + 1 + 5 / 6) / 3)


def test_map_at_r_by_hand():
    # fine level, query 0: hits at ranks 1 and 4 of R = 2: 1/2; the other members of {0, 1, 4} and {2, 5}:
    # 1: 0 2 3 4 5 -> P(1) = 1 -> 1/2; 4: 3 5 2 1 0 -> 0; 2: R = 1, first 1 -> 0; 5: first 4 -> 0
    fine = (1 / 2 + 1 / 2 + 0 + 0 + 0) / 5
    # coarse level {0, 1, 2, 4, 5}, R = 4:  0: 1 2 3 4 -> (1 + 1 + 3/4) / 4;  1: 0 2 3 4 -> the same
    # 2: 1 3 0 4 -> (1 + 2/3 + 3/4) / 4;  4: 3 5 2 1 -> (1/2 + 2/3 + 3/4) / 4;  5: 4 3 2 1 -> (1 + 2/3 + 3/4) / 4
    coarse = (2 * (1 + 1 + 3 / 4) + 2 * (1 + 2 / 3 + 3 / 4) + (1 / 2 + 2 / 3 + 3 / 4)) / 4 / 5
    assert level_map_at_r(LINE, LEVELS, c=1.0) == pytest.approx([coarse, fine], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 20), st.integers(0, 2**31))
def test_against_plain_loops(n, seed):
    x, levels, g = nested(n, seed)
    relevance = torch.rand(3, generator=g, dtype=torch.float64).cumsum(0).tolist()
    for given_relevance, used in ((None, (1 / 3, 2 / 3, 1)), (relevance, relevance)):
        score = hierarchical_average_precision(x, levels, c=1.0, relevance=given_relevance)
        assert score == pytest.approx(loop_hap(x, levels, 1.0, used), abs=1e-12)
        assert 0 < score <= 1
    half, relevance = n // 2, (1 / 3, 2 / 3, 1)
    if (levels[:half, None, 0] == levels[half:, 0]).any():
        score = hierarchical_average_precision(x[:half], levels[:half], 1.0, "hyperbolic", x[half:], levels[half:])
        expected = loop_hap(x[:half], levels[:half], 1.0, relevance, x[half:], levels[half:])
        assert score == pytest.approx(expected, abs=1e-12)
    fine = levels[:, -1]
    if int(fine.bincount().max()) > 1:
        expected = [loop_map(x, level, 1.0) for level in levels.T]
        assert level_map_at_r(x, levels, c=1.0) == pytest.approx(expected, abs=1e-12)


def test_one_level_is_average_precision():
    from sklearn.metrics import average_precision_score

    x, labels, _ = tree_points(120, 8, spread=True)
    gap, y = torch.cdist(x.double(), x.double()).numpy(), labels.numpy()
    expected = np.mean([average_precision_score(np.delete(y == y[i], i), np.delete(-gap[i], i)) for i in range(120)])
    assert hierarchical_average_precision(x, labels[:, None], metric="euclidean") == pytest.approx(expected, abs=1e-12)
    assert level_average_precision(x, labels[:, None], metric="euclidean") == pytest.approx([expected], abs=1e-12)


def test_a_sorted_space_scores_one():
    levels = torch.tensor([[g, 2 * g + s, 4 * g + 2 * s + k] for g in range(2) for s in range(2) for k in range(2)] * 3)
    parts = [w * torch.nn.functional.one_hot(ids) for w, ids in zip((9.0, 3.0, 1.0), levels.T, strict=True)]
    x = torch.cat(parts, 1)  # the more levels two items share, the nearer they are
    assert hierarchical_average_precision(x, levels, metric="euclidean") == pytest.approx(1.0)
    assert level_map_at_r(x, levels, metric="euclidean") == pytest.approx([1.0] * 3)
    assert level_average_precision(x, levels, metric="euclidean") == pytest.approx([1.0] * 3)


def test_only_ratios_of_relevance_matter_and_equal_relevances_merge_levels():
    x, _, levels = tree_points(120, 8, spread=True)
    default = hierarchical_average_precision(x, levels, c=0.1)
    assert hierarchical_average_precision(x, levels, c=0.1, relevance=(5, 10, 15)) == pytest.approx(default)
    merged = hierarchical_average_precision(x, levels, c=0.1, relevance=(0, 1, 1))
    assert merged == pytest.approx(hierarchical_average_precision(x, levels[:, 1:2], c=0.1))


@pytest.mark.parametrize("metric", METRICS)
def test_report_is_one_ranking_and_agrees_with_map_at_r(metric, monkeypatch):
    x, labels, levels = tree_points(180, 8, spread=True)
    x[50:60] = x[:10]  # duplicates: equal distances
    calls = []
    ranked = shared_levels.full_rankings
    monkeypatch.setattr(shared_levels, "full_rankings", lambda *a, **b: calls.append(a) or ranked(*a, **b))
    report = graded_report(x, levels, ("top", "middle", "class"), 0.1, metric)
    assert len(calls) == 1
    assert report.map_at_r["class"] == pytest.approx(map_at_r(x, labels, 0.1, metric), abs=1e-12)
    assert report.map_at_r["middle"] == pytest.approx(map_at_r(x, levels[:, 1], 0.1, metric), abs=1e-12)
    assert list(report.map_at_r.values()) == level_map_at_r(x, levels, 0.1, metric)
    assert list(report.average_precision.values()) == level_average_precision(x, levels, 0.1, metric)
    assert report.hap == hierarchical_average_precision(x, levels, 0.1, metric)
    assert report.ndcg == ndcg(x, levels, None, 0.1, metric)
    assert report.asi == asi(x, levels, None, 0.1, metric)
    assert list(dataclasses.asdict(report)) == ["hap", "map_at_r", "average_precision", "ndcg", "asi"]
    assert GradedReport(**json.loads(json.dumps(dataclasses.asdict(report)))) == report
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.hap = 1.0
    assert list(graded_report(x, levels.numpy(), c=0.1).map_at_r) == ["level 0", "level 1", "level 2"]


def test_blocks_change_nothing(monkeypatch):
    x, _, levels = tree_points(120, 8, spread=True)
    whole = graded_report(x, levels, c=0.1)
    monkeypatch.setattr("hyperdml.metrics.ranks.ranking._BLOCK", 500)
    assert graded_report(x, levels, c=0.1) == whole


def test_only_spread_points_tell_the_metrics_apart():
    for spread in (False, True):
        x, _, levels = tree_points(120, 8, spread)
        hyperbolic, cosine, euclidean = (graded_report(x, levels, None, 0.1, m) for m in METRICS)
        for field in dataclasses.fields(GradedReport):
            values = [getattr(report, field.name) for report in (hyperbolic, cosine, euclidean)]
            assert (values[0] != values[1]) == (values[0] != values[2]) == spread, field.name


def test_gallery_that_holds_the_queries():
    x, _, levels = tree_points(120, 8, spread=True)
    x[60:70] = x[:10]
    alone = graded_report(x, levels, c=0.1)
    whole = {"reference": [x[:50], x[50:]], "reference_levels": [levels[:50], levels[50:].numpy()]}
    assert graded_report(x, levels, c=0.1, **whole, ref_includes_query=True) == alone
    assert graded_report(x, levels, c=0.1, **whole).hap > alone.hap  # each query finds itself
    some = graded_scores(x[:40], levels[:40], 0.1, **whole, ref_includes_query=True)
    every = graded_scores(x, levels, 0.1)
    for field in dataclasses.fields(GradedScores):
        assert torch.equal(getattr(some, field.name), getattr(every, field.name)[:40]), field.name
    with pytest.raises(ValueError, match="pass both or none"):
        graded_report(x, levels, c=0.1, reference=x)


def test_precision_needs_the_whole_ranking():
    x, labels, levels = tree_points(120, 8, spread=True)
    with pytest.raises(ValueError, match="average precision needs full rankings, got the 100 nearest"):
        LevelSums.of(SharedLevels.of_result(retrieve(x, labels, 100, 0.1), levels))
    scores = LevelSums.of(SharedLevels.of_result(retrieve(x, labels, 119, 0.1), levels))
    assert torch.equal(scores.map_at_r, graded_scores(x, levels, 0.1).map_at_r)


def test_queries_without_relevant_items_are_left_out():
    x, _, levels = tree_points(120, 8, spread=True)
    alone = torch.tensor([[99, 999, 9999]])
    far = torch.cat([x, 1e-3 * torch.ones(1, 8)])
    together = graded_report(far, torch.cat([levels, alone]), c=0.1)
    assert together.hap == pytest.approx(graded_report(x, levels, c=0.1).hap, abs=0.02)
    scores = graded_scores(far, torch.cat([levels, alone]), 0.1)
    for field in dataclasses.fields(GradedScores):
        undefined = getattr(scores, field.name).isnan()
        assert undefined[-1].all(), field.name
        assert not undefined[:-1].any(), field.name
    singles = torch.stack([torch.zeros(120, dtype=torch.int64), torch.arange(120)], 1)
    assert hierarchical_average_precision(x, singles, c=0.1) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="MAP@R at level 'level 1' is not defined"):
        level_map_at_r(x, singles, c=0.1)
    with pytest.raises(ValueError, match="MAP at level 'level 1' is not defined"):
        level_average_precision(x, singles, c=0.1)
    with pytest.raises(ValueError, match="H-AP is not defined: no query"):
        hierarchical_average_precision(x, singles, c=0.1, relevance=(0, 1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: graded_report(LINE, LEVELS), "needs the curvature"),
        (lambda: graded_report(LINE, LEVELS, c=1.0, metric="l1"), "'l1'"),
        (lambda: graded_report(LINE, LEVELS[:, 0], c=1.0), r"levels must be \(6, L\)"),
        (lambda: graded_report(LINE, LEVELS.float(), c=1.0), "must be integers, got float32"),
        (lambda: graded_report(LINE, LEVELS, ["a"], c=1.0), "1 level names for 2 levels"),
        (lambda: graded_report(LINE, LEVELS, ["a", "a"], c=1.0), "must differ, got"),
        (lambda: graded_report(LINE[:1], LEVELS[:1], c=1.0), "N >= 2"),
        (lambda: graded_report(LINE[:0], LEVELS[:0], c=1.0), "no points to go with levels"),
        (
            lambda: graded_report(LINE, LEVELS % 2, c=1.0),
            "id 0 of level 1 lies under ids 0 and 1 of level 0",
        ),
        (lambda: hierarchical_average_precision(LINE, LEVELS, 1.0, relevance=(1,)), r"2 numbers.*got \[1\]"),
        (lambda: hierarchical_average_precision(LINE, LEVELS, 1.0, relevance=(1, 0.5)), "not decreasing"),
        (lambda: hierarchical_average_precision(LINE, LEVELS, 1.0, relevance=(-1, 1)), "not negative"),
        (lambda: hierarchical_average_precision(LINE, LEVELS, 1.0, relevance=(0, 0)), "last positive"),
        (lambda: hierarchical_average_precision(LINE, LEVELS, 1.0, relevance=(0, math.nan)), "2 numbers"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
