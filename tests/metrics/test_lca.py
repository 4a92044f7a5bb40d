"""Noise-free common ancestors, nearest proxies, and the pairs that are drawn for them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.geometry import dist0, expmap0, pairwise_distance
from hyperdml.metrics.trees.lca import best_ancestor, draw_pairs, nearest_proxy
from hyperdml.metrics.trees.parent_array import ROOT

C = 0.1


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def cloud(n, seed, d=3):
    u = torch.randn(n, d, generator=seeded(seed), dtype=torch.float64)
    norm = 2.3 * torch.rand(n, 1, generator=seeded(seed + 1), dtype=torch.float64)
    return expmap0(torch.nn.functional.normalize(u) * norm, C)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 9), st.integers(1, 8), st.integers(1, 4), st.integers(0, 2**30))
def test_against_loops(n, p, m, seed):
    x, proxies = cloud(n, seed), cloud(p, seed + 7)
    members = torch.randint(n, (11, m), generator=seeded(seed))
    distance, radius = pairwise_distance(x, proxies, C).tolist(), dist0(x, C).tolist()
    assert nearest_proxy(x, proxies, C).tolist() == [row.index(min(row)) for row in distance]
    for origin in (False, True):
        expected = []
        for group in members.tolist():
            cost = [max(distance[i][q] for i in group) for q in range(p)]
            at_root = origin and max(radius[i] for i in group) <= min(cost)
            expected.append(ROOT if at_root else cost.index(min(cost)))
        assert best_ancestor(x, proxies, members, C, origin=origin).tolist() == expected


def test_blocks_change_nothing(monkeypatch):
    x, proxies = cloud(40, 0), cloud(9, 3)
    members = torch.randint(40, (100, 3), generator=seeded())
    whole = best_ancestor(x, proxies, members, C, origin=True), nearest_proxy(x, proxies, C)
    monkeypatch.setattr("hyperdml.metrics.trees.lca._BLOCK", 40)
    blocks = best_ancestor(x, proxies, members, C, origin=True), nearest_proxy(x, proxies, C)
    assert all(map(torch.equal, whole, blocks))
    assert set(whole[0].tolist()) > {ROOT}


def test_no_groups():
    assert best_ancestor(cloud(4, 0), cloud(2, 1), torch.empty(0, 2, dtype=torch.int64), C).shape == (0,)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2**30))
def test_pairs_are_those_allowed_and_all_of_them(n, groups, parts, seed):
    ids = torch.randint(groups, (n,), generator=seeded(seed))
    apart = torch.randint(parts, (n,), generator=seeded(seed + 1))
    for other in (None, apart):
        kept = range(n) if other is None else other.tolist()
        allowed = {(i, j) for i in range(n) for j in range(n) if ids[i] == ids[j] and kept[i] != kept[j]}
        drawn = draw_pairs(ids, 4000, seeded(seed), other)
        assert drawn.shape == (4000 if allowed else 0, 2)
        assert {tuple(pair) for pair in drawn.tolist()} == allowed


def test_first_is_uniform_and_so_is_its_partner():
    ids = torch.tensor([5, 5, 5, 9, 9, 7])
    drawn = draw_pairs(ids, 60000, seeded())
    first = drawn[:, 0].bincount(minlength=6) / 60000
    assert first.tolist() == pytest.approx([0.2] * 5 + [0.0], abs=0.01)
    partner = drawn[drawn[:, 0] == 1, 1].bincount(minlength=3) / (drawn[:, 0] == 1).sum()
    assert partner.tolist() == pytest.approx([0.5, 0.0, 0.5], abs=0.02)


def test_draw_follows_the_generator_and_leaves_torchs_own_alone():
    ids, state = torch.arange(20) % 3, torch.get_rng_state()
    assert torch.equal(draw_pairs(ids, 30, seeded(4)), draw_pairs(ids, 30, seeded(4)))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(draw_pairs(ids, 30, None), draw_pairs(ids, 30, None))
