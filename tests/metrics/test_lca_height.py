"""Height of the ancestor that the nearest neighbour's class shares with the query's: by hand, loops, conventions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.geometry import pairwise_distance
from hyperdml.metrics.graded.lca_height import ErrorHeights, lca_height_of_errors, lca_heights, nearest_costs
from hyperdml.metrics.retrieval.result import retrieve

C = 0.1
# a1 and a2 below a; a and b below one root; c apart
CLASSES = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]])
COSTS = [[0, 1, 2, 3], [1, 0, 2, 3], [2, 2, 0, 3], [3, 3, 3, 0]]


def test_heights_by_hand():
    assert lca_heights(CLASSES).tolist() == COSTS
    assert lca_heights(torch.from_numpy(CLASSES[:, 2:])).tolist() == (1 - np.eye(4, dtype=int)).tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(0, 2**31))
def test_heights_are_an_ultrametric(classes, seed):
    g = torch.Generator().manual_seed(seed)
    middle = torch.randint(4, (classes,), generator=g)
    levels = torch.stack([middle // 2, middle, torch.randperm(classes, generator=g)], 1)
    heights = lca_heights(levels)
    loops = [[3 - sum(int(a == b) for a, b in zip(x, y, strict=True)) for y in levels] for x in levels]
    assert heights.tolist() == loops
    assert (heights[:, None, :] <= torch.maximum(heights[:, :, None], heights[None])).all()
    assert torch.equal(heights == 0, torch.eye(classes, dtype=torch.bool))


def test_errors_by_hand():
    # nearest: 0 (a1) is a2's, 1 (a2) a1's, 2 (a1) c's, 3 (c) c's, 4 (c) c's; 5 (b) is b's only item
    x = torch.tensor([[0.0], [0.01], [0.3], [0.35], [0.38], [-0.9]])
    labels = [0, 1, 0, 3, 3, 2]
    heights = lca_height_of_errors(x, labels, torch.tensor(COSTS), c=1.0)
    # a2's only item and b's only item cannot be answered
    assert heights == ErrorHeights(of_errors=(1 + 3) / 2, of_all=(1 + 3 + 0 + 0) / 4, errors=2, queries=4)
    costs = nearest_costs(retrieve(x, labels, 1, 1.0), np.array(COSTS))
    assert costs.tolist() == pytest.approx([1, float("nan"), 3, 0, 0, float("nan")], nan_ok=True)


@pytest.mark.parametrize("metric", ["hyperbolic", "cosine", "euclidean"])
@pytest.mark.parametrize("spread", [False, True])
def test_against_distance_matrices(metric, spread):
    x, labels, levels = tree_points(240, 8, spread)
    classes = levels[labels.argsort(stable=True)][::6]
    assert torch.equal(classes[:, 2], torch.arange(40))
    gap = {
        "hyperbolic": pairwise_distance(x.double(), x.double(), C),
        "cosine": 1 - torch.nn.functional.cosine_similarity(x[:, None].double(), x.double(), dim=-1),
        "euclidean": torch.cdist(x.double(), x.double()),
    }[metric].fill_diagonal_(torch.inf)
    nearest = levels[gap.argmin(1)]
    cost = (3 - (nearest == levels).sum(1)).double()
    heights = lca_height_of_errors(x, labels, lca_heights(classes), C, metric)
    assert heights.of_all == pytest.approx(float(cost.mean()))
    assert heights.of_errors == pytest.approx(float(cost[cost > 0].mean()))
    assert (heights.errors, heights.queries) == (int((cost > 0).sum()), 240)


def test_spread_points_tell_the_metrics_apart():
    for spread in (False, True):
        x, labels, levels = tree_points(240, 8, spread)
        costs = lca_heights(levels[labels.argsort(stable=True)][::6])
        found = {lca_height_of_errors(x, labels, costs, C, m) for m in ("hyperbolic", "cosine", "euclidean")}
        assert len(found) == (3 if spread else 1)


def test_no_errors():
    x = torch.tensor([[0.1], [0.1], [0.5], [0.5]])
    heights = lca_height_of_errors(x, [0, 0, 3, 3], np.array(COSTS), C)
    assert heights == ErrorHeights(of_errors=None, of_all=0.0, errors=0, queries=4)


def test_rows_are_the_query_columns_its_neighbour():
    x = torch.tensor([[0.0], [0.5]])
    one_way = np.array([[0.0, 5.0], [7.0, 0.0]])
    gallery = {"reference": torch.tensor([[0.1], [-0.9]]), "reference_labels": [1, 0]}
    assert lca_height_of_errors(x[:1], [0], one_way, 1.0, **gallery).of_errors == 5.0
    gallery["reference_labels"] = [0, 1]
    assert lca_height_of_errors(x[1:], [1], one_way, 1.0, **gallery).of_errors == 7.0


def test_gallery_that_holds_the_queries():
    x, labels, levels = tree_points(120, 8, spread=True)
    x[60:70] = x[:10]
    costs = lca_heights(levels[labels.argsort(stable=True)][::6])
    same = {"reference": [x[:50], x[50:]], "reference_labels": [labels[:50], labels[50:]], "ref_includes_query": True}
    assert lca_height_of_errors(x, labels, costs, C, **same) == lca_height_of_errors(x, labels, costs, C)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: lca_heights(np.arange(3)), r"must be \(C, L\) ids.*got \(3,\)"),
        (lambda x: lca_heights(CLASSES.astype(float)), "class_levels must be integers"),
        (lambda x: lca_heights(CLASSES[:, 1:2]), "classes 0 and 1 have the same last id 0"),
        (lambda x: lca_heights(np.array([[0, 0], [1, 0]])), "not nested"),
        (lambda x: lca_height_of_errors(x, [0, 1, 1], np.zeros((2, 3)), C), r"square.*got \(2, 3\)"),
        (lambda x: lca_height_of_errors(x, [0, 1, 1], -np.array(COSTS), C), "not negative"),
        (lambda x: lca_height_of_errors(x, [0, 1, 1], np.eye(4), C), "0 on the diagonal"),
        (lambda x: lca_height_of_errors(x, [0, 1, 1], np.array(COSTS) * np.nan, C), "finite"),
        (lambda x: lca_height_of_errors(x, [0, 1, 4], np.array(COSTS), C), "0 to 3, but row 2 has 4"),
        (lambda x: lca_height_of_errors(x, [0, -1, 1], np.array(COSTS), C), "row 1 has -1"),
        (lambda x: lca_height_of_errors(x, [0, 1, 2], np.array(COSTS), C), "not defined: no query shares"),
        (lambda x: lca_height_of_errors(x, [0, 1, 1], np.array(COSTS)), "needs the curvature"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.tensor([[0.1], [0.2], [0.4]]))
