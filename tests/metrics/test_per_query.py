"""Scores of single queries: by hand, against plain loops, and dense against sparse hits."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.metrics.retrieval import per_query

NAN = math.nan
HITS = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()
RELEVANT = torch.tensor([2, 1, 3, 0, 4])


def test_by_hand():
    assert per_query.recall_at_k(HITS, 1).tolist() == [1, 0, 0, 0, 1]
    assert per_query.recall_at_k(HITS, 4).tolist() == [1, 1, 0, 0, 1]
    assert per_query.precision_at_k(HITS, 3).tolist() == pytest.approx([2 / 3, 0, 0, 0, 1])
    assert per_query.precision_at_k(HITS, 3).dtype == per_query.recall_at_k(HITS, 3).dtype == torch.float64
    cases = {
        per_query.r_precision: [1 / 2, 0, 0, NAN, 1],
        per_query.average_precision_at_r: [1 / 2, 0, 0, NAN, 1],
        per_query.average_precision: [(1 + 2 / 3) / 2, 1 / 4, 0, NAN, 1],
        per_query.reciprocal_rank: [1, 1 / 4, 0, NAN, 1],
    }
    for score, expected in cases.items():
        found = score(HITS, RELEVANT)
        assert found.dtype == torch.float64
        assert found.tolist() == pytest.approx(expected, nan_ok=True)


def test_levels_of_one_ranking():
    # items that share 2, 1, 0, 2, 1 of two levels with the query: fine level, then coarse level
    hits = torch.tensor([[1, 0, 0, 1, 0], [1, 1, 0, 1, 1]]).bool()
    relevant = torch.tensor([2, 4])
    assert per_query.average_precision(hits, relevant).tolist() == pytest.approx([0.75, 0.8875])
    assert per_query.average_precision_at_r(hits, relevant).tolist() == pytest.approx([0.5, 0.6875])


def test_average_precision_at_k_counts_what_was_not_found():
    # one of two relevant items at rank 2, the other beyond the search: torchmetrics would say 1/2
    assert per_query.average_precision(torch.tensor([[False, True]]), torch.tensor([2])).tolist() == [1 / 4]


def loop(hits, r, k):
    ranks = [i + 1 for i, hit in enumerate(hits) if hit]
    precision = [sum(hits[:i]) / i for i in ranks]
    if r == 0:
        return [float(any(hits[:k])), sum(hits[:k]) / k, *[NAN] * 4]
    return [
        float(any(hits[:k])),
        sum(hits[:k]) / k,
        sum(hits[:r]) / r,
        sum(p for p, i in zip(precision, ranks, strict=True) if i <= r) / r,
        sum(precision) / r,
        1 / ranks[0] if ranks else 0.0,
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=8), st.integers(1, 6))
def test_against_plain_loops_dense_and_sparse(rows, k):
    dense = torch.tensor(rows)
    relevant = dense.sum(1).clamp_max(6) + (dense.sum(1) < 6) * (torch.arange(len(rows)) % 2)
    expected = [value for row, r in zip(rows, relevant.tolist(), strict=True) for value in loop(row, r, k)]
    for hits in (dense, dense.to_sparse()):
        scores = [
            per_query.recall_at_k(hits, k),
            per_query.precision_at_k(hits, k),
            per_query.r_precision(hits, relevant),
            per_query.average_precision_at_r(hits, relevant),
            per_query.average_precision(hits, relevant),
            per_query.reciprocal_rank(hits, relevant),
        ]
        assert torch.stack(scores, 1).flatten().tolist() == pytest.approx(expected, nan_ok=True)


def test_a_perfect_ranking_scores_one():
    hits = torch.arange(8) < torch.tensor([[1], [5], [8]])
    for score in (per_query.r_precision, per_query.average_precision_at_r, per_query.average_precision):
        assert score(hits, hits.sum(1)).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: per_query.recall_at_k(HITS, 5), "Recall@5 needs a whole number 1 <= k <= 4"),
        (lambda: per_query.precision_at_k(HITS, 0), "Precision@0 needs"),
        (lambda: per_query.r_precision(HITS[:, :3], RELEVANT), "R-precision needs 4 neighbours.*only 3 were"),
        (lambda: per_query.average_precision_at_r(HITS[:, :3], RELEVANT), "MAP@R needs 4 neighbours"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
