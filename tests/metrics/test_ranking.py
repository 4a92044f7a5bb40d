"""Full rankings: the order of the exact search, ties by index, blocks that change nothing."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.geometry import lift
from hyperdml.metrics.ranks.ranking import full_rankings
from hyperdml.neighbors import make_knn

C = 0.1
METRICS = ("hyperbolic", "cosine", "euclidean")


def ranking(x, metric="hyperbolic", c=C):
    rows, orders = zip(*full_rankings(x, c, metric), strict=True)
    assert torch.equal(torch.cat(rows), torch.arange(len(x)))
    return torch.cat(orders)


def searched(x, metric="hyperbolic", c=C):
    return make_knn(metric, c, engine="torch")(x, len(x) - 1, x, ref_includes_query=True)[1]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [False, True])
def test_is_the_exact_search_for_all_neighbours(metric, spread):
    x = tree_points(240, 16, spread)[0]
    assert torch.equal(ranking(x, metric), searched(x, metric))


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_are_ranked_by_index(metric):
    x = tree_points(60, 8, spread=True)[0].repeat(3, 1)
    order = ranking(x, metric)
    assert torch.equal(order, searched(x, metric))
    assert order[0, :2].tolist() == [60, 120]
    assert order[60, :2].tolist() == [0, 120]


@pytest.mark.parametrize("metric", METRICS)
def test_one_point_many_times(metric):
    x = torch.tensor([[0.3, 0.4]]).repeat(7, 1)
    assert ranking(x, metric).tolist() == [[j for j in range(7) if j != i] for i in range(7)]


def test_near_duplicates_at_the_rim_are_told_apart():
    """Lifts there are so long that their float64 products no longer order the pairs."""
    generator = torch.Generator().manual_seed(0)
    centre = torch.nn.functional.normalize(torch.randn(5, 4, generator=generator, dtype=torch.float64), dim=1)
    x = centre.repeat_interleave(8, 0) * (1 - 1e-7)
    x = x + 1e-14 * torch.randint(-1000, 1000, x.shape, generator=generator)
    x[0] = 0.1  # not all on the rim, which the search takes for a mistake
    order = ranking(x, c=1.0)
    assert torch.equal(order, searched(x, c=1.0))
    products = lift(x, 1.0) * torch.tensor([1.0] * 4 + [-1.0], dtype=torch.float64) @ lift(x, 1.0).T
    products.fill_diagonal_(-torch.inf)
    assert not torch.equal(products.argsort(dim=1, descending=True, stable=True)[:, :-1], order)


@pytest.mark.parametrize("metric", METRICS)
def test_query_and_gallery(metric):
    x = tree_points(120, 8, spread=True)[0]
    x[70:80] = x[:10]
    knn = make_knn(metric, C, engine="torch")

    def ranked(*sets, **options):
        return torch.cat([order for _, order in full_rankings(sets[0], C, metric, *sets[1:], **options)])

    assert torch.equal(ranked(x[:40], x[40:]), knn(x[:40], 80, x[40:])[1])
    assert torch.equal(ranked(x[:40], x), knn(x[:40], 120, x)[1])
    assert torch.equal(ranked(x[:40], x, ref_includes_query=True), knn(x[:40], 119, x, ref_includes_query=True)[1])
    assert torch.equal(ranked(x, x, ref_includes_query=True), ranking(x, metric))
    assert ranked(x[:1], x[:1]).tolist() == [[0]]


def test_only_spread_points_tell_the_metrics_apart():
    for spread in (False, True):
        x = tree_points(240, 16, spread)[0]
        orders = [ranking(x, metric) for metric in METRICS]
        assert [bool((orders[0] != other).any()) for other in orders[1:]] == [spread, spread]


def test_threads_change_nothing():
    x = tree_points(240, 16, spread=True)[0]
    one = ranking(x)
    torch.set_num_threads(3)
    assert torch.equal(ranking(x), one)


def test_products_that_round_to_more_than_the_lengths_allow():
    """Unit vectors whose length is rounded to less than 1, of which some have a product with themselves above 1."""
    x = torch.nn.functional.normalize(torch.randn(1000, 512, dtype=torch.float64), dim=1)
    short = x[torch.linalg.vector_norm(x, dim=1) < 1]
    assert len(short) > 20
    for one in short:
        copies = one.repeat(6, 1)
        assert ranking(copies, "cosine").tolist() == [[j for j in range(6) if j != i] for i in range(6)]


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(1, 3), st.integers(0, 2**31))
def test_points_that_float64_products_cannot_order(n, dim, seed):
    """Clusters far narrower than the rounding of products at their distance from the origin."""
    g = torch.Generator().manual_seed(seed)
    centre = 1e6 * torch.randint(-1, 2, (n, dim), generator=g).double()
    x = centre + torch.randint(-9, 10, (n, dim), generator=g).double() * 2.0**-20
    exact = [sorted((float((x[i] - x[j]).norm()), j) for j in range(n) if j != i) for i in range(n)]
    assert ranking(x, "euclidean").tolist() == [[j for _, j in row] for row in exact]


@pytest.mark.gpu
@pytest.mark.parametrize("metric", METRICS)
def test_gpu_ranks_as_the_cpu(metric):
    x = tree_points(240, 16, spread=True)[0]
    x[100:120] = x[:20]
    order = torch.cat([order for _, order in full_rankings(x.cuda(), C, metric)])
    assert order.is_cuda
    assert torch.equal(order.cpu(), ranking(x, metric))


def test_blocks_change_nothing(monkeypatch):
    x = torch.cat([tree_points(60, 8, spread=True)[0]] * 2)
    whole = ranking(x)
    monkeypatch.setattr("hyperdml.metrics.ranks.ranking._BLOCK", 700)
    assert torch.equal(ranking(x), whole)
    assert len(list(full_rankings(x, C, "hyperbolic"))) == 24


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 25), st.integers(1, 3), st.integers(0, 2**31))
def test_lattices_full_of_ties(n, dim, seed):
    x = torch.randint(-2, 3, (n, dim), generator=torch.Generator().manual_seed(seed)).double()
    exact = [sorted((int(((x[i] - x[j]) ** 2).sum()), j) for j in range(n) if j != i) for i in range(n)]
    assert ranking(x, "euclidean").tolist() == [[j for _, j in row] for row in exact]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(1, 3), r"N >= 2, got \(1, 3\)"),
        (torch.zeros(3), r"\(N, d\)"),
        (torch.zeros(3, 2, dtype=torch.int64), "floating-point .*int64"),
        (torch.tensor([[0.0], [math.nan]]), "row 1 is not finite"),
        (torch.tensor([[0.0], [4.0]]), "embeddings row 1 has norm 4, outside the ball"),
    ],
)
def test_errors(x, message):
    with pytest.raises(ValueError, match=message):
        list(full_rankings(x, C, "hyperbolic"))
    with pytest.raises(ValueError, match="needs the curvature"):
        list(full_rankings(torch.zeros(2, 2), None, "hyperbolic"))


@pytest.mark.parametrize(
    ("query", "reference", "inside", "message"),
    [
        (2, torch.zeros(0, 2), False, "reference holds no points"),
        (2, torch.zeros(3, 5), False, "embeddings have dimension 2, reference 5"),
        (2, torch.tensor([[0.0, 0.0], [0.0, math.inf]]), False, "reference row 1 is not finite"),
        (2, torch.tensor([[0.0, 4.0]]), False, "reference row 0 has norm 4, outside the ball"),
        (4, torch.zeros(3, 2), True, "4 queries and 3 reference points"),
    ],
)
def test_gallery_errors(query, reference, inside, message):
    with pytest.raises(ValueError, match=message):
        list(full_rankings(torch.zeros(query, 2), C, "hyperbolic", reference, ref_includes_query=inside))
