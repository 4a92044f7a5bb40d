"""Bootstrap intervals: against SciPy, their coverage, whole groups, differences, and what has no spread."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.metrics.bootstrap import Interval, bootstrap_interval


@pytest.mark.parametrize("size", [25, 150])
def test_equals_scipy(size):
    from scipy.stats import bootstrap

    sample = np.random.default_rng(size).lognormal(size=size)
    theirs = bootstrap((sample,), np.mean, n_resamples=20_000, method="BCa", random_state=1).confidence_interval
    mine = bootstrap_interval(torch.from_numpy(sample), draws=20_000)
    width = theirs.high - theirs.low
    assert mine.mean == pytest.approx(sample.mean())
    assert [mine.low, mine.high] == pytest.approx([theirs.low, theirs.high], abs=0.03 * width)


def test_groups_equal_scipy_on_their_sums():
    """Resampling groups is resampling (sum, count) pairs of a ratio."""
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    groups = rng.integers(40, size=400)
    scores = rng.normal(size=40)[groups] + rng.normal(size=400)
    sums, counts = np.bincount(groups, scores), np.bincount(groups)
    theirs = bootstrap(
        (sums, counts),
        lambda s, n, axis: s.sum(axis) / n.sum(axis),
        n_resamples=20_000,
        method="BCa",
        paired=True,
        random_state=1,
    ).confidence_interval
    mine = bootstrap_interval(torch.from_numpy(scores), groups * 7 - 100, draws=20_000)
    width = theirs.high - theirs.low
    assert [mine.low, mine.high] == pytest.approx([theirs.low, theirs.high], abs=0.03 * width)
    alone = bootstrap_interval(torch.from_numpy(scores))
    assert alone.high - alone.low < 0.6 * width


def covered(truth, interval):
    return interval.low <= truth <= interval.high


def test_coverage_of_a_share_near_one():
    rng = np.random.default_rng(0)
    hits = (rng.random((300, 200)) < 0.9).astype(float)
    share = np.mean([covered(0.9, bootstrap_interval(torch.from_numpy(x), draws=400)) for x in hits])
    assert 0.9 <= share <= 0.99


def test_coverage_needs_whole_classes_where_classes_share_their_fate():
    rng = np.random.default_rng(0)
    labels = np.arange(400) // 10
    shares = {"classes": [], "queries": []}
    for _ in range(200):
        scores = torch.from_numpy(rng.normal(size=40)[labels] + 0.3 * rng.normal(size=400))
        shares["classes"].append(covered(0.0, bootstrap_interval(scores, labels, draws=400)))
        shares["queries"].append(covered(0.0, bootstrap_interval(scores, draws=400)))
    assert 0.88 <= np.mean(shares["classes"]) <= 0.99
    assert np.mean(shares["queries"]) < 0.7


def test_paired_difference_is_sharper_than_two_intervals():
    g = torch.Generator().manual_seed(0)
    hard = torch.rand(500, generator=g, dtype=torch.float64)
    one, other = hard + 0.02 * torch.rand(500, generator=g), hard + 0.02 * torch.rand(500, generator=g) + 0.01
    a, b, difference = bootstrap_interval(one), bootstrap_interval(other), bootstrap_interval(other - one)
    assert a.low < b.low < a.high < b.high
    assert 0 < difference.low < difference.mean < difference.high
    assert difference.mean == pytest.approx(b.mean - a.mean)


def test_nan_is_a_query_left_out():
    scores = torch.tensor([1.0, math.nan, 0.0, 1.0, 0.5, math.nan], dtype=torch.float64)
    groups = torch.tensor([1, 1, 2, 2, 3, 4])
    kept = ~scores.isnan()
    assert bootstrap_interval(scores) == bootstrap_interval(scores[kept])
    assert bootstrap_interval(scores, groups) == bootstrap_interval(scores[kept], groups[kept])


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_no_spread_no_width(value):
    interval = bootstrap_interval(torch.full((30,), value, dtype=torch.float64))
    assert interval.low == interval.mean == interval.high == pytest.approx(value, abs=1e-15)
    halves = torch.tensor([0.0, 1.0] * 6, dtype=torch.float64)
    assert bootstrap_interval(halves, torch.arange(12) // 2) == Interval(0.5, 0.5, 0.5)
    assert bootstrap_interval(halves, torch.arange(12) % 2).low == 0.0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=3, max_size=40), st.integers(0, 2**31), st.integers(1, 5))
def test_laws(values, seed, size):
    scores = torch.tensor(values, dtype=torch.float64)
    groups = torch.arange(len(values)) // size
    if len(groups.unique()) < 2:
        groups = None
    interval = bootstrap_interval(scores, groups, draws=200, seed=seed)
    assert interval == bootstrap_interval(scores, groups, draws=200, seed=seed)
    assert min(values) - 1e-12 <= interval.low <= interval.high <= max(values) + 1e-12
    assert interval.mean == pytest.approx(np.mean(values))
    wider = bootstrap_interval(scores, groups, level=0.99, draws=200, seed=seed)
    assert wider.low <= interval.low
    assert wider.high >= interval.high
    moved = bootstrap_interval(2 * scores + 1, groups, draws=200, seed=seed)
    if max(values) - min(values) > 1e-3:
        assert [moved.low, moved.high] == pytest.approx([2 * interval.low + 1, 2 * interval.high + 1], abs=1e-9)


def test_blocks_change_nothing(monkeypatch):
    scores = torch.rand(50, dtype=torch.float64)
    whole = bootstrap_interval(scores, draws=300)
    monkeypatch.setattr("hyperdml.metrics.bootstrap._BLOCK", 7 * 50)
    assert bootstrap_interval(scores, draws=300) == whole


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval(torch.rand(3, 2)), r"\(Q,\), got \(3, 2\)"),
        (lambda: bootstrap_interval(torch.rand(1)), "at least two queries with a score, got 1"),
        (lambda: bootstrap_interval(torch.full((4,), math.nan)), "at least two queries with a score, got 0"),
        (lambda: bootstrap_interval(torch.rand(4), [0, 0, 0, 0]), "at least two groups with a score, got 1"),
        (lambda: bootstrap_interval(torch.rand(4), [0, 1]), r"groups .*\(4,\), got \(2,\)"),
        (lambda: bootstrap_interval(torch.rand(2), [0.5, 1.0]), "groups must be integers"),
        (lambda: bootstrap_interval(torch.tensor([1.0, math.inf])), "score 1 is infinite"),
        (lambda: bootstrap_interval(torch.rand(4), level=95), "level must be between 0 and 1, got 95"),
        (lambda: bootstrap_interval(torch.rand(4), draws=1), "draws must be at least 2, got 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
