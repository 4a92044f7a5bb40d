"""Exact search against float64 brute force by direct differences."""

import math
import sys
import warnings

import pytest
import torch
from synthetic import tree_points

import hyperdml.neighbors.knn as knn_module
from hyperdml.errors import DataError, EnvironmentProblem
from hyperdml.neighbors import CosineKNN, EuclideanKNN, HyperbolicKNN, make_knn
from hyperdml.neighbors.pool import FaissPool, load_faiss
from hyperdml.neighbors.spaces import Hyperbolic

C = 0.1
ENGINES = ["faiss", "torch"]
METRICS = ["hyperbolic", "cosine", "euclidean"]


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def brute(query, reference, metric="hyperbolic", c=C, leave_out=False):
    """(N, M) float64 distances from the textbook formulas, by direct differences."""
    q, r = query.double()[:, None], reference.double()[None]
    if metric == "cosine":
        q, r = q / q.norm(dim=-1, keepdim=True), r / r.norm(dim=-1, keepdim=True)
    gap = torch.cat([(rows - r).square().sum(-1) for rows in q.split(50)])
    if metric == "cosine":
        d = gap / 2
    elif metric == "euclidean":
        d = gap.sqrt()
    else:
        inside = (1 - c * q.square().sum(-1)) * (1 - c * r.square().sum(-1))
        d = 2 / math.sqrt(c) * torch.asinh((c * gap / inside).sqrt())
    if leave_out:
        d[torch.arange(len(d)), torch.arange(len(d))] = math.inf
    return d


def assert_exact(found, truth, k, rtol=1e-9):
    """Distances of the true k nearest, and indices whose true distance is just that (so ties may be swapped)."""
    distances, indices = found
    nearest = truth.sort(dim=1, stable=True)
    expected = nearest.values[:, :k]
    torch.testing.assert_close(distances.double(), expected, rtol=rtol, atol=0)
    differs = indices != nearest.indices[:, :k]
    torch.testing.assert_close(truth.gather(1, indices)[differs], expected[differs], rtol=1e-12, atol=0)
    assert all(len(set(row)) == k for row in indices.tolist())


def ring(n, dim, radius, seed=0):
    """Directions of a class tree, all at one norm."""
    x = tree_points(n, dim, spread=False, seed=seed)[0].double()
    return x / x.norm(dim=1, keepdim=True) * radius


def near_duplicates(n, dim, per_class, scale=6e-3, seed=0):
    """Classes shrunk to hyperbolic diameters of about `scale`, as on the training set of a collapsed model."""
    g = torch.Generator().manual_seed(seed)
    centres = ring(n // per_class, dim, 1.9, seed)
    noise = torch.randn(n, dim, generator=g, dtype=torch.float64) * scale / 5 / math.sqrt(dim)
    return (centres[torch.arange(n) % len(centres)] + noise).float()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dim", [32, 128, 512])
@pytest.mark.parametrize("spread", [False, True])
def test_equals_brute_force_in_float64(engine, dim, spread):
    x = tree_points(600, dim, spread)[0].double()
    truth = brute(x, x, leave_out=True)
    assert_exact(HyperbolicKNN(C, engine=engine)(x, 10, x, True), truth, 10)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_with_a_separate_reference(engine, metric):
    x = tree_points(700, 48, spread=True)[0]
    query, reference = x[:120], x[120:]
    found = make_knn(metric, C, engine=engine)(query, 7, reference)
    assert found[0].dtype == torch.float32
    assert found[1].dtype == torch.int64
    assert_exact(found, brute(query, reference, metric), 7, rtol=1e-6)


@pytest.mark.parametrize("dim", [32, 128, 512])
def test_other_metrics_rank_otherwise_once_radii_differ(dim):
    x = tree_points(600, dim, spread=True)[0]
    hyperbolic = HyperbolicKNN(C)(x, 1, x, True)[1]
    assert (CosineKNN()(x, 1, x, True)[1] == hyperbolic).double().mean() < 0.6
    assert (EuclideanKNN()(x, 1, x, True)[1] == hyperbolic).double().mean() < 0.95


def test_on_one_radius_all_metrics_agree():
    x = ring(300, 16, 2.0)
    nearest = [make_knn(m, C)(x, 5, x, True)[1] for m in METRICS]
    assert torch.equal(nearest[0], nearest[1])
    assert torch.equal(nearest[0], nearest[2])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("margin", [1e-2, 1e-3, 1e-5])
def test_near_the_rim(engine, margin):
    x = ring(500, 32, (1 - margin) / math.sqrt(C))
    x[::2] *= torch.linspace(0.1, 1, 250, dtype=torch.float64)[:, None]
    assert_exact(HyperbolicKNN(C, engine=engine)(x, 10, x, True), brute(x, x, leave_out=True), 10)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("k", [1, 3, 10])
def test_near_duplicates_beyond_the_pool(engine, k):
    """Clusters of 60 within 6e-3: float32 products cannot order them, and the pool of 2k + 8 does not hold them."""
    x = near_duplicates(600, 64, per_class=60)
    truth = brute(x, x, leave_out=True)
    assert 1e-3 < truth.min() < truth.sort(dim=1).values[:, 58].max() < 2e-2
    assert_exact(HyperbolicKNN(C, engine=engine)(x.double(), k, x.double(), True), truth, k)


def test_float32_pool_alone_would_be_wrong(monkeypatch):
    """Why the bound exists: with the second search disabled the nearest neighbour is missed."""
    x = near_duplicates(600, 64, per_class=60)
    monkeypatch.setattr(knn_module.FaissPool, "search", _without_bound(knn_module.FaissPool.search))
    nearest = HyperbolicKNN(C, engine="faiss")(x, 1, x, True)[1]
    assert (nearest[:, 0] == brute(x, x, leave_out=True).argmin(1)).double().mean() < 0.95


def _without_bound(search):
    def blind(self, query, size):
        ids, bound = search(self, query, size)
        return ids, torch.full_like(bound, -math.inf)

    return blind


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("metric", METRICS)
def test_exact_duplicates_exclude_self_by_index(engine, metric):
    x = tree_points(20, 8, spread=True)[0].repeat(4, 1)
    distances, indices = make_knn(metric, C, engine=engine)(x, 3, x, True)
    own = torch.arange(80)[:, None]
    assert not (indices == own).any()
    assert torch.equal(indices % 20, (own % 20).expand(-1, 3))
    assert (distances == 0).all()
    assert torch.equal(indices, indices.sort(dim=1).values)  # equal distances come by index


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 10, 299])
def test_engines_agree(metric, k):
    x = tree_points(300, 24, spread=True, seed=3)[0]
    by_faiss, by_torch = (make_knn(metric, C, engine=e)(x, k, x, True) for e in ENGINES)
    assert torch.equal(by_faiss[1], by_torch[1])
    assert torch.equal(by_faiss[0], by_torch[0])


def test_blocks_do_not_change_the_result(monkeypatch):
    x = tree_points(9000, 6, spread=True, seed=4)[0]
    query = x[:50]
    whole = HyperbolicKNN(C, engine="torch")(query, 5, x)  # three blocks of reference points
    assert_exact(whole, brute(query, x), 5, rtol=1e-6)
    monkeypatch.setattr(knn_module, "_BLOCK", 100)
    assert torch.equal(HyperbolicKNN(C, engine="torch")(query, 5, x)[1], whole[1])


@pytest.mark.parametrize("engine", ENGINES)
def test_added_points(engine):
    x = tree_points(200, 12, spread=True)[0]
    whole = HyperbolicKNN(C, engine=engine)(x[:9], 4, x)
    knn = HyperbolicKNN(C, engine=engine)
    knn.add(x[:120])
    knn.add(x[120:])
    for _ in range(2):  # they stay
        assert torch.equal(knn(x[:9], 4)[1], whole[1])
    assert knn(x[:9], 4, x[:50])[1].max() < 50
    knn.train(x[:30])
    assert knn(x[:9], 30)[1].max() == 29
    assert torch.equal(knn(x[:9], 4, ref_includes_query=True)[1], knn(x[:9], 4, x[:30], True)[1])
    knn.reset()
    with pytest.raises(ValueError, match="no reference points"):
        knn(x[:9], 1)


def test_inputs_of_lower_precision_and_with_gradient():
    x = tree_points(60, 8, spread=True)[0]
    distances, indices = HyperbolicKNN(C)(x.half().requires_grad_(), 3, x.half(), True)
    assert distances.dtype == torch.float32
    assert not distances.requires_grad
    assert_exact((distances, indices), brute(x.half(), x.half(), leave_out=True), 3, rtol=1e-6)


def test_queries_as_first_rows_of_a_longer_reference():
    x = tree_points(90, 8, spread=True)[0]
    assert torch.equal(HyperbolicKNN(C)(x[:7], 3, x, True)[1], HyperbolicKNN(C)(x, 3, x, True)[1][:7])


def test_no_queries():
    x = tree_points(30, 8, spread=True)[0]
    for engine in ENGINES:
        distances, indices = HyperbolicKNN(C, engine=engine)(x[:0], 3, x)
        assert distances.shape == indices.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": torch.full((2, 3), torch.nan)}, "query row 0 is not finite"),
        ({"reference": torch.tensor([[0.0, 0, 0], [9, torch.inf, 0]])}, "reference row 1 is not finite"),
        ({"query": torch.tensor([[0.1, 0, 0], [0, 4.0, 0]])}, r"query row 1 has norm 4, .* radius 3.16228 .*c=0.1"),
        ({"query": torch.zeros(2, 4)}, "query has dimension 4, reference 3"),
        ({"query": torch.zeros(3)}, r"query must be an \(N, d\)"),
        ({"query": torch.zeros(2, 3, dtype=torch.int64)}, "floating-point"),
        ({"k": 0}, "at least 1, got 0"),
        ({"k": 6}, "k=6 .* only 5 are available"),
        ({"k": 5, "ref_includes_query": True}, "k=5 .* only 4 are available"),
        ({"query": torch.zeros(6, 3), "ref_includes_query": True}, "6 queries and 5 reference"),
    ],
)
def test_errors_of_a_call(change, message):
    arguments = {"query": torch.zeros(2, 3), "k": 1, "reference": torch.rand(5, 3), **change}
    with pytest.raises(ValueError, match=message):
        HyperbolicKNN(C)(**arguments)


def test_other_errors():
    with pytest.raises(ValueError, match="must be positive"):
        HyperbolicKNN(-1.0)
    with pytest.raises(ValueError, match="needs the curvature"):
        make_knn("hyperbolic")
    with pytest.raises(ValueError, match="'manhattan'"):
        make_knn("manhattan")
    with pytest.raises(ValueError, match="'annoy'"):
        HyperbolicKNN(C, engine="annoy")
    with pytest.raises(ValueError, match="row 1 is the zero vector"):
        CosineKNN()(torch.tensor([[1.0], [0.0]]), 1, torch.ones(2, 1))
    knn = EuclideanKNN()
    with pytest.raises(ValueError, match="holds no points"):
        knn.add(torch.zeros(0, 3))
    knn.add(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="dimension 4, those already added 3"):
        knn.add(torch.zeros(2, 4))


def test_warns_once_about_normalised_points():
    x = torch.nn.functional.normalize(torch.randn(20, 5, generator=torch.Generator().manual_seed(0)))
    knn = HyperbolicKNN(C)
    with pytest.warns(UserWarning, match="L2-normalised") as caught:
        knn(x, 1, x)
    assert [w.filename for w in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        knn(x, 1, x)


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert HyperbolicKNN(C).engine == "torch"
    with pytest.raises(EnvironmentProblem, match="FAISS cannot be imported"):
        HyperbolicKNN(C, engine="faiss")


def test_gpu_asked_of_a_machine_without(monkeypatch):
    import faiss

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0)
    for gpu in (True, [0], (1, 2)):
        with pytest.raises(EnvironmentProblem, match="sees no GPU"):
            HyperbolicKNN(C, gpu=gpu)
        with pytest.raises(ValueError, match="query's device"):
            HyperbolicKNN(C, engine="torch", gpu=gpu)


def test_which_gpus_share_the_index(monkeypatch):
    import faiss

    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 3)
    for gpu, expected in ((None, [0, 1, 2]), (True, [0, 1, 2]), (False, [None]), ((2, 0), [2, 0])):
        assert list(load_faiss("auto", gpu)[1]) == expected
    with pytest.raises(EnvironmentProblem, match=r"FAISS sees 3 GPUs, numbered from 0: no \[3, 7\]"):
        load_faiss("auto", [7, 1, 3])
    for gpu in ([], [1, 1]):
        with pytest.raises(ValueError, match="one or more GPUs, each once"):
            load_faiss("auto", gpu)


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("metric", METRICS)
def test_shares_on_several_devices_give_the_same_result(metric, parts):
    """Parts on the CPU, by the code that shares an index out over GPUs; points come in two additions."""
    x = tree_points(403, 24, spread=True, seed=6)[0]
    whole, shared = (make_knn(metric, C, engine="faiss", gpu=False) for _ in range(2))
    shared._devices = (None,) * parts
    for knn in (whole, shared):
        knn.add(x[:290])
        knn.add(x[290:])
    assert [len(rows) for rows in shared._pool.rows] == [part.ntotal for part in shared._pool.parts]
    for k in (1, 10, 402):
        expected, found = (knn(x, k, ref_includes_query=True) for knn in (whole, shared))
        assert torch.equal(found[1], expected[1])
        assert torch.equal(found[0], expected[0])


def test_pool_of_shares_has_the_bound_of_a_whole_one():
    import faiss

    x = tree_points(200, 8, spread=True)[0]
    whole, shared = FaissPool(Hyperbolic(C), faiss, (None,)), FaissPool(Hyperbolic(C), faiss, (None, None, None))
    for pool in (whole, shared):
        pool.extend(x, 0)
    torch.testing.assert_close(whole.search(x, 20)[1], shared.search(x, 20)[1], rtol=1e-6, atol=0)
    assert (shared.search(x, 200)[1] == -math.inf).all()  # nothing lies outside
    few = FaissPool(Hyperbolic(C), faiss, (None,) * 4)  # more parts than points
    few.extend(x[:3], 0)
    assert few.search(x, 3)[0].sort(dim=1).values.tolist() == [[0, 1, 2]] * 200


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("metric", METRICS)
def test_saved_points_give_the_same_neighbours(metric, dtype, tmp_path):
    x = tree_points(120, 8, spread=True)[0].to(dtype)
    knn = make_knn(metric, C)
    knn.train(x)
    knn.save(tmp_path / "points.safetensors")
    fresh = make_knn(metric, C, engine="torch")
    fresh.train(x[:5])
    fresh.load(str(tmp_path / "points.safetensors"))
    expected, found = knn(x[:9], 4), fresh(x[:9], 4)
    assert torch.equal(found[1], expected[1])
    assert torch.equal(found[0], expected[0])
    fresh.add(x[:2])
    assert fresh(x[:9], 122)[1].max() == 121


def test_a_file_of_another_search_is_refused(tmp_path):
    x = tree_points(30, 4, spread=True)[0] * 0.1
    path = tmp_path / "points"
    knn = HyperbolicKNN(C)
    with pytest.raises(ValueError, match="no reference points to save"):
        knn.save(path)
    assert list(tmp_path.iterdir()) == []
    knn.train(x)
    knn.save(path)
    for other, name in ((HyperbolicKNN(1.0), r"hyperbolic \(c=1.0\)"), (CosineKNN(), "cosine")):
        other.train(x[:3])
        with pytest.raises(DataError, match=rf"points was saved by a hyperbolic \(c=0.1\) search, this one is {name}"):
            other.load(path)
        assert other(x, 3)[1].shape == (30, 3)  # its points are still there


@pytest.mark.parametrize("damage", ["missing", "cut", "bit", "foreign", "json", "outside"])
def test_a_damaged_file_is_refused(damage, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "points.safetensors"
    knn = HyperbolicKNN(C)
    knn.train(tree_points(30, 4, spread=True)[0])
    if damage == "outside":
        knn._points = knn._points * 9
    knn.save(path)
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-7])
    elif damage == "bit":
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "foreign":
        save_file({"points": torch.zeros(3, 3)}, path)
    elif damage == "json":
        save_file({"points": torch.zeros(3, 3)}, path, metadata={"hyperdml": "[1]"})
    fresh = HyperbolicKNN(C)
    fresh.train(torch.zeros(2, 4))
    with pytest.raises(DataError, match=r"points\.safetensors"):
        fresh.load(path)
    assert fresh(torch.zeros(1, 4), 2)[1].tolist() == [[0, 1]]


@pytest.mark.gpu
@pytest.mark.parametrize("engine", ENGINES)
def test_gpu_equals_cpu(engine):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    x = tree_points(6000, 64, spread=True)[0]
    for k in (10, 1500):  # the second pool is larger than FAISS searches on a GPU
        expected = HyperbolicKNN(C, gpu=False)(x[:100], k, x, True)
        distances, indices = HyperbolicKNN(C, engine=engine)(x[:100].cuda(), k, x.cuda(), True)
        assert indices.is_cuda
        assert torch.equal(indices.cpu(), expected[1])
        torch.testing.assert_close(distances.cpu(), expected[0])


@pytest.mark.gpu
@pytest.mark.parametrize("gpu", [True, [0]])
def test_index_shared_out_over_gpus_equals_cpu(gpu):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    x = tree_points(6000, 64, spread=True)[0]
    shared = HyperbolicKNN(C, engine="faiss", gpu=gpu)
    shared.add(x[:4000])
    shared.add(x[4000:])
    assert torch.equal(shared(x[:100], 10)[1], HyperbolicKNN(C, gpu=False)(x[:100], 10, x)[1])


@pytest.mark.parametrize("metric", ["hyperbolic", "cosine", "euclidean"])
@pytest.mark.parametrize("engine", ["faiss", "torch"])
@pytest.mark.parametrize("points", ["float32 noise", "float64 noise", "few places", "one place"])
def test_more_alike_points_than_a_pool_holds_are_ordered_by_exact_distance_and_index(
    metric, engine, points, monkeypatch
):
    monkeypatch.setattr("hyperdml.neighbors.knn._POOLED", 5000)  # several batches
    n = 300
    x = {
        "float32 noise": torch.full((n, 8), 0.2) + 2e-8 * torch.randn(n, 8),
        "float64 noise": torch.full((n, 8), 0.2, dtype=torch.float64) + 1e-9 * torch.randn(n, 8).double(),
        "few places": (torch.rand(10, 8) * 0.3 + 0.05)[torch.randint(10, (n,))],
        "one place": torch.full((n, 8), 0.2),
    }[points]
    knn = make_knn(metric, 0.5, engine=engine)
    d = knn.space.distance(x[:, None].double(), x.double()).fill_diagonal_(torch.inf)
    expected = d.sort(dim=1, stable=True)
    distances, indices = knn(x, 5, x, ref_includes_query=True)
    assert torch.equal(indices, expected.indices[:, :5])
    torch.testing.assert_close(distances.double(), expected.values[:, :5], rtol=1e-6, atol=0)


def test_transposed_points_are_ordered_alike():
    x = tree_points(200, 16, spread=True)[0][torch.arange(200) % 40]
    knn = make_knn("hyperbolic", 0.1)
    turned = x.T.contiguous().T
    assert torch.equal(knn(x, 9, x, True)[1], knn(turned, 9, turned, True)[1])
