"""Recall@k of every level: by hand, against the search, galleries, and queries that cannot be answered."""

import pytest
import torch
from synthetic import tree_points

from hyperdml.metrics import recall_at_k, retrieve
from hyperdml.metrics.graded.level_recall import level_first_ranks, level_recall_at_k
from hyperdml.neighbors import make_knn

C = 0.1


def searched_ranks(x, levels, metric):
    """(N, L) ranks read off all neighbours."""
    indices = make_knn(metric, C)(x, len(x) - 1, x, ref_includes_query=True)[1]
    ranks = []
    for ids in levels.T:
        hits = ids[indices] == ids[:, None]
        ranks.append(torch.where(hits.any(1), hits.int().argmax(1) + 1, 0))
    return torch.stack(ranks, 1)


def test_by_hand():
    x = torch.tensor([[0.0, 0.0], [0.1, 0.0], [0.3, 0.0], [0.8, 0.0]])
    levels = torch.tensor([[0, 0], [0, 1], [0, 0], [1, 2]])
    # nearest first: 0: 1 2 3; 1: 0 2 3; 2: 1 0 3; 3: 2 1 0
    assert level_first_ranks(x, levels, c=1.0).tolist() == [[1, 2], [1, 0], [1, 2], [0, 0]]
    assert level_recall_at_k(x, levels, (1, 2), c=1.0) == [{1: 3 / 4, 2: 3 / 4}, {1: 0, 2: 2 / 4}]


@pytest.mark.parametrize("metric", ["hyperbolic", "cosine", "euclidean"])
@pytest.mark.parametrize("spread", [False, True])
def test_against_all_neighbours(metric, spread):
    x, _, levels = tree_points(240, 8, spread)
    x[100:110] = x[:10]
    levels[200, 2] = 999  # alone in its class
    assert torch.equal(level_first_ranks(x, levels, C, metric), searched_ranks(x, levels, metric))
    scores = level_recall_at_k(x, levels, (1, 5, 239), C, metric)
    nearest = retrieve(x, levels[:, 2], 1, C, metric).indices[:, 0]
    assert [score[1] for score in scores] == (levels[nearest] == levels).double().mean(0).tolist()
    assert scores[2] == recall_at_k(x, levels[:, 2], (1, 5, 239), C, metric)
    assert scores[2][239] == 239 / 240
    assert scores[0][5] >= scores[1][5] >= scores[2][5]


def test_only_spread_points_tell_the_metrics_apart():
    for spread in (False, True):
        x, _, levels = tree_points(240, 8, spread)
        ranks = [level_first_ranks(x, levels, C, metric) for metric in ("hyperbolic", "cosine", "euclidean")]
        assert torch.equal(ranks[0], ranks[1]) == torch.equal(ranks[0], ranks[2]) == (not spread)


def test_galleries():
    x, _, levels = tree_points(120, 8, spread=True)
    whole = {"reference": x, "reference_levels": levels}
    ranks = level_first_ranks(x, levels, C)
    assert torch.equal(level_first_ranks(x, levels, C, **whole, ref_includes_query=True), ranks)
    assert torch.equal(level_first_ranks(x, levels, C, **whole), torch.ones_like(ranks))  # each finds itself
    halves = {"reference": [x[30:70], x[70:]], "reference_levels": [levels[30:70], levels[70:].numpy()]}
    one = {"reference": x[30:], "reference_levels": levels[30:]}
    assert level_recall_at_k(x[:30], levels[:30], (3,), C, **halves) == level_recall_at_k(
        x[:30], levels[:30], (3,), C, **one
    )


@pytest.mark.parametrize(
    ("ks", "options", "message"),
    [
        ((), {}, "ks is empty"),
        ((0,), {}, "Recall@0 needs a whole number 1 <= k <= 11"),
        ((12,), {}, "Recall@12 needs a whole number 1 <= k <= 11"),
        ((1,), {"c": None}, "needs the curvature"),
        ((1,), {"reference": torch.zeros(2, 4)}, "pass both or none"),
    ],
)
def test_errors(ks, options, message):
    x, _, levels = tree_points(12, 4, spread=True)
    with pytest.raises(ValueError, match=message):
        level_recall_at_k(x, levels, ks, **({"c": C} | options))
