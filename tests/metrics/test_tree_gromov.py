"""Gromov's delta: trees have none, and every other value is that of all triples."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.geometry import expmap0
from hyperdml.metrics.trees import gromov
from hyperdml.metrics.trees.gromov import GromovDelta, gromov_delta, sampled_gromov_delta


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def by_triples(d, base):
    g = (d[base][:, None] + d[base][None] - d) / 2
    n = range(len(d))
    return max(min(g[i, k], g[k, j]) - g[i, j] for i, j, k in itertools.product(n, n, n))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(0, 2**30), st.data())
def test_equals_all_triples(n, seed, data):
    x = np.random.default_rng(seed).normal(size=(n, 2))
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    base = data.draw(st.integers(0, n - 1))
    found = gromov_delta(d, base)
    assert found.delta == pytest.approx(by_triples(d, base), abs=1e-12)
    assert found.diameter == d.max()


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 12), st.integers(0, 2**30))
def test_path_lengths_of_a_tree_have_none(n, seed):
    import networkx as nx

    generator = np.random.default_rng(seed)
    tree = nx.Graph()
    tree.add_weighted_edges_from((node, int(generator.integers(node)), generator.random()) for node in range(1, n))
    d = nx.floyd_warshall_numpy(tree, nodelist=range(n))
    assert gromov_delta(d, n - 1).delta == pytest.approx(0, abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(st.integers(4, 7), st.integers(0, 2**30))
def test_four_points_are_within_twice_delta_of_any_base(n, seed):
    x = np.random.default_rng(seed).normal(size=(n, 2))
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    sums = [
        sorted((d[a, b] + d[e, f], d[a, e] + d[b, f], d[a, f] + d[b, e]))
        for a, b, e, f in itertools.combinations(range(n), 4)
    ]
    four = max((s[2] - s[1]) / 2 for s in sums)
    deltas = [gromov_delta(d, base).delta for base in range(n)]
    assert max(deltas) == pytest.approx(four, abs=1e-12)
    assert four <= 2 * min(deltas) + 1e-12


def test_blocks_change_nothing(monkeypatch):
    x = torch.randn(30, 4, generator=seeded(), dtype=torch.float64)
    d = torch.cdist(x, x)
    whole = gromov_delta(d)
    monkeypatch.setattr(gromov, "_BLOCK", 7 * 900)
    assert gromov_delta(d) == whole


def test_a_deeper_ball_is_more_of_a_tree():
    u = torch.nn.functional.normalize(torch.randn(300, 8, generator=seeded()))
    near, far = (sampled_gromov_delta(expmap0(u * r, 1.0), c=1.0, sample=60, generator=seeded()) for r in (0.05, 5.0))
    assert far < near / 2


def test_one_point_and_a_fixed_draw():
    assert gromov_delta([[0.0]]) == GromovDelta(0.0, 0.0)
    assert gromov_delta([[0.0]]).relative == 0.0
    x = expmap0(torch.randn(40, 3, generator=seeded()), 0.1)
    values = [sampled_gromov_delta(x, c=0.1, sample=20, generator=seeded(3)) for _ in range(2)]
    assert values[0] == values[1] > 0


@pytest.mark.parametrize(
    ("distances", "base", "message"),
    [
        ([[0.0, 1.0]], 0, r"must be \(n, n\), got \(1, 2\)"),
        ([[0.0, 1.0], [2.0, 0.0]], 0, "symmetric, with zeros"),
        ([[1.0, 1.0], [1.0, 0.0]], 0, "symmetric, with zeros"),
        ([[0.0, np.nan], [1.0, 0.0]], 0, "finite"),
        ([[0.0, 1.0], [1.0, 0.0]], 2, "base must be a point, 0 to 1, got 2"),
    ],
)
def test_errors(distances, base, message):
    with pytest.raises(ValueError, match=message):
        gromov_delta(distances, base)


def test_errors_of_samples():
    with pytest.raises(ValueError, match=r"sample and tries of at least 1, got \(3, 2\), 0 and 4"):
        sampled_gromov_delta(torch.zeros(3, 2), c=1.0, sample=0)
