"""k-reciprocal re-ranking against a dense transcription of the published algorithm."""

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from synthetic import tree_points

import hyperdml.neighbors.encoding as encoding_module
import hyperdml.neighbors.rerank as rerank_module
from hyperdml.neighbors import CosineKNN, EuclideanKNN, HyperbolicKNN, make_knn
from hyperdml.neighbors.encoding import farthest_distances
from hyperdml.neighbors.rerank import KReciprocalReranker

C = 0.1
METRICS = ["hyperbolic", "cosine", "euclidean"]
LINE = torch.tensor([[0.0], [1.0], [3.0], [10.0]], dtype=torch.float64)


def squared_distances(x, metric):
    """(N, N) float64 squared distances by the textbook formulas; of unit vectors for "cosine"."""
    x = np.asarray(x, np.float64)
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    gap = ((x[:, None] - x[None]) ** 2).sum(-1)
    if metric != "hyperbolic":
        return gap
    rim = 1 - C * (x**2).sum(1)
    return (2 / math.sqrt(C) * np.arcsinh(np.sqrt(C * gap / np.outer(rim, rim)))) ** 2


def dense_reranking(squared, k1, k2, weight):
    """The published algorithm, point by point on the full matrix (Zhong et al. 2017, Eq. 1 to 12)."""
    n = len(squared)
    original = squared / squared.max(axis=1, keepdims=True)
    order = (original - 2 * np.eye(n)).argsort(axis=1, kind="stable")  # a point comes before its duplicates

    def reciprocal(p, k):
        return {g for g in order[p, : k + 1] if p in order[g, : k + 1]}

    v = np.zeros((n, n))
    for p in range(n):
        near = reciprocal(p, k1)
        grown = set(near)
        for q in near:
            half = reciprocal(q, int(np.around(k1 / 2)))
            if len(near & half) > 2 / 3 * len(half):
                grown |= half
        grown = sorted(grown)
        v[p, grown] = np.exp(-original[p, grown])
        v[p] /= v[p].sum()
    v = np.stack([v[order[p, :k2]].mean(0) for p in range(n)])
    jaccard = np.stack([1 - np.minimum(v[p], v).sum(1) / np.maximum(v[p], v).sum(1) for p in range(n)])
    return (1 - weight) * jaccard + weight * original


def assert_order(found, truth):
    """All reference points in the order of the (Q, M) dense distances."""
    distances, indices = (part.numpy() for part in found)
    expected = np.sort(truth, axis=1)[:, : distances.shape[1]]
    np.testing.assert_allclose(distances, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.take_along_axis(truth, indices, 1), expected, rtol=0, atol=1e-9)
    assert all(len(set(row)) == len(row) for row in indices.tolist())


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (7, 1, 0.0), (5, 12, 0.6)])
def test_leave_one_out_equals_the_dense_algorithm(metric, spread, k1, k2, weight):
    x = tree_points(150, 16, spread)[0].double()
    truth = dense_reranking(squared_distances(x, metric), k1, k2, weight)
    truth[np.arange(150), np.arange(150)] = np.inf
    knn = KReciprocalReranker(make_knn(metric, C), k1, k2, weight)
    assert_order(knn(x, 149, x, True), truth)
    assert_order(knn(x[:40], 149, x, True), truth[:40])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [False, True])
def test_query_against_gallery_equals_the_dense_algorithm(metric, spread):
    x = tree_points(200, 24, spread, seed=1)[0].double()
    truth = dense_reranking(squared_distances(x, metric), 20, 6, 0.3)[:60, 60:]
    assert_order(KReciprocalReranker(make_knn(metric, C))(x[:60], 140, x[60:]), truth)


def test_other_metrics_rank_otherwise_once_radii_differ():
    x = tree_points(600, 32, spread=True)[0]
    nearest = [KReciprocalReranker(make_knn(metric, C))(x, 1, x, True)[1] for metric in METRICS]
    assert (nearest[0] == nearest[1]).double().mean() < 0.6
    assert (nearest[0] == nearest[2]).double().mean() < 0.95


def test_points_on_a_line_by_hand():
    """0 and 1 are each other's nearest; 3 and 10 have nobody. Farthest: 10, 9, 7, 10 away."""
    distances, indices = KReciprocalReranker(EuclideanKNN(), k1=1, k2=1, weight=0.25)(LINE, 3, LINE, True)
    a, b = 1 / (1 + math.exp(-0.01)), 1 / (1 + math.exp(-1 / 81))  # what 0 and 1 give to themselves
    shared = (1 - a) + (1 - b)
    jaccard = 1 - shared / (2 - shared)
    assert indices.tolist() == [[1, 2, 3], [0, 2, 3], [1, 0, 3], [2, 1, 0]]
    assert distances[0].tolist() == pytest.approx([0.75 * jaccard + 0.25 * 0.01, 0.75 + 0.25 * 0.09, 1])
    assert distances[1].tolist() == pytest.approx([0.75 * jaccard + 0.25 / 81, 0.75 + 0.25 * 4 / 81, 1])
    assert distances[3].tolist() == pytest.approx([0.75 + 0.25 * 0.49, 0.75 + 0.25 * 0.81, 1])


def test_surroundings_put_a_member_of_the_group_before_a_nearer_stranger():
    group = torch.tensor([0.0, 0.9, 1.1, 1.3])[:, None]
    strangers = torch.tensor([-0.8, -1.0, -1.2, -1.3, -8])[:, None]
    points = torch.cat([group, strangers]).double()
    query = torch.tensor([[0.04]], dtype=torch.float64)
    assert EuclideanKNN()(query, 3, points)[1].tolist() == [[0, 4, 1]]
    assert KReciprocalReranker(EuclideanKNN(), k1=3, k2=1)(query, 3, points)[1].tolist() == [[0, 1, 2]]


def test_cosine_is_the_original_on_unit_vectors():
    x = tree_points(120, 8, spread=True)[0].double()
    unit = torch.nn.functional.normalize(x)
    by_angle = KReciprocalReranker(CosineKNN())(x, 20, x, True)
    by_chord = KReciprocalReranker(EuclideanKNN())(unit, 20, unit, True)
    torch.testing.assert_close(by_angle[0], by_chord[0], rtol=0, atol=1e-9)
    assert torch.equal(by_angle[1], by_chord[1])


@pytest.mark.parametrize("included", [True, False])
def test_order_of_the_points_does_not_matter(included):
    x = tree_points(150, 12, spread=True, seed=2)[0].double()
    query, reference = (x, x) if included else (x[:50], x[50:])
    q = torch.randperm(len(query))
    r = q if included else torch.randperm(len(reference))
    knn = KReciprocalReranker(HyperbolicKNN(C))
    distances, indices = knn(query, 15, reference, included)
    shuffled = knn(query[q], 15, reference[r], included)
    torch.testing.assert_close(shuffled[0], distances[q], rtol=0, atol=1e-12)
    assert torch.equal(r[shuffled[1]], indices[q])


@pytest.mark.parametrize("included", [True, False])
def test_weight_one_keeps_the_order_of_the_search(included):
    x = tree_points(100, 8, spread=True)[0].double()
    query, reference = (x, x) if included else (x[:40], x[40:])
    distances, indices = HyperbolicKNN(C)(query, 30, reference, included)
    found = KReciprocalReranker(HyperbolicKNN(C), weight=1.0)(query, 30, reference, included)
    assert torch.equal(found[1], indices)
    farthest = torch.from_numpy(squared_distances(x, "hyperbolic").max(1))[: len(query), None]
    torch.testing.assert_close(found[0], distances.square() / farthest)


def test_only_candidates_come_up():
    x = tree_points(200, 16, spread=True)[0].double()
    nearest = HyperbolicKNN(C)(x, 12, x, True)[1]
    whole = KReciprocalReranker(HyperbolicKNN(C), candidates=199)(x, 12, x, True)[1]
    for k, candidates in ((12, 12), (12, 5), (4, 12)):
        distances, indices = KReciprocalReranker(HyperbolicKNN(C), candidates=candidates)(x, k, x, True)
        assert indices.shape == (200, k)
        assert (distances.diff(dim=1) >= 0).all()
        if k == 12:
            assert torch.equal(indices.sort(1).values, nearest.sort(1).values)
    assert not torch.equal(whole.sort(1).values, nearest.sort(1).values)


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_come_first_and_points_themselves_do_not(metric):
    x = tree_points(25, 8, spread=True)[0].double().repeat(3, 1)
    distances, indices = KReciprocalReranker(make_knn(metric, C), k1=2, k2=1)(x, 2, x, True)
    own = torch.arange(75)[:, None]
    assert torch.equal(indices.sort(1).values % 25, (own % 25).expand(-1, 2))
    assert not (indices == own).any()
    torch.testing.assert_close(distances, torch.zeros_like(distances), rtol=0, atol=1e-12)


def test_small_sets():
    same = torch.full((4, 2), 0.1)
    distances, indices = KReciprocalReranker(HyperbolicKNN(C))(same, 3, same, True)
    assert distances.abs().max() < 1e-7
    assert not (indices == torch.arange(4)[:, None]).any()
    x = LINE[:2] / 10
    knn = KReciprocalReranker(HyperbolicKNN(C))
    assert knn(x, 1, x, True)[1].tolist() == [[1], [0]]
    assert knn(x[:1], 1, x[1:])[1].tolist() == [[0]]
    assert knn(x[:0], 1, x)[0].shape == (0, 1)


@pytest.mark.parametrize("k1", [29, 30, 500])
def test_k1_beyond_the_points(k1):
    x = tree_points(30, 8, spread=True)[0].double()
    truth = dense_reranking(squared_distances(x, "hyperbolic"), 29, 30, 0.3)
    np.fill_diagonal(truth, np.inf)
    assert_order(KReciprocalReranker(HyperbolicKNN(C), k1, k2=k1 + 1)(x, 29, x, True), truth)


def test_blocks_do_not_change_the_result(monkeypatch):
    x = tree_points(130, 8, spread=True)[0].double()
    whole = KReciprocalReranker(HyperbolicKNN(C))(x, 20, x, True)
    monkeypatch.setattr(encoding_module, "_TILE", (17, 23))
    monkeypatch.setattr(encoding_module, "_COORDINATES", 100)
    monkeypatch.setattr(rerank_module, "_BLOCK", 1000)
    blocked = KReciprocalReranker(HyperbolicKNN(C))(x, 20, x, True)
    assert torch.equal(blocked[1], whole[1])
    torch.testing.assert_close(blocked[0], whole[0], rtol=0, atol=1e-14)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_farthest_distances(metric, dtype):
    x = tree_points(300, 40, spread=True)[0].to(dtype)
    d = squared_distances(x, metric)
    expected = torch.from_numpy((d / 2 if metric == "cosine" else np.sqrt(d)).max(1))
    found = farthest_distances(make_knn(metric, C).space, x)
    torch.testing.assert_close(found, expected, rtol=1e-6 if dtype == torch.float32 else 1e-12, atol=0)


def test_precision_and_gradients():
    x = tree_points(90, 8, spread=True)[0]
    exact = KReciprocalReranker(HyperbolicKNN(C))(x.double(), 10, x.double(), True)
    distances = KReciprocalReranker(HyperbolicKNN(C))(x.clone().requires_grad_(), 10, x, True)[0]
    assert (distances.dtype, exact[0].dtype) == (torch.float32, torch.float64)
    assert not distances.requires_grad
    torch.testing.assert_close(distances.double(), exact[0], rtol=0, atol=1e-6)
    mixed = KReciprocalReranker(HyperbolicKNN(C))(x[:30], 10, x[30:].double())
    assert mixed[0].dtype == torch.float64
    assert torch.equal(mixed[1], KReciprocalReranker(HyperbolicKNN(C))(x[:30], 10, x[30:])[1])


def test_as_the_search_of_pytorch_metric_learning():
    x, labels, _ = tree_points(120, 16, spread=True)
    knn = KReciprocalReranker(HyperbolicKNN(C))
    calculator = AccuracyCalculator(include=("precision_at_1",), k=1, knn_func=knn, device=torch.device("cpu"))
    score = calculator.get_accuracy(x, labels)["precision_at_1"]
    assert score == pytest.approx(float((labels[knn(x, 1, x, True)[1][:, 0]] == labels).double().mean()))


def test_errors():
    x = tree_points(20, 4, spread=True)[0]
    plain = HyperbolicKNN(C)
    with pytest.raises(ValueError, match="attribute `space`"):
        KReciprocalReranker(lambda query, k, reference, included: None)
    for name in ("k1", "k2", "candidates"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            KReciprocalReranker(plain, **{name: 0})
    for weight in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=f"between 0 and 1, got {weight}"):
            KReciprocalReranker(plain, weight=weight)
    knn = KReciprocalReranker(plain)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        knn(x, 0, x)
    with pytest.raises(ValueError, match=r"k=20 .* only 19 are available"):
        knn(x, 20, x, True)
    with pytest.raises(ValueError, match="20 queries and 5 reference"):
        knn(x, 2, x[:5], True)
    with pytest.raises(ValueError, match="query has dimension 3, reference 4"):
        knn(x[:, :3], 2, x)
    with pytest.raises(ValueError, match=r"query has shape \(20, 3\), reference \(20, 4\)"):
        knn(x[:, :3], 2, x, True)
    with pytest.raises(ValueError, match=r"query must be an \(N, d\)"):
        knn(x[0], 2, x)
    with pytest.raises(ValueError, match="reference row 0 has norm"):
        knn(x, 2, x + 4)
    with pytest.raises(ValueError, match="query i is reference row i, but row 0 differs"):
        knn(x.flip(0), 2, x, True)


class Gappy:
    """A search that finds only its first two neighbours, as an approximate one may."""

    space = HyperbolicKNN(C).space

    def __call__(self, query, k, reference, ref_includes_query=False):
        distances, indices = HyperbolicKNN(C)(query, k, reference, ref_includes_query)
        indices[:, 2:] = -1
        return distances, indices


def test_search_that_finds_too_few():
    x = tree_points(20, 4, spread=True)[0]
    with pytest.raises(ValueError, match="found only 2 of the 19 neighbours of row 0"):
        KReciprocalReranker(Gappy())(x, 3, x, True)


@pytest.mark.gpu
def test_gpu_equals_cpu():
    x = tree_points(3000, 32, spread=True)[0]
    expected = KReciprocalReranker(HyperbolicKNN(C))(x.double(), 10, x.double(), True)
    distances, indices = KReciprocalReranker(HyperbolicKNN(C))(x.double().cuda(), 10, x.double().cuda(), True)
    assert distances.is_cuda
    assert indices.is_cuda
    assert torch.equal(indices.cpu(), expected[1])
    torch.testing.assert_close(distances.cpu(), expected[0], rtol=0, atol=1e-9)
