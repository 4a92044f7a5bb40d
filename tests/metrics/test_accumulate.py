"""Metrics over batches give what their functions give at once, also from two processes."""

import copy
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic import tree_points
from two_processes import run_two_ranks

from hyperdml.metrics import accumulators
from hyperdml.metrics.accumulate import Accumulator
from hyperdml.metrics.accumulators import AMI, MAP, MRR, NMI, LCAHeightOfErrors, RecallAtK
from hyperdml.metrics.clustering import clustering_scores
from hyperdml.metrics.graded.lca_height import lca_heights
from hyperdml.metrics.graded.level_recall import level_recall_at_k
from hyperdml.metrics.retrieval.recall import recall_at_k
from hyperdml.metrics.retrieval.whole_ranking import mean_average_precision

C = 0.1
WORKER = Path(__file__).with_name("two_ranks_metrics.py")
X, LABELS, LEVELS = tree_points(144, 8, spread=True)
FLAT = {
    "RecallAtK": {"ks": (1, 5)},
    "PrecisionAtK": {"ks": (1, 5)},
    "RPrecision": {},
    "MAPAtR": {},
    "MAP": {},
    "MRR": {},
    "LCAHeightOfErrors": {"class_distances": lca_heights(LEVELS[:24])},
}
GRADED = {
    "LevelRecallAtK": {"ks": (1, 5)},
    "LevelMAPAtR": {},
    "LevelMAP": {},
    "HierarchicalAveragePrecision": {},
    "NDCG": {"k": 10},
    "ASI": {},
    "HierarchicalPrecisionAtK": {"ks": (1, 5)},
    "AverageHierarchicalPrecision": {"k": 5},
}


def batches(*tensors):
    """Of unequal sizes, one of them empty."""
    sizes = [1, 0, 50, 7, len(tensors[0]) - 58]
    return list(zip(*(tensor.split(sizes) for tensor in tensors), strict=True))


def test_every_named_metric_is_tried():
    named = {name for name, kind in vars(accumulators).items() if isinstance(kind, type)} - {"Accumulator"}
    assert named - {"Tensor", "Any", "Sequence"} == {*FLAT, *GRADED, "NMI", "AMI"}


@pytest.mark.parametrize("metric", ["hyperbolic", "cosine"])
@pytest.mark.parametrize("name", [*FLAT, *GRADED])
def test_batches_give_what_the_function_gives(name, metric):
    options = {"c": C, "metric": metric, **(FLAT | GRADED)[name]}
    targets = LABELS if name in FLAT else LEVELS
    one, gallery = (getattr(accumulators, name)(**options) for _ in range(2))
    for part in batches(X, targets):
        one.update(*part)
    assert one.compute() == one.compute() == one.score(X, targets, **options)
    for part in batches(X[72:], targets[72:]):
        gallery.update(*part, gallery=True)
    for part in batches(X[:72], targets[:72]):
        gallery.update(*part)
    names = ("reference", "reference_labels" if name in FLAT else "reference_levels")
    expected = one.score(X[:72], targets[:72], **options, **dict(zip(names, (X[72:], targets[72:]), strict=True)))
    assert gallery.compute() == expected != one.compute()


def test_clustering():
    expected = clustering_scores(X, LABELS, C, seed=3)
    for kind, value in ((NMI, expected.nmi), (AMI, expected.ami)):
        metric = kind(c=C, seed=3)
        for part in batches(X, LABELS):
            metric.update(*part)
        assert metric.compute() == value
        with pytest.raises(ValueError, match="clustering_scores scores one set and takes no gallery"):
            metric.update(X, LABELS, gallery=True)


def test_index_orders_rows_and_counts_each_once():
    order = torch.cat([torch.randperm(144), torch.tensor([3, 99, 3])])
    metric = MAP(c=C)
    for part in order.split(40):
        metric.update(X[part], LABELS[part], index=part.numpy())
    assert metric.compute() == mean_average_precision(X, LABELS, C)
    without = MAP(c=C)
    without.update(X[order], LABELS[order])
    assert without.compute() > metric.compute()


def test_state_is_the_metrics_own():
    metric, x = RecallAtK(ks=(1,), c=C), X[:40].clone().requires_grad_()
    labels = LABELS[:40].clone()
    metric.update(x, labels)
    metric.update(X[40:], LABELS[40:])
    expected = recall_at_k(X, LABELS, (1,), C)
    with torch.no_grad():
        x.zero_()
    labels.zero_()
    other = copy.deepcopy(metric)
    assert metric.compute() == other.compute() == pickle.loads(pickle.dumps(metric)).compute() == expected
    metric.reset()
    assert other.compute() == expected
    with pytest.raises(ValueError, match="nothing to score"):
        metric.compute()
    metric.update(X, LABELS)
    assert metric.compute() == expected


def test_numbers_stay_exact():
    x = torch.tensor([[0.1], [0.1 + 1e-8], [0.2], [0.2 + 1e-8]], dtype=torch.float64)
    metric = RecallAtK((1,), c=1.0)
    metric.update(x, np.array([2**24, 2**24, 2**24 + 1, 2**24 + 1]))
    assert metric.compute() == {1: 1.0}
    metric.reset()
    metric.update(x, [2**24, 2**24 + 1, 2**24, 2**24 + 1])
    assert metric.compute() == {1: 0.0}


def own_score(embeddings, labels, scale, reference=None, reference_labels=None):
    return scale * float(embeddings.sum()), labels.tolist(), reference_labels


def test_a_function_of_your_own():
    metric = Accumulator(own_score, scale=2)
    metric.update(torch.ones(2, 3), [4, 5])
    metric.update(torch.ones(1, 3), [6])
    assert metric.compute() == (18.0, [4, 5, 6], None)


@pytest.mark.gpu
def test_state_may_stay_on_the_gpu():
    kept, moved = MRR(c=C, device=None), MRR(c=C)
    for metric in (kept, moved):
        for part in batches(X.cuda(), LABELS.cuda()):
            metric.update(*part)
    assert kept.compute() == pytest.approx(moved.compute())


@pytest.mark.parametrize(
    ("batch", "options", "message"),
    [
        ((X[:3], LABELS[:2]), {}, r"a batch of 3 embeddings needs as many labels and indices, got \[\(2,\)\]"),
        ((X[:3], LABELS[:3]), {"index": [[0], [1], [2]]}, r"got \[\(3,\), \(3, 1\)\]"),
        ((X[:3, :5], LABELS[:3]), {}, "the batch has dimension 5, .* before it had dimension 8"),
        ((X[:3].double(), LABELS[:3]), {}, "float64, .* had dimension 8, torch.float32"),
        ((X[:3], LEVELS[:3]), {}, "3 levels an item, .* one label an item"),
        ((X[:3], LABELS[:3]), {"index": [0, 1, 2]}, "an index, those before it .* no index"),
        ((X[:3], LABELS[:3].float()), {}, "labels must be integers, got float32"),
        ((X[0], LABELS[:8]), {}, r"embeddings must be \(B, d\)"),
        ((LABELS[:3, None], LABELS[:3]), {}, "floating-point, got .*int64"),
    ],
)
def test_a_batch_that_does_not_fit_is_not_added(batch, options, message):
    metric = RecallAtK((1,), c=C)
    metric.update(X, LABELS)
    with pytest.raises(ValueError, match=message):
        metric.update(*batch, **options)
    assert metric.compute() == recall_at_k(X, LABELS, (1,), C)


def test_settings_are_checked_before_any_batch():
    with pytest.raises(TypeError, match="recall_at_k has no argument 'curvature'; it has embeddings, labels, ks"):
        RecallAtK(curvature=1.0)
    with pytest.raises(ValueError, match="needs the curvature"):
        RecallAtK()
    with pytest.raises(ValueError, match="'l1'"):
        MAP(metric="l1")
    LCAHeightOfErrors(np.zeros((2, 2)), metric="cosine")


def test_index_must_be_of_the_data_set():
    metric = RecallAtK((1,), c=C)
    metric.update(X[:3], [7, 8, 9], index=[0, 1, 2])
    metric.update(X[3:6], [7, 5, 9], index=[0, 1, 2])
    with pytest.raises(ValueError, match="index 1 occurs with labels 8 and 5"):
        metric.compute()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What the two ranks found."""
    return run_two_ranks(WORKER, tmp_path_factory.mktemp("ranks"))


def test_two_processes_give_what_one_gives(ranks):
    sys.path.insert(0, str(WORKER.parent))
    try:
        from two_ranks_metrics import data
    finally:
        sys.path.pop(0)
    x, labels, levels = data()
    assert sorted(found["rows"] for found in ranks) in ([12, 38], [13, 37])
    for found in ranks:
        assert found["MAP"] == found["again"] == mean_average_precision(x, labels, C)
        assert found["levels"] == level_recall_at_k(x, levels, (1,), C)
        gallery = {"reference": x[20:], "reference_labels": labels[20:]}
        assert found["gallery"] == recall_at_k(x[:20], labels[:20], (1, 3), C, **gallery)


def test_every_process_names_what_is_wrong(ranks):
    for found in ranks:
        mixed, empty, local = found["errors"]
        assert mixed.startswith("the queries of the processes differ: dimension 2, ")
        assert empty.startswith("there is nothing to score")
        assert local.startswith("index 0 occurs with labels 16777216 and 16777217")
