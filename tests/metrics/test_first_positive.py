"""The rank of the first positive is what a full float64 ranking gives, whatever the points, labels and engine."""

import importlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.geometry import ToPoincare
from hyperdml.metrics.ranks import counting, first_positive
from hyperdml.metrics.ranks.first_positive import first_positive_rank
from hyperdml.metrics.ranks.nearest_positive import Items, nearest_positives
from hyperdml.metrics.ranks.symmetric_score import SymmetricScore, coincidences
from hyperdml.neighbors import make_knn
from hyperdml.neighbors.spaces import Cosine, Euclidean, Hyperbolic

METRICS = ("hyperbolic", "cosine", "euclidean")
ENGINES = ("torch", "numba")
C = 0.1


def by_ranking(x, labels, metric, reference=None, reference_labels=None, include=False, c=C):
    """All distances by direct differences, a stable sort, the first hit: nothing shared with what is tested."""
    space = make_knn(metric, c, engine="torch").space
    alone = reference is None
    gallery, among = (x, labels) if alone else (reference, reference_labels)
    d = space.distance(x[:, None].double(), gallery[None].double())
    if alone or include:
        d[torch.arange(len(x)), torch.arange(len(x))] = torch.inf
    order = d.sort(dim=1, stable=True).indices
    hit = among[order] == labels[:, None]
    if alone or include:
        hit &= order != torch.arange(len(x))[:, None]
    return torch.where(hit.any(1), hit.long().argmax(1) + 1, 0)


def agree(x, labels, metric, engine, reference=None, reference_labels=None, include=False, c=C):
    found = first_positive_rank(
        x, labels, c, metric, reference, reference_labels, ref_includes_query=include, engine=engine
    )
    assert found.dtype == torch.int64
    assert torch.equal(found, by_ranking(x, labels, metric, reference, reference_labels, include, c))
    return found


@pytest.fixture(scope="module")
def points():
    return {spread: tree_points(420, 12, spread)[:2] for spread in (True, False)}


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Several blocks, stripes and runs also on few points."""
    whole = counting.Counter

    def counter(*arguments):
        return whole(*arguments, block=(48, 300))

    monkeypatch.setattr("hyperdml.metrics.ranks.first_positive.Counter", counter)


@pytest.mark.parametrize("spread", [True, False])
@pytest.mark.parametrize("metric", METRICS)
def test_ranks_are_those_of_the_full_ranking(points, metric, spread, engine):
    x, labels = points[spread]
    agree(x, labels, metric, engine)
    agree(x[:130], labels[:130], metric, engine, x[130:], labels[130:])
    agree(x[:130], labels[:130], metric, engine, x, labels, include=True)


def test_other_distances_disagree_on_mixed_radii_only(points):
    x, labels = points[True]
    ranks = {metric: first_positive_rank(x, labels, C, metric) for metric in METRICS}
    for metric in ("cosine", "euclidean"):
        assert (ranks[metric] != ranks["hyperbolic"]).double().mean() > 0.1
    x, labels = points[False]
    assert torch.equal(first_positive_rank(x, labels, C), first_positive_rank(x, labels, C, "cosine"))


def test_ranks_are_those_of_the_exact_search(points, engine):
    x, labels = points[True]
    indices = make_knn("hyperbolic", C)(x, len(x) - 1, x, ref_includes_query=True)[1]
    hit = labels[indices] == labels[:, None]
    assert torch.equal(first_positive_rank(x, labels, C, engine=engine), hit.long().argmax(1) + 1)


def test_counting_by_hand(engine):
    # on a line: 0 at 0.0 and 0.5, 1 at 0.1 and 0.4, 2 at 0.3 alone
    x = torch.tensor([[0.0], [0.5], [0.1], [0.4], [0.3]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    assert first_positive_rank(x, labels, metric="euclidean", engine=engine).tolist() == [4, 4, 3, 3, 0]
    gallery = torch.tensor([[0.2], [0.0], [-0.2]])
    found = first_positive_rank(x, labels, None, "euclidean", gallery, torch.tensor([1, 1, 0]), engine=engine)
    assert found.tolist() == [3, 3, 1, 1, 0]  # 0.1 is equally far from rows 0 and 1; row 0 counts first


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_are_ordered_by_index(metric, engine):
    x, _, _ = tree_points(60, 5, True)
    twice = x[torch.randint(60, (300,))]
    agree(twice, torch.randint(7, (300,)), metric, engine)
    agree(twice, torch.arange(300) // 2, metric, engine)
    agree(twice[:90], torch.randint(7, (90,)), metric, engine, twice[90:], torch.randint(7, (210,)))
    agree(twice[:90], torch.zeros(90, dtype=torch.int64), metric, engine, twice[90:], torch.randint(3, (210,)))


@pytest.mark.parametrize("metric", METRICS)
def test_all_points_equal(metric, engine):
    x = torch.full((350, 4), 0.3)
    for labels in (
        torch.zeros(350, dtype=torch.int64),
        torch.arange(350),
        torch.randint(3, (350,)),
        torch.arange(350) % 175,
    ):
        agree(x, labels, metric, engine)


def test_points_equal_up_to_sign_of_zero_or_length(engine):
    x = torch.tensor([[0.0, 0.5], [-0.0, 0.5], [0.0, 0.5], [-0.0, 0.5]])
    labels = torch.tensor([0, 1, 1, 0])
    for metric in METRICS:
        assert agree(x, labels, metric, engine).tolist() == [3, 2, 2, 1]
    lengths = x * torch.tensor([[1.0], [2.0], [4.0], [0.5]])
    assert agree(lengths, labels, "cosine", engine).tolist() == [3, 2, 2, 1]


@pytest.mark.parametrize("metric", METRICS)
def test_near_duplicates_and_equal_distances(metric, engine):
    centre = torch.randn(40, 6) * 0.4
    near = (centre[torch.arange(400) % 40] + 1e-7 * torch.randn(400, 6)).float()
    agree(near, torch.arange(400) // 5, metric, engine)
    grid = torch.cartesian_prod(*[torch.arange(1, 8) / 8.0] * 3)
    agree(grid, torch.arange(343) % 31, metric, engine)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_near_the_rim(dtype, engine):
    direction = torch.nn.functional.normalize(torch.randn(300, 4, dtype=torch.float64), dim=1)
    gap = 10 ** torch.empty(300, 1, dtype=torch.float64).uniform_(-12 if dtype == torch.float64 else -6.5, 0)
    x = (direction * (1 - gap) / C**0.5).to(dtype)
    x[::7] = x[1]
    agree(x, torch.arange(300) % 40, "hyperbolic", engine)


def test_a_collapsed_model_far_from_the_origin(engine):
    # a spread of a few units in the last place: only exact distances tell the order
    x = torch.tensor([1.2, -0.7, 0.4]) + 1e-7 * torch.randn(300, 3)
    for metric in METRICS:
        agree(x, torch.arange(300) % 100, metric, engine)


def test_classes_of_every_size(points, engine):
    x, _ = points[True]
    for labels in (
        torch.zeros(420, dtype=torch.int64),
        torch.arange(420),
        (torch.arange(420) > 3).long(),
        torch.cat([torch.zeros(380, dtype=torch.int64), torch.arange(40)]),
    ):
        agree(x, labels, "hyperbolic", engine)
    assert first_positive_rank(x, torch.zeros(420, dtype=torch.int64), C, engine=engine).tolist() == [1] * 420
    assert first_positive_rank(x, torch.arange(420), C, engine=engine).tolist() == [0] * 420
    agree(x[:50], torch.arange(50), "hyperbolic", engine, x[50:], torch.arange(370) % 40)


def test_labels_stay_exact(points, engine):
    x, labels = points[True]
    expected = first_positive_rank(x, labels, C, engine=engine)
    for shifted in (labels + 2**24, labels - 2**40, -labels, labels + 2**62):
        assert torch.equal(first_positive_rank(x, shifted, C, engine=engine), expected)


def test_invariance_under_relabelling_and_moving(points, engine):
    x, labels = points[True]
    ranks = first_positive_rank(x, labels, C, engine=engine)
    order = torch.randperm(len(x))
    assert torch.equal(first_positive_rank(x[order], labels[order], C, engine=engine), ranks[order])
    assert torch.equal(first_positive_rank(-x, 5 - 3 * labels, C, engine=engine), ranks)
    euclidean = first_positive_rank(x.double(), labels, metric="euclidean", engine=engine)
    far = x.double() * 2.0**40
    assert torch.equal(first_positive_rank(far, labels, metric="euclidean", engine=engine), euclidean)


def test_the_set_as_its_own_gallery(points, engine):
    x, labels = points[True]
    alone = first_positive_rank(x, labels, C, engine=engine)
    gallery = (x.clone(), labels.clone())
    assert torch.equal(
        first_positive_rank(x, labels, C, "hyperbolic", *gallery, ref_includes_query=True, engine=engine), alone
    )
    # with nothing left out every item finds itself
    assert (first_positive_rank(x, labels, C, "hyperbolic", *gallery, engine=engine) == 1).all()


def test_a_query_that_differs_from_its_row(points, engine):
    x, labels = points[True]
    other = x + 0.05 * torch.randn_like(x)
    agree(other[:150], labels[:150], "hyperbolic", engine, x, labels, include=True)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_small_problem(data):
    n, m = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 24))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    steps = data.draw(st.sampled_from([2, 5, 10**6]))  # few values: many equal distances
    x = torch.from_numpy(rng.integers(1, steps, size=(n + m, 2), endpoint=True) / steps * 2)
    labels = torch.from_numpy(rng.integers(0, data.draw(st.integers(1, 12)), size=n + m))
    metric, engine = data.draw(st.sampled_from(METRICS)), data.draw(st.sampled_from(ENGINES))
    x = x if data.draw(st.booleans()) else x.float()
    agree(x, labels, metric, engine)
    agree(x[:n], labels[:n], metric, engine, x[n:], labels[n:])
    agree(x[:n], labels[:n], metric, engine, x, labels, include=True)


@pytest.mark.parametrize("space", [Hyperbolic(C), Cosine(), Euclidean()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_stay_within_their_bound(space, dtype):
    x, _, _ = tree_points(200, 24, True)
    x = x + 0.3
    score = SymmetricScore(space, x)
    z = score.lift(x)
    i, j = torch.cartesian_prod(torch.arange(200), torch.arange(200)).unbind(1)
    exact = score.of_pairs(x[i], x[j])
    product = (score.flipped(z.to(dtype)) @ z.to(dtype).T).flatten().double()
    share, _ = score.tolerance(dtype, z.shape[1])
    norm = torch.linalg.vector_norm(z, dim=1)
    assert ((product - exact).abs() <= share * norm[i] * norm[j]).all()
    # and the score orders pairs as the distance does
    order = exact.argsort(descending=True)
    ordered = space.distance(x[i].double(), x[j].double())[order]
    assert (ordered[1:] >= ordered[:-1] * (1 - 1e-12)).all()


def test_coincidences():
    x = torch.tensor([[0.1, 0.2], [0.2, 0.4], [0.1, 0.2], [0.0, 0.2], [-0.0, 0.2]])
    for space, pairs in ((Euclidean(), {(0, 2), (3, 4)}), (Cosine(), {(0, 1), (0, 2), (1, 2), (3, 4)})):
        numbers = coincidences(SymmetricScore(space, x), x).tolist()
        assert {(i, j) for i in range(5) for j in range(i + 1, 5) if numbers[i] == numbers[j]} == pairs


def test_undecided_entries_are_bounded(monkeypatch, engine):
    """The corners of a simplex are equally far from each other: every entry is undecided, few are held at a time."""
    x = torch.eye(200) * 0.9
    held = []
    decide = counting.Counter._decide
    monkeypatch.setattr(counting.Counter, "_decide", lambda self, pairs: (held.append(len(pairs)), decide(self, pairs)))
    agree(x, torch.arange(200) % 60, "hyperbolic", engine)
    assert sum(held) > 1000
    assert max(held) <= 48 * 300 // 2


def test_thresholds_of_a_class_larger_than_a_block():
    x, _, _ = tree_points(700, 6, True)
    labels = (torch.arange(700) < 690).long()
    score = SymmetricScore(Hyperbolic(C), x)
    items = Items.of(score, x, labels, coincidences(score, x))
    distance, position = nearest_positives(score, items, items, True)
    exact = score.space.distance(items.points[items.index][:, None].double(), items.points[items.index][None].double())
    exact.fill_diagonal_(torch.inf)
    exact[items.label[:, None] != items.label] = torch.inf
    assert torch.equal(exact.amin(1), distance)
    assert torch.equal(exact[torch.arange(700), position], distance)


def test_precision_settings_of_the_caller_do_not_matter(points):
    x, labels = points[True]
    expected = first_positive_rank(x, labels, C)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(first_positive_rank(x, labels, C), expected)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_settings_of_the_process_survive_calls_that_overlap():
    """The first to enter changes the setting, the last to leave restores it, in whatever order they leave."""
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        first, second = (first_positive._PRECISION.held() for _ in range(2))
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == "highest"
        second.__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == "medium"
        with pytest.raises(KeyError), first_positive._PRECISION.held():
            raise KeyError
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


def test_calls_from_several_threads(points):
    x, labels = points[True]
    expected = {metric: first_positive_rank(x, labels, C, metric) for metric in METRICS}
    torch.set_num_threads(2)
    with ThreadPoolExecutor(3) as pool:
        jobs = [(metric, engine) for metric in METRICS for engine in ENGINES] * 2
        found = list(pool.map(lambda job: first_positive_rank(x, labels, C, job[0], engine=job[1]), jobs))
    for (metric, _), ranks in zip(jobs, found, strict=True):
        assert torch.equal(ranks, expected[metric])


def test_auto_loads_the_kernel_for_large_problems_and_does_without_it(points, monkeypatch):
    x, labels = points[True]
    expected = first_positive_rank(x, labels, C, engine="torch")
    monkeypatch.setattr(counting, "_LARGE", 1)
    assert torch.equal(first_positive_rank(x, labels, C), expected)

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert torch.equal(first_positive_rank(x, labels, C), expected)
    with pytest.raises(ImportError, match="compiled_count"):
        first_positive_rank(x, labels, C, engine="numba")


def test_bad_input_is_named(points):
    x, labels = points[True]
    with pytest.raises(ValueError, match="engine must be one of auto, numba, torch, got 'cuda'"):
        first_positive_rank(x, labels, C, engine="cuda")
    with pytest.raises(ValueError, match="curvature"):
        first_positive_rank(x, labels)
    with pytest.raises(ValueError, match="labels"):
        first_positive_rank(x, labels[:-1], C)
    with pytest.raises(ValueError, match="embeddings have dimension 12, reference 11"):
        first_positive_rank(x, labels, C, reference=x[:, :-1], reference_labels=labels)
    with pytest.raises(ValueError, match="embeddings row 3 is not finite"):
        first_positive_rank(x.index_fill(0, torch.tensor([3]), torch.nan), labels, C)
    with pytest.raises(ValueError, match="outside the ball"):
        first_positive_rank(x * 10, labels, C)


@pytest.mark.gpu
@pytest.mark.parametrize("metric", METRICS)
def test_ranks_on_a_gpu(points, metric):
    for spread in (True, False):
        x, labels = points[spread]
        found = first_positive_rank(x.cuda(), labels.cuda(), C, metric)
        assert found.is_cuda
        assert torch.equal(found.cpu(), first_positive_rank(x, labels, C, metric))
    with pytest.raises(ValueError, match="works on the CPU"):
        first_positive_rank(x.cuda(), labels.cuda(), C, engine="numba")


def test_mapped_points_of_a_model(engine):
    x = ToPoincare(C, 2.3)(torch.randn(300, 8) * 3)
    agree(x, torch.arange(300) // 4, "hyperbolic", engine)
