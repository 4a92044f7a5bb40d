"""Draws of lowest common ancestors: argmax with given noise, the right law without."""

import pytest
import torch

from hyperdml.hier import chunks, lca, sample_lca


def test_given_noise_is_an_argmax():
    dist, members = torch.rand(9, 13), torch.randint(9, (40, 3))
    noise = -torch.log(-torch.log(torch.rand(40, 13)))
    expected = (noise - dist[members].amax(1) / 0.3).argmax(1)
    assert torch.equal(sample_lca(dist, members, 0.3, noise), expected)


@pytest.mark.parametrize("exclude", [None, 2])
def test_fresh_draws_follow_the_softmax(exclude):
    dist = torch.tensor([[1.0, 0.8, 0.5, 1.3, 0.6], [0.9, 1.0, 0.7, 0.2, 0.6]], dtype=torch.float64)
    count, tau = 80_000, 0.2
    members = torch.tensor([[0, 1]]).expand(count, 2)
    banned = None if exclude is None else torch.full((count,), exclude)
    picks = sample_lca(dist, members, tau, exclude=banned, generator=torch.Generator().manual_seed(0))
    cost = dist.amax(0)
    if exclude is not None:
        cost[exclude] = torch.inf
    law = torch.softmax(-cost / tau, 0)
    share = torch.bincount(picks, minlength=5) / count
    assert ((share - law).abs() < 5 * (law * (1 - law) / count).sqrt() + 1e-12).all()


def test_draws_follow_the_weights_of_their_row():
    """70 columns are two blocks and a rest; columns without weight are never drawn."""
    weights = torch.rand(3, 70, dtype=torch.float64) ** 4
    weights[:, 10:40] = 0
    weights[2, :-1] = 0
    count = 60_000
    rows = torch.arange(3).repeat_interleave(count)
    columns = lca.draw(weights, rows, torch.Generator().manual_seed(0)).view(3, count)
    for row, drawn in zip(weights, columns, strict=True):
        law = row / row.sum()
        share = torch.bincount(drawn, minlength=70) / count
        assert ((share - law).abs() < 5 * (law * (1 - law) / count).sqrt() + 1e-12).all()
        assert (share[law == 0] == 0).all()


def test_largest_uniform_number_finds_a_column_with_weight(monkeypatch):
    monkeypatch.setattr(lca, "uniform", lambda shape, like, generator: torch.full(shape, 1 - 2**-24))
    weights = torch.zeros(200, 64)
    weights[:, :40] = torch.rand(200, 40)
    columns = lca.draw(weights, torch.arange(200), None)
    assert (weights[torch.arange(200), columns] > 0).all()


def test_groups_hold_every_triplet_beside_its_pair(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 8)
    triplets = torch.stack([torch.randperm(6)[:3] for _ in range(50)])
    groups = chunks.PairGroups.of(triplets, 6)
    assert torch.equal(groups.nodes.sort(1).values, triplets[groups.order].sort(1).values)
    assert torch.equal(groups.nodes[:, 2], triplets[groups.order, 2])
    assert torch.equal(groups.pairs.T, groups.nodes[:, :2].unique(dim=0))
    seen = []
    for part, pairs, slot in groups.only(torch.arange(0, 50, 2)).chunks():
        places = torch.arange(0, 50, 2)[part]
        assert torch.equal(pairs.T[slot], groups.nodes[places, :2])
        seen += places.tolist()
    assert seen == list(range(0, 50, 2))


def test_chunks_do_not_matter(monkeypatch):
    dist, members = torch.rand(20, 7), torch.randint(20, (50, 2))
    noise = torch.randn(50, 7)
    whole = sample_lca(dist, members, 0.1, noise)
    monkeypatch.setattr(lca, "CHUNK", 8)
    assert torch.equal(sample_lca(dist, members, 0.1, noise), whole)


def test_far_proxies_do_not_underflow_to_nothing():
    dist = torch.tensor([[0.0, 500.0, 501.0]])
    picks = sample_lca(dist, torch.zeros(100, 2, dtype=torch.int64), 0.1, exclude=torch.zeros(100, dtype=torch.int64))
    assert set(picks.tolist()) <= {1, 2}


def test_members_far_apart_do_not_underflow():
    """Near to one member and 500 tau from the other: only the largest distance of a proxy may count."""
    dist = torch.tensor([[0.0, 50.0, 49.95, 50.0], [50.0, 0.0, 50.0, 60.0]])
    count, tau = 40_000, 0.1
    members = torch.tensor([[0, 1]]).expand(count, 2)
    law = torch.softmax(-dist.double().amax(0) / tau, 0)
    share = torch.bincount(sample_lca(dist, members, tau, generator=torch.Generator().manual_seed(0))) / count
    assert ((share - law[: len(share)]).abs() < 5 * (law * (1 - law) / count).sqrt()[: len(share)] + 1e-4).all()


def test_no_groups():
    assert sample_lca(torch.rand(3, 4), torch.zeros(0, 2, dtype=torch.int64), 0.1).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tau": 0.0}, "tau must be positive"),
        ({"members": torch.zeros(3, dtype=torch.int64)}, "members must be"),
        ({"noise": torch.zeros(5, 3)}, r"noise must be \(5, 4\), got \(5, 3\)"),
    ],
)
def test_refuses(arguments, message):
    valid = {"dist": torch.rand(3, 4), "members": torch.zeros(5, 2, dtype=torch.int64), "tau": 0.1}
    with pytest.raises(ValueError, match=message):
        sample_lca(**{**valid, **arguments})
