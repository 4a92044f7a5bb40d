"""Sparse reciprocal and expanded sets against Python sets."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

import hyperdml.neighbors.reciprocal_sets as reciprocal_sets
from hyperdml.geometry import pairwise_distance
from hyperdml.neighbors import make_knn, reciprocal_mask
from hyperdml.neighbors.neighbor_graph import NeighborGraph
from hyperdml.neighbors.reciprocal_sets import expanded_graph, reciprocal_graph, reciprocal_neighbors

C = 0.1
METRICS = ["hyperbolic", "cosine", "euclidean"]
LINE = torch.tensor([[0.0], [1.0], [3.0], [3.5], [4.5], [20.0]])


def rows(graph):
    return [graph.row(i).tolist() for i in range(len(graph))]


def matrix(x, metric):
    """(N, N) float64 distances."""
    x = x.double()
    if metric == "cosine":
        x = torch.nn.functional.normalize(x)
        return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist") ** 2 / 2
    if metric == "euclidean":
        return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    return pairwise_distance(x, x, C)


def tables_of(d, k):
    """The k nearest others of every point, by index where distances are equal."""
    n = len(d)
    return [sorted((j for j in range(n) if j != i), key=lambda j, i=i: d[i][j])[:k] for i in range(n)]


def mutual_sets(table):
    near = [{j for j in row if j >= 0} - {i} for i, row in enumerate(table)]
    return [{j for j in near[i] if i in near[j]} for i in range(len(near))]


def expanded_sets(table):
    near = [s | {i} for i, s in enumerate(mutual_sets(table))]
    half = [s | {i} for i, s in enumerate(mutual_sets([row[: round(len(row) / 2)] for row in table]))]
    found = []
    for i, own in enumerate(near):
        grown = set(own)
        for q in own:
            if 3 * len(own & half[q]) > 2 * len(half[q]):
                grown |= half[q]
        found.append(grown - {i})
    return found


@st.composite
def neighbor_tables(draw):
    """Tables of distinct others."""
    n = draw(st.integers(2, 14))
    k = draw(st.integers(1, n - 1))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    # places on a line with noise of its own per row: many mutual pairs, but not all
    score = np.abs(np.subtract.outer(np.arange(n), np.arange(n))) + draw(st.sampled_from([0, 1, 4])) * rng.random(
        (n, n)
    )
    np.fill_diagonal(score, np.inf)
    return torch.from_numpy(score.argsort(1, kind="stable")[:, :k])


def test_points_on_a_line_by_hand():
    # two nearest: 0: 1 2, 1: 0 2, 2: 3 4, 3: 2 4, 4: 3 2, 5: 4 3
    graph = reciprocal_neighbors(LINE, 2, metric="euclidean")
    assert rows(graph) == [[1], [0], [3, 4], [2, 4], [2, 3], []]
    assert graph.degree.tolist() == [1, 1, 2, 2, 2, 0]
    assert graph.sources.tolist() == [0, 1, 2, 2, 3, 3, 4, 4]
    torch.testing.assert_close(graph.distances, torch.tensor([1.0, 1, 0.5, 1.5, 0.5, 1, 1.5, 1]))
    assert rows(reciprocal_neighbors(LINE, 2, metric="euclidean", self_counts=True)) == [[1], [0], [3], [2], [], []]


def test_two_thirds_are_not_enough():
    """R(1, 2) is {0, 1, 2} with the point itself; 4 is in R(4, 4) with 0 and 1 of them, and does not get 2."""
    table = torch.tensor([[1, 2, 4, 3], [0, 2, 4, 3], [1, 0, 3, 5], [2, 0, 1, 5], [0, 1, 5, 3], [2, 4, 3, 0]])
    half = [s | {i} for i, s in enumerate(mutual_sets(table[:, :2].tolist()))]
    near = [s | {i} for i, s in enumerate(mutual_sets(table.tolist()))]
    assert half[1] == {0, 1, 2}
    assert near[4] & half[1] == {0, 1}
    assert 2 not in near[4]
    assert 2 not in rows(expanded_graph(table))[4]


def test_three_quarters_are_enough():
    """A clique of four is the half set of its members; point 4 knows three of them and gets the fourth."""
    clique = [[1, 2, 3, 4, 5, 6], [0, 2, 3, 4, 5, 6], [0, 1, 3, 4, 5, 6], [0, 1, 2, 5, 6, 7]]
    others = [[6, 7, 8, 4, 0, 1], [5, 7, 8, 4, 0, 1], [5, 6, 8, 4, 0, 1], [5, 6, 7, 4, 0, 1]]
    table = torch.tensor([*clique, [0, 1, 2, 5, 6, 7], *others])
    assert 3 not in rows(reciprocal_graph(table))[4]
    assert 3 in rows(expanded_graph(table))[4]
    assert 4 not in rows(expanded_graph(table))[3]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("k", [1, 7, 20])
def test_equals_python_sets(metric, spread, k):
    x = tree_points(150, 12, spread)[0].double()
    table = tables_of(matrix(x, metric).tolist(), k)
    assert rows(reciprocal_neighbors(x, k, C, metric)) == [sorted(s) for s in mutual_sets(table)]
    searched = make_knn(metric, C)(x, k, x, True)[1]
    assert rows(expanded_graph(searched)) == [sorted(s) for s in expanded_sets(table)]


def test_other_metrics_have_other_neighbours_once_radii_differ():
    x = tree_points(300, 12, spread=True)[0]
    graphs = [reciprocal_neighbors(x, 10, C, metric) for metric in METRICS]
    edges = [{*zip(g.sources.tolist(), g.indices.tolist(), strict=True)} for g in graphs]
    assert len(edges[0] & edges[1]) < 0.7 * len(edges[0] | edges[1])
    assert len(edges[0] & edges[2]) < 0.8 * len(edges[0] | edges[2])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("k", [1, 2, 20, 500])
def test_whole_set_is_the_mask_of_a_batch(metric, spread, k):
    x = tree_points(120, 16, spread, seed=1)[0].double()
    similarity = -matrix(x, metric)
    dense = torch.from_numpy(reciprocal_neighbors(x, k, C, metric, self_counts=True).to_scipy().toarray()).bool()
    assert torch.equal(dense, reciprocal_mask(similarity, k))
    dense = torch.from_numpy(reciprocal_neighbors(x, k, C, metric).to_scipy().toarray()).bool()
    assert torch.equal(dense, reciprocal_mask(similarity, k + 1))


def test_mutual_neighbours_become_rare_once_radii_spread():
    shares = [len(reciprocal_neighbors(tree_points(600, 64, s)[0], 10, C).indices) / 6000 for s in (False, True)]
    assert shares[1] < 0.6 * shares[0]


@settings(max_examples=60, deadline=None)
@given(neighbor_tables(), st.randoms(use_true_random=False))
def test_any_table(table, random):
    graph, grown = reciprocal_graph(table), expanded_graph(table)
    assert rows(graph) == [sorted(s) for s in mutual_sets(table.tolist())]
    assert rows(grown) == [sorted(s) for s in expanded_sets(table.tolist())]
    adjacency = graph.to_scipy().toarray()
    assert (adjacency == adjacency.T).all()
    assert not adjacency.diagonal().any()
    assert (grown.to_scipy().toarray() >= adjacency).all()
    order = list(range(len(table)))
    random.shuffle(order)
    order = torch.tensor(order)
    renamed = order.argsort()[table[order]]  # new point i is old point order[i]
    assert (reciprocal_graph(renamed).to_scipy().toarray() == adjacency[order][:, order]).all()
    assert (expanded_graph(renamed).to_scipy().toarray() == grown.to_scipy().toarray()[order][:, order]).all()


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_a_table_with_the_point_itself_repeats_and_gaps(dtype):
    table = torch.tensor([[1, 2], [0, 2], [3, 1], [2, 1]], dtype=dtype)
    messy = torch.tensor([[0, 1, 2, 1], [-1, 0, 1, 2], [3, 3, 1, -1], [2, -1, -1, 1]], dtype=dtype)
    assert rows(reciprocal_graph(messy)) == rows(reciprocal_graph(table)) == [[1], [0, 2], [1, 3], [2]]
    assert rows(expanded_graph(messy[2:].new_full((3, 2), -1))) == [[], [], []]


def test_distances_belong_to_their_pairs():
    x = tree_points(80, 6, spread=True)[0].double()
    graph = reciprocal_neighbors(x, 6, C)
    truth = pairwise_distance(x, x, C)[graph.sources, graph.indices]
    torch.testing.assert_close(graph.distances, truth, rtol=1e-9, atol=0)
    uneven = reciprocal_graph(torch.tensor([[1, 2], [2, 0], [0, 1]]), torch.tensor([[1.0, 5], [6, 2], [3, 9]]))
    assert rows(uneven) == [[1, 2], [0, 2], [0, 1]]
    assert uneven.distances.tolist() == [1, 3, 1, 6, 3, 6]


@pytest.mark.parametrize("metric", METRICS)
def test_duplicates_are_each_others_neighbours(metric):
    x = tree_points(20, 8, spread=True)[0].repeat(4, 1)
    graph = reciprocal_neighbors(x, 3, C, metric)
    assert graph.degree.tolist() == [3] * 80
    assert torch.equal(graph.indices % 20, graph.sources % 20)
    assert (graph.distances == 0).all()
    assert graph.to_scipy().nnz == 240


@pytest.mark.parametrize("k", [9, 10, 1000])
def test_k_beyond_the_points(k):
    x = tree_points(10, 4, spread=True)[0]
    graph = reciprocal_neighbors(x, k, C)
    assert rows(graph) == [[j for j in range(10) if j != i] for i in range(10)]


def test_sets_without_a_pair():
    for n in (0, 1):
        graph = reciprocal_neighbors(torch.zeros(n, 3), 5, C)
        assert (len(graph), len(graph.indices), len(graph.distances)) == (n, 0, 0)
        assert rows(graph) == [[]] * n
        assert graph.to_scipy().shape == (n, n)
        assert rows(expanded_graph(torch.empty(n, 0, dtype=torch.int64))) == [[]] * n
    alone = reciprocal_neighbors(LINE, 1, metric="euclidean", self_counts=True)
    assert rows(alone) == [[]] * 6


def test_blocks_do_not_change_the_result(monkeypatch):
    x = tree_points(90, 8, spread=False)[0]
    table = make_knn("hyperbolic", C)(x, 12, x, True)[1]
    whole = expanded_graph(table)
    monkeypatch.setattr(reciprocal_sets, "_ROWS", 7)
    assert rows(expanded_graph(table)) == rows(whole)


def test_errors():
    table = torch.tensor([[1], [0]])
    with pytest.raises(ValueError, match="at least 1, got 0"):
        reciprocal_neighbors(LINE, 0, C)
    with pytest.raises(ValueError, match="needs the curvature"):
        reciprocal_neighbors(LINE, 2)
    with pytest.raises(ValueError, match=r"query row 3 has norm 3\.5"):
        reciprocal_neighbors(LINE, 2, C)
    with pytest.raises(ValueError, match="query row 5 has norm 20"):  # even where no neighbour is asked for
        reciprocal_neighbors(LINE, 1, 0.01, self_counts=True)
    for bad in (torch.zeros(3), torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bool)):
        with pytest.raises(ValueError, match="table of integers"):
            reciprocal_graph(bad)
    with pytest.raises(ValueError, match="row 1 names point 2, but a table of 2 rows"):
        expanded_graph(torch.tensor([[1], [2]]))
    with pytest.raises(ValueError, match="row 0 names point -2"):
        reciprocal_graph(torch.tensor([[-2], [0]]))
    with pytest.raises(ValueError, match=r"distances have shape \(2, 2\), indices \(2, 1\)"):
        reciprocal_graph(table, torch.zeros(2, 2))
    with pytest.raises(IndexError, match="point 2 of a graph of 2"):
        reciprocal_graph(table).row(2)
    with pytest.raises(IndexError):
        NeighborGraph(torch.tensor([0, 0]), torch.empty(0, dtype=torch.int64)).row(-1)


@pytest.mark.gpu
def test_gpu_equals_cpu():
    x = tree_points(3000, 32, spread=True)[0]
    expected = reciprocal_neighbors(x, 20, C)
    found = reciprocal_neighbors(x.cuda(), 20, C)
    assert found.indices.is_cuda
    assert torch.equal(found.indptr.cpu(), expected.indptr)
    assert torch.equal(found.indices.cpu(), expected.indices)
    table = make_knn("hyperbolic", C)(x, 20, x, True)[1]
    grown = expanded_graph(table.cuda())
    assert grown.indices.is_cuda
    assert torch.equal(grown.indices.cpu(), expanded_graph(table).indices)
    assert not math.isnan(float(found.distances.sum()))
