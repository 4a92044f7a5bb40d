"""Levels: ranks of the triplets, ancestors and losses against loops, the law of the control."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.hier.levels import (
    LevelPicks,
    closest_ancestor,
    level_attraction,
    level_hinge,
    level_triplets,
    pick_ancestors,
    triplet_hinge,
    usage_gap,
)


def problem(n=30, levels=(2, 5, 12)):
    dist = (torch.rand(n, sum(levels) + 1, dtype=torch.float64) * 3).requires_grad_()
    similarity = torch.rand(n, n, dtype=torch.float64)
    return dist, similarity, levels


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 40), st.lists(st.integers(1, 60), min_size=1, max_size=4, unique=True), st.integers(0, 2**31))
def test_ranks_of_the_triplets_fit_their_level(n, levels, seed):
    levels = tuple(sorted(levels))
    generator = torch.Generator().manual_seed(seed)
    similarity = torch.rand(n, n, generator=generator)
    triplets = level_triplets(similarity, levels, 4, generator)
    assert triplets.shape == (len(levels), n, 4, 3)
    order = similarity.clone().fill_diagonal_(torch.inf).argsort(1, descending=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(n).expand(n, n).contiguous()
    )  # 0 is the point itself
    for own, above, level in zip(levels, (1, *levels), triplets, strict=False):
        i, j, k = level.flatten(0, 1).T
        assert torch.equal(i, torch.arange(n).repeat_interleave(4))
        near, far = rank[i, j], rank[i, k]
        cell = min(max(1, n // own), n - 2)
        assert (near >= 1).all()
        assert (near <= cell).all()
        assert (far > cell).all()
        assert (far <= max(cell + 1, n // above)).all()


def test_j_is_uniform_over_the_cell_and_k_over_the_rest_of_the_cell_above():
    similarity = -torch.arange(33.0).expand(33, 33).clone()  # ranks of anchor 0 are 1, 2, ...
    i, j, k = level_triplets(similarity, (4,), 20_000, torch.Generator().manual_seed(0))[0, 0].T
    assert (i == 0).all()
    for found, ranks in ((j, range(1, 9)), (k, range(9, 33))):  # 33 / 4 rounded down, and 33 / 1
        count = torch.bincount(found, minlength=33)[ranks.start : ranks.stop].double()
        expected = 20_000 / len(ranks)
        assert count.sum() == 20_000
        assert ((count - expected).abs() < 5 * expected**0.5).all()


def test_ancestors_agree_with_a_loop():
    dist, similarity, levels = problem()
    triplets = level_triplets(similarity, levels, 3)
    picks = pick_ancestors(dist, triplets, levels)
    starts = [0, 2, 7, 19]
    flat = 0
    for level in range(3):
        for i, j, k in triplets[level].flatten(0, 1).tolist():
            own = range(starts[level], starts[level + 1])
            above = range(starts[level - 1], starts[level]) if level else [19]
            assert picks.near[flat] == min(own, key=lambda p: max(dist[i, p], dist[j, p]))
            assert picks.far[flat] == min(above, key=lambda p: max(dist[i, p], dist[j, p], dist[k, p]))
            flat += 1
    assert flat == len(picks.near) == len(picks.far) == len(picks.triplets)


def test_ancestors_do_not_depend_on_the_chunk(monkeypatch):
    dist, similarity, levels = problem()
    members = level_triplets(similarity, levels, 3).flatten(0, 2)
    whole = closest_ancestor(dist, members)
    monkeypatch.setattr("hyperdml.hier.levels.CHUNK", 7)
    assert torch.equal(closest_ancestor(dist, members), whole)


def test_losses_agree_with_a_loop():
    dist, similarity, levels = problem()
    picks = pick_ancestors(dist, level_triplets(similarity, levels, 3), levels)
    hinges, near, far = [], [], []
    for (i, j, k), a, b in zip(picks.triplets.tolist(), picks.near.tolist(), picks.far.tolist(), strict=True):
        gaps = (dist[i, a] - dist[i, b], dist[j, a] - dist[j, b], dist[k, b] - dist[k, a])
        hinges.append(sum(torch.relu(gap + 0.7) for gap in gaps))
        near.append((dist[i, a] ** 2 + dist[j, a] ** 2) / 8)
        far.append((dist[i, b] ** 2 + dist[j, b] ** 2 + dist[k, b] ** 2) / 12)
    pairs = [
        (level_hinge(dist, picks, 0.7), torch.stack(hinges).mean()),
        (level_attraction(dist, picks), torch.stack(near).mean() + torch.stack(far).mean()),
    ]
    for found, expected in pairs:
        torch.testing.assert_close(found, expected)
        gradients = [torch.autograd.grad(value, dist, retain_graph=True)[0] for value in (found, expected)]
        torch.testing.assert_close(*gradients)
    assert torch.autograd.gradcheck(lambda d: level_hinge(d, picks, 0.7) + level_attraction(d, picks), dist)


def test_attraction_alone_leads_an_ancestor_to_the_mean_of_its_members():
    """In one dimension: d = |x - p|, so the minimum over p of the sum of squares is the mean."""
    x = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    p = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    picks = LevelPicks(torch.tensor([[0, 1, 2]]), torch.tensor([0]), torch.tensor([1]))
    for _ in range(200):
        dist = torch.stack([(x - p).abs(), x.new_zeros(3)], 1)
        (gradient,) = torch.autograd.grad(level_attraction(dist, picks), p)
        p = (p - gradient).detach().requires_grad_()
    assert float(p.detach()) == pytest.approx(0.5)  # the far ancestor is another column: only i and j count


def test_usage_gap_is_zero_for_even_use_and_log_k_for_one_proxy():
    even = torch.zeros(10, 6, dtype=torch.float64)
    torch.testing.assert_close(usage_gap(even, (2, 3), 0.5), torch.zeros((), dtype=torch.float64))
    one = torch.full((10, 6), 1e3, dtype=torch.float64)
    one[:, [0, 2]] = 0
    torch.testing.assert_close(usage_gap(one, (2, 3), 0.5), torch.tensor(math.log(2) + math.log(3)).double())
    dist = torch.rand(7, 6, dtype=torch.float64, requires_grad=True)
    expected = 0
    for columns in (slice(0, 2), slice(2, 5)):
        share = torch.exp(-dist[:, columns] / 0.5)
        share = (share / share.sum(1, keepdim=True)).mean(0)
        expected += math.log(columns.stop - columns.start) - (-share * share.log()).sum()
    found = usage_gap(dist, (2, 3), 0.5)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, dist, retain_graph=True)[0] for v in (found, expected)))


def test_plain_triplets():
    dist = torch.rand(6, 6, dtype=torch.float64, requires_grad=True)
    triplets = torch.tensor([[0, 1, 2], [3, 4, 5], [1, 0, 5]])
    each = torch.stack([torch.relu(dist[i, j] - dist[i, k] + 0.2) for i, j, k in triplets.tolist()])
    torch.testing.assert_close(triplet_hinge(dist, triplets, 0.2), each.mean())
    weight = torch.tensor([True, False, True])
    torch.testing.assert_close(triplet_hinge(dist, triplets, 0.2, weight), (each[0] + each[2]) / 2)
    none = triplet_hinge(dist, triplets, 0.2, torch.zeros(3))
    assert none == 0
    assert (torch.autograd.grad(none, dist)[0] == 0).all()


@pytest.mark.parametrize("shape", [(2, 2), (3, 4)])
def test_refuses_what_has_no_triplet(shape):
    with pytest.raises(ValueError, match=r"similarity must be \(N, N\) with N >= 3"):
        level_triplets(torch.rand(shape), (2,), 1)
