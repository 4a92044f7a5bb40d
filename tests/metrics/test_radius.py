import dataclasses
import json
import math

import pytest
import torch
from synthetic import tree_points

from hyperdml.geometry import expmap0, pairwise_distance
from hyperdml.metrics import RadiusReport, radius_report
from hyperdml.metrics.partition import normalized_mutual_information, usage_entropy

C = 0.1


def directions(n, dim, seed=0):
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)))


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("c", [0.05, 0.1, 1.0])
def test_clipped_fraction_counts_the_points_at_the_clip_radius(c):
    norms = torch.tensor([2.3] * 30 + [2.29] * 10 + [0.4] * 60)[:, None]
    x = expmap0(directions(100, 16) * norms, c)
    report = radius_report(x, c=c, clip_r=2.3)
    assert report.clipped_fraction == 0.3
    assert report.embedding_radius == pytest.approx((0.8, 0.8, 0.8, 4.6, 4.6), abs=1e-3)
    assert radius_report(x, c=c).clipped_fraction is None
    assert report.proxy_radius is report.proxy_radius_std is report.origin_lca_fraction is None
    assert report.proxies is report.usage_entropy is report.pair_lca_radius is report.nmi is None


def test_quantiles_of_the_proxies():
    norms = torch.linspace(0, 1, 11)[:, None]
    report = radius_report(directions(5, 4), expmap0(directions(11, 4) * norms, C), c=C)
    assert report.proxy_radius == pytest.approx((0, 0.2, 1.0, 1.8, 2.0), abs=1e-5)
    assert report.proxy_radius_std == pytest.approx(2 * math.sqrt(0.1), abs=1e-5)


def test_origin_share_equals_every_pair_by_hand(monkeypatch):
    """Many draws of few points, against the share over all pairs; and blocks change nothing."""
    x = expmap0(directions(12, 3) * torch.linspace(0.3, 2.3, 12)[:, None], C).double()
    proxies = expmap0(directions(6, 3, seed=1) * 1.2, C).double()
    to_proxy, to_origin = pairwise_distance(x, proxies, C), pairwise_distance(x, torch.zeros(1, 3).double(), C)[:, 0]
    wins = [
        max(to_origin[i], to_origin[j]) <= min(max(to_proxy[i, p], to_proxy[j, p]) for p in range(6))
        for i in range(12)
        for j in range(12)
        if i != j
    ]
    expected = sum(map(bool, wins)) / len(wins)
    assert 0.1 < expected < 0.9
    share = radius_report(x, proxies, c=C, pairs=40000, generator=seeded()).origin_lca_fraction
    assert share == pytest.approx(expected, abs=0.01)
    monkeypatch.setattr("hyperdml.metrics.trees.lca._BLOCK", 600)
    assert radius_report(x, proxies, c=C, pairs=40000, generator=seeded()).origin_lca_fraction == share


def test_random_proxies_in_high_dimension_hold_no_tree():
    x, labels, _ = tree_points(600, 128, spread=False)
    report = radius_report(
        x, expmap0(directions(256, 128) * 2.2, C), c=C, clip_r=2.3, generator=seeded(), labels=labels
    )
    assert report.origin_lca_fraction == report.origin_lca_fraction_same_label == 1.0
    text = "\n".join(report.lines())
    assert "one sphere" in text
    assert "hold no tree" in text


def test_class_centres_as_proxies_hold_one():
    x, labels, _ = tree_points(600, 128, spread=False)
    means = torch.stack([x[labels == y].mean(0) for y in range(100)])
    proxies = expmap0(torch.nn.functional.normalize(means) * 2.0, C)
    report = radius_report(x, proxies, c=C, generator=seeded(), labels=labels)
    assert report.origin_lca_fraction_same_label == 0.0
    assert report.origin_lca_fraction >= 0.95  # two random images share nothing: the origin is right for them
    text = "\n".join(report.lines())
    assert "one sphere" not in text
    assert "hold no tree" not in text
    assert "ancestors within labels" in text


def test_use_of_the_proxies_by_hand():
    """Two labels on opposite sides, a proxy beside each, one between them and one that nothing is near to."""
    angle = torch.tensor([-0.1, 0.0, 0.1, math.pi - 0.1, math.pi, math.pi + 0.1])
    x = expmap0(2.0 * torch.stack([angle.cos(), angle.sin()], 1), C)
    proxies = expmap0(torch.tensor([[1.5, 0.0], [-1.5, 0.0], [0.0, 0.1], [0.0, -2.0]]), C)
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    report = radius_report(x, proxies, c=C, labels=labels, generator=seeded())
    assert (report.proxies, report.used_proxies) == (4, 2)
    assert report.usage_entropy == pytest.approx(0.5)
    assert report.nmi == 1.0
    assert report.pair_lca_radius == pytest.approx(3.0, abs=1e-5)
    # the third is of the pair's label once in four draws
    assert report.triple_lca_radius == pytest.approx((3.0 + 3 * 0.2) / 4, abs=0.1)
    text = "\n".join(report.lines())
    assert "proxies that are nearest to some embedding: 2 of 4, entropy of their use 0.50" in text
    assert f"3.000 for pairs of one label, {report.triple_lca_radius:.3f} with a third" in text
    assert "NMI: 1.000" in text


def test_third_members_are_uniform_among_the_others():
    """Four orthogonal embeddings, and a proxy for every triple that no other triple would take."""
    x = expmap0(2.0 * torch.eye(4, dtype=torch.float64), C)
    centres = 1 - torch.eye(4, dtype=torch.float64)
    proxies = expmap0(torch.nn.functional.normalize(centres) * torch.tensor([[0.8], [0.9], [1.0], [1.1]]), C)
    # pairs (0, 1) only: the third is 2 or 3, the proxy 3 or 2
    labels = torch.tensor([0, 0, 1, 2])
    report = radius_report(x, proxies, c=C, labels=labels, generator=seeded(), pairs=4000)
    assert report.triple_lca_radius == pytest.approx((2 * 1.0 + 2 * 1.1) / 2, abs=0.01)


def test_nearest_proxies_of_class_centres_beat_random_ones_and_random_ones_do_not():
    x, labels, _ = tree_points(600, 32, spread=False)
    means = torch.stack([x[labels == y].mean(0) for y in range(100)])
    centres = expmap0(torch.nn.functional.normalize(means) * 2.0, C)
    report = radius_report(x, centres, c=C, generator=seeded(), labels=labels)
    nearest = torch.cdist(x, centres).argmin(1)  # all centres at one radius: as by hyperbolic distance
    assert report.nmi == pytest.approx(normalized_mutual_information(nearest, labels))
    assert report.usage_entropy == pytest.approx(usage_entropy(nearest.bincount(minlength=100)))
    assert report.nmi > report.random_nmi + 2 * report.random_nmi_sd
    assert "above chance" in "\n".join(report.lines())
    report = radius_report(x, expmap0(directions(100, 32) * 2.0, C), c=C, generator=seeded(), labels=labels)
    assert abs(report.nmi - report.random_nmi) < 0.1
    assert "above chance" not in "\n".join(report.lines())


def test_new_draws_come_after_the_old_ones():
    """Figures of pairs do not depend on whether labels bring further draws."""
    x, labels, _ = tree_points(120, 4, spread=True)
    proxies = expmap0(directions(9, 4) * 0.8, C)
    alone, both = (
        radius_report(x, proxies, c=C, pairs=100, generator=seeded(), labels=given) for given in (None, labels)
    )
    assert alone.origin_lca_fraction == both.origin_lca_fraction
    assert alone.usage_entropy == both.usage_entropy
    assert alone.pair_lca_radius is alone.nmi is None


def test_survives_json_and_reads_files_without_the_newer_figures():
    x, labels, _ = tree_points(120, 4, spread=True)
    report = radius_report(x, expmap0(directions(9, 4) * 0.8, C), c=C, generator=seeded(), labels=labels, clip_r=2.3)
    stored = json.loads(json.dumps(dataclasses.asdict(report)))
    assert RadiusReport(**stored).lines() == report.lines()
    first = {key: stored[key] for key in list(stored)[:6]}
    assert RadiusReport(**first).lines() == report.lines()[: len(RadiusReport(**first).lines())]
    assert len(report.lines()) == len(RadiusReport(**first).lines()) + 3


def test_labels_without_any_pair():
    x = directions(5, 3)
    report = radius_report(x, x[:2], c=C, labels=torch.arange(5))
    assert report.origin_lca_fraction_same_label is report.pair_lca_radius is None
    assert report.nmi is not None


def test_two_embeddings_have_no_third():
    x = directions(2, 3)
    report = radius_report(x, x[:1], c=C, labels=[0, 0])
    assert report.origin_lca_fraction_same_label is not None
    assert report.pair_lca_radius is report.triple_lca_radius is None
    assert report.usage_entropy == 1.0


def test_draw_follows_the_generator_and_leaves_torchs_own_alone():
    x = tree_points(200, 8, spread=True)[0]
    proxies = expmap0(directions(9, 8) * 0.8, C)
    state = torch.get_rng_state()
    first, again = (radius_report(x, proxies, c=C, pairs=50, generator=seeded()) for _ in range(2))
    assert first == again
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": torch.zeros(0, 3)}, "N >= 2"),
        ({"embeddings": torch.zeros(1, 3)}, r"got \(1, 3\)"),
        ({"proxies": torch.zeros(2, 4)}, r"\(P, 3\)"),
        ({"proxies": torch.zeros(0, 3)}, "P >= 1"),
        ({"clip_r": -1.0}, "clip_r must be positive, got -1.0"),
        ({"pairs": 0}, "at least 1, got 0"),
        ({"c": 0.0}, "must be positive"),
        ({"labels": torch.arange(3)}, r"labels .*\(4,\), got \(3,\)"),
    ],
)
def test_errors(change, message):
    arguments = {"embeddings": torch.zeros(4, 3), "proxies": torch.zeros(2, 3), "c": C, **change}
    with pytest.raises(ValueError, match=message):
        radius_report(**arguments)


def test_report_is_immutable():
    report = radius_report(directions(5, 3), c=C)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.clipped_fraction = 1.0


@pytest.mark.parametrize("c", [1e-4, 0.1, 1.0, 10.0])
def test_clipped_points_are_recognised_at_every_curvature(c):
    u = torch.nn.functional.normalize(torch.randn(10, 5), dim=1) * torch.tensor([1.0] * 4 + [2.3] * 6)[:, None]
    assert radius_report(expmap0(u, c), c=c, clip_r=2.3).clipped_fraction == pytest.approx(0.6)
