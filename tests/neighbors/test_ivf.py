"""Approximate search: recall against the exact search, and everything that must stay exact in it."""

import math

import pytest
import torch
from synthetic import tree_points

import hyperdml.neighbors.lists as lists_module
from hyperdml.neighbors import CosineKNN, EuclideanKNN, HyperbolicKNN, make_knn
from hyperdml.neighbors.best import BestFound
from hyperdml.neighbors.ivf import IVF, InvertedFile
from hyperdml.neighbors.kmeans import kmeans, nearest_centre

C = 0.1
METRICS = ["hyperbolic", "cosine", "euclidean"]
FEW = IVF(lists=40, probes=6)


def recall(found, expected):
    """Share of the expected rows that were found, and none twice."""
    assert all(len(set(row)) == len(row) for row in found.tolist())
    return float((found[:, :, None] == expected[:, None]).any(1).double().mean())


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_recall_and_exact_distances_with_probes_from_the_trial(metric, spread):
    x = tree_points(9000, 32, spread, seed=5)[0]
    query, reference = x[:1000], x[1000:]
    knn = make_knn(metric, C, approximate=IVF(lists=200))
    knn.train(reference)
    assert 0 < knn._pool.lists.probes < len(knn._pool.lists.centres)  # not simply all of them
    distances, indices = knn(query, 10)
    exact = make_knn(metric, C)(query, 10, reference)
    assert recall(indices, exact[1]) >= 0.98
    true = knn.space.distance(query[:, None].double(), reference[indices].double()).float()
    assert torch.equal(distances, true)
    assert torch.equal(distances, distances.sort(dim=1).values)


def test_other_metrics_miss_neighbours_on_mixed_radii():
    x = tree_points(9000, 32, spread=True, seed=5)[0]
    query, reference = x[:300], x[300:]
    exact = HyperbolicKNN(C)(query, 10, reference)[1]
    for other in (CosineKNN, EuclideanKNN):
        assert recall(other(approximate=IVF(lists=200))(query, 10, reference)[1], exact) < 0.95


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [False, True])
def test_all_lists_give_the_exact_result(metric, spread):
    x = tree_points(2500, 24, spread, seed=1)[0]
    exact = make_knn(metric, C)(x, 10, x, True)
    every = make_knn(metric, C, approximate=IVF(lists=30, probes=30))(x, 10, x, True)
    assert torch.equal(every[1], exact[1])
    assert torch.equal(every[0], exact[0])


def test_more_probes_find_more_and_few_miss_some():
    x = tree_points(6000, 48, spread=True)[0]
    exact = HyperbolicKNN(C)(x[:500], 10, x)[1]
    found = [
        recall(HyperbolicKNN(C, approximate=IVF(lists=60, probes=p))(x[:500], 10, x)[1], exact) for p in (1, 4, 20)
    ]
    assert found[0] < 0.9
    assert found == sorted(found)
    assert found[-1] > 0.98


def test_blocks_do_not_change_the_result(monkeypatch):
    x = tree_points(3000, 16, spread=True, seed=2)[0]
    knn = HyperbolicKNN(C, approximate=IVF(lists=25, probes=5))
    knn.train(x)
    whole = knn(x[:700], 6)
    monkeypatch.setattr(lists_module, "_QUERIES", 90)
    monkeypatch.setattr(lists_module, "_BLOCK", 1000)
    assert torch.equal(knn(x[:700], 6)[1], whole[1])
    fresh = HyperbolicKNN(C, approximate=IVF(lists=25, probes=5))  # the same seed, the same lists
    assert torch.equal(fresh(x[:700], 6, x)[1], whole[1])


def test_too_few_candidates_are_searched_exactly():
    """One list of a few points a query: k = 100 of 3,000 is more than a list holds."""
    x = tree_points(3000, 16, spread=True)[0]
    knn = HyperbolicKNN(C, approximate=IVF(lists=200, probes=1))
    for query in (x[:50], x[:400]):
        distances, indices = knn(query, 100, x, True)
        exact = HyperbolicKNN(C)(query, 100, x, True)
        assert indices.min() >= 0
        assert not (indices == torch.arange(len(query))[:, None]).any()
        full = (indices == exact[1]).all(1)
        assert full.double().mean() > 0.9  # nearly all lists are too short for a pool of 210
        assert (distances[:, 1:] >= distances[:, :-1]).all()


@pytest.mark.parametrize("k", [2400, 1000])
def test_k_near_the_size_of_the_set(k):
    x = tree_points(2401, 8, spread=True)[0]
    found = HyperbolicKNN(C, approximate=FEW)(x[:20], k, x, True)
    assert torch.equal(found[1], HyperbolicKNN(C)(x[:20], k, x, True)[1])


def test_duplicates_leave_out_self_by_index():
    x = tree_points(600, 8, spread=True)[0].repeat(5, 1)
    distances, indices = HyperbolicKNN(C, approximate=FEW)(x, 4, x, True)
    own = torch.arange(len(x))[:, None]
    assert not (indices == own).any()
    assert torch.equal((indices % 600), (own % 600).expand(-1, 4))
    assert (distances == 0).all()


def test_points_that_are_all_the_same():
    x = torch.full((500, 3), 0.3)
    distances, indices = HyperbolicKNN(C, approximate=IVF(lists=20, probes=3))(x, 5, x, True)
    assert (distances == 0).all()
    assert all(len(set(row)) == 5 for row in indices.tolist())


def test_opposite_points_by_cosine():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(100, 1)
    _, indices = CosineKNN(approximate=IVF(lists=1, probes=1))(x, 3, x, True)
    assert (x[indices][..., 0] == x[:, None, 0]).all()


@pytest.mark.parametrize("margin", [1e-3, 1e-5])
def test_near_the_rim(margin):
    x = tree_points(3000, 16, spread=False)[0].double()
    x = x / x.norm(dim=1, keepdim=True) * (1 - margin) / math.sqrt(C)
    x[::2] *= torch.linspace(0.1, 1, 1500, dtype=torch.float64)[:, None]
    exact = HyperbolicKNN(C)(x[:400], 5, x, True)
    found = HyperbolicKNN(C, approximate=IVF(lists=30))(x[:400], 5, x, True)
    assert recall(found[1], exact[1]) > 0.97


def test_added_points_are_found():
    x = tree_points(4000, 24, spread=True, seed=7)[0]
    knn = HyperbolicKNN(C, approximate=IVF(lists=40, probes=20))
    exact = HyperbolicKNN(C)(x[:500], 5, x)[1]
    knn.add(x[:2500])
    lists = knn._pool.lists
    knn.add(x[2500:3200])
    knn.add(x[3200:])
    assert knn._pool.lists is lists
    assert recall(knn(x[:500], 5)[1], exact) > 0.97
    assert knn(x[:0], 3)[1].shape == (0, 3)
    assert torch.equal(knn(x[3300:3400], 1)[1][:, 0], torch.arange(3300, 3400))


def test_lists_are_made_anew_when_the_set_has_doubled():
    """Points far outside those that the lists were made of, on which the first lists would be of no use."""
    near, far = tree_points(1000, 16, spread=True, seed=1)[0] * 0.05, tree_points(3000, 16, spread=True, seed=2)[0]
    knn = HyperbolicKNN(C, approximate=IVF(lists=20, probes=5))
    knn.add(near)
    first = knn._pool.lists
    knn.add(far)
    assert knn._pool.lists is not first
    exact = HyperbolicKNN(C)(far[:300], 5, torch.cat([near, far]))[1]
    assert recall(knn(far[:300], 5)[1], exact) > 0.8


@pytest.mark.parametrize("engine", ["faiss", "torch"])
def test_small_sets_are_searched_exactly(engine):
    x = tree_points(300, 8, spread=True)[0]
    exact = HyperbolicKNN(C)(x, 5, x, True)
    for settings in (True, IVF(lists=300)):
        knn = HyperbolicKNN(C, approximate=settings, engine=engine)
        assert torch.equal(knn(x, 5, x, True)[1], exact[1])
        knn.add(x[:200])
        knn.add(x[200:])
        assert not isinstance(knn._pool, InvertedFile)
        assert torch.equal(knn(x, 5, ref_includes_query=True)[1], exact[1])
        assert len(knn(x[:0], 3)[0]) == 0
    assert IVF().lists_for(19_999) == 0
    assert [IVF().lists_for(n) for n in (20_000, 60_502, 1_000_000)] == [566, 984, 4000]


@pytest.mark.parametrize("engine", ["faiss", "torch"])
def test_a_set_that_grows_out_of_the_exact_search(engine):
    x = tree_points(900, 8, spread=True)[0]
    knn = HyperbolicKNN(C, approximate=IVF(lists=60, probes=60), engine=engine)
    for rows in (x[:40], x[40:300], x[300:]):
        knn.add(rows)
    assert isinstance(knn._pool, InvertedFile)
    assert torch.equal(knn(x, 4, ref_includes_query=True)[1], HyperbolicKNN(C)(x, 4, x, True)[1])


def test_trial_sets_the_probes(monkeypatch):
    x = tree_points(6000, 32, spread=True)[0]
    needed = []
    for share in (0.8, 0.95, 0.995):
        monkeypatch.setattr(lists_module, "_SHARE", share)
        knn = HyperbolicKNN(C, approximate=IVF(lists=60))
        knn.train(x)
        needed.append(knn._pool.lists.probes)
        exact = HyperbolicKNN(C)(x[:1000], 10, x, True)[1]
        assert recall(knn(x[:1000], 10, ref_includes_query=True)[1], exact) > share - 0.02
    assert needed == sorted(needed)
    assert needed[0] < needed[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lists": 0}, "lists must be at least 1, got 0"),
        ({"probes": -1}, "probes must be at least 1, got -1"),
        ({"lists": 4, "probes": 5}, "must not exceed lists=4, got 5"),
    ],
)
def test_errors_of_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        IVF(**arguments)


def test_errors_of_the_mode():
    with pytest.raises(ValueError, match="'annoy'"):
        HyperbolicKNN(C, approximate=True, engine="annoy")
    with pytest.raises(ValueError, match="True, False or an IVF, got 'ivf'"):
        HyperbolicKNN(C, approximate="ivf")
    x = tree_points(300, 2, spread=True)[0]
    with pytest.raises(ValueError, match="query row 1 has norm 4"):
        HyperbolicKNN(C, approximate=FEW)(torch.tensor([[0.1, 0], [0, 4.0]]), 1, x)


def test_best_found_equals_a_sort():
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(30, 400, generator=g).round(decimals=4)
    best = BestFound(30, 7, torch.device("cpu"))
    for start in torch.randperm(40, generator=g).tolist():
        rows = torch.randperm(30, generator=g)
        for part in rows.split(13):
            best.offer(part, scores[part, start * 10 : start * 10 + 10], start * 10, beats_floor=start % 3 > 0)
    best.settle()
    assert torch.equal(best.scores, scores.sort(dim=1, descending=True).values[:, :7])
    assert torch.equal(scores.gather(1, best.places), best.scores)


def test_best_found_says_where_there_is_nothing():
    best = BestFound(2, 3, torch.device("cpu"))
    best.offer(torch.tensor([1]), torch.tensor([[5.0, 6.0]]), 10, beats_floor=True)
    best.settle()
    assert best.places.tolist() == [[-1, -1, -1], [11, 10, -1]]


def test_kmeans_finds_separate_clusters_and_leaves_none_empty():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(8, 5, generator=g).mul(20).repeat(50, 1) + torch.randn(400, 5, generator=g)
    centres = kmeans(x, 40, 10, torch.Generator().manual_seed(1))
    owner = nearest_centre(x, centres)
    assert torch.equal(owner, torch.cdist(x, centres).argmin(1))
    assert (x - centres[owner]).norm(dim=1).mean() < 3
    same = kmeans(torch.ones(50, 2), 4, 3, torch.Generator().manual_seed(1))
    assert torch.equal(same, torch.ones(4, 2))


@pytest.mark.gpu
def test_gpu_equals_cpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    x = tree_points(9000, 32, spread=True)[0]
    exact = HyperbolicKNN(C, gpu=False)(x[:500], 10, x, True)[1]
    knn = HyperbolicKNN(C, approximate=IVF(lists=200))
    knn.train(x.cuda())
    for query in (x[:500], x[:500].cuda()):
        distances, indices = knn(query, 10, ref_includes_query=True)
        assert indices.device == distances.device == query.device
        assert recall(indices.cpu(), exact) > 0.98
