"""The tree report: a planted tree is found, noise is called noise, and every null takes away what it says."""

import dataclasses
import json

import pytest
import torch
from synthetic import tree_points

from hyperdml.geometry import expmap0, lift, unlift
from hyperdml.metrics import dendrogram_purity
from hyperdml.metrics.partition import normalized_mutual_information
from hyperdml.tree import ProxyTreeReport, proxy_tree, proxy_tree_report
from hyperdml.tree.scores import ancestor_correlation, level_pairs, size_correlation

C = 0.1
NAMES = ("top", "middle", "class")
POINTS, _, LEVELS = tree_points(360, 32, spread=False)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def directions(n, seed=0):
    return torch.nn.functional.normalize(torch.randn(n, 32, generator=seeded(seed), dtype=torch.float64))


def centres(points, levels):
    """The Lorentz centroid of every id of every level: the coarser, the nearer to the origin."""
    out = []
    for ids in levels.T:
        sums = torch.stack([lift(points[ids == i], C).sum(0) for i in ids.unique()])
        norm = (C * (sums[:, -1:] ** 2 - (sums[:, :-1] ** 2).sum(1, keepdim=True))).sqrt()
        out.append(unlift(sums / norm, C))
    return torch.cat(out)


PLANTED = centres(POINTS, LEVELS)


def words(report):
    return "\n".join(report.lines())


def test_a_planted_tree_is_told_from_every_null():
    report = proxy_tree_report(POINTS, PLANTED, LEVELS, NAMES, c=C, generator=seeded())
    assert list(report.purity) == list(report.nmi) == list(NAMES)
    for score in report.purity.values():
        assert score.value > 0.6
        assert set(score.nulls) == {"random directions", "radii permuted", "labels shuffled"}
        assert all(null.z > 2 and null.sd > 0 for null in score.nulls.values())
    for score in report.nmi.values():
        assert score.nulls["random directions"].z > 2
    assert report.lca_correlation.value > 0.7
    assert report.lca_correlation.nulls["radii permuted"].z > 2
    assert report.depth == 3
    assert (report.proxies, report.radius_size_correlation < -0.5) == (len(PLANTED), True)
    assert "not distinguishable" not in words(report)
    assert "no tree" not in words(report)


def test_random_proxies_are_called_chance():
    proxies = expmap0(directions(60) * torch.linspace(0.8, 2.2, 60, dtype=torch.float64)[:, None], C)
    report = proxy_tree_report(POINTS, proxies, LEVELS, NAMES, c=C, generator=seeded(), draws=20)
    assert words(report).count("not distinguishable from chance") >= 4
    for score in (*report.purity.values(), *report.nmi.values()):
        assert abs(score.nulls["random directions"].z) < 4


def test_shuffled_images_are_called_chance():
    """The tree as good as before, but of other images."""
    shuffled = LEVELS[torch.randperm(len(LEVELS), generator=seeded(3))]
    report = proxy_tree_report(POINTS, PLANTED, shuffled, NAMES, c=C, generator=seeded(), draws=20)
    assert all(abs(score.nulls["labels shuffled"].z) < 3.5 for score in report.purity.values())
    assert abs(report.lca_correlation.value) < 0.1


def test_one_shell_has_no_tree():
    shell = expmap0(2.0 * directions(20), C)
    report = proxy_tree_report(POINTS, shell, LEVELS, NAMES, c=C, generator=seeded(), draws=3)
    assert (report.depth, report.proxies_at_origin, report.radius_size_correlation) == (1, 20, None)
    assert "no tree" in words(report)
    for score in report.purity.values():  # there is nothing to permute
        assert score.nulls["radii permuted"].sd == pytest.approx(0, abs=1e-3)
        assert "radii permuted" in score.nulls
    assert report.lca_correlation.value == 0.0
    assert report.lca_correlation.nulls["radii permuted"].z is None
    assert "not distinguishable from chance" in report.lines()[-1]


def test_figures_are_those_of_the_tree():
    report = proxy_tree_report(POINTS, PLANTED.float(), LEVELS.numpy(), c=C, generator=seeded(), draws=2)
    tree = proxy_tree(POINTS, PLANTED.float(), C)
    for level, (name, ids) in enumerate(zip(report.purity, LEVELS.T, strict=True)):
        assert name == f"level {level}"
        assert report.purity[name].value == pytest.approx(dendrogram_purity(tree.parents, tree.leaf_parents, ids))
        assert report.nmi[name].value == pytest.approx(normalized_mutual_information(tree.leaf_parents, ids))
    assert report.used_proxies == len(set(tree.leaf_parents.tolist()))
    assert report.proxies_at_origin == (tree.parents < 0).sum()
    assert report.depth == tree.depths.max()


def test_pairs_share_as_many_levels_as_they_say_in_equal_numbers():
    pairs, shared = level_pairs(LEVELS, 500, seeded())
    assert torch.equal((LEVELS[pairs[:, 0]] == LEVELS[pairs[:, 1]]).sum(1), shared)
    assert shared.bincount().tolist() == [500] * 4
    assert (pairs[:, 0] != pairs[:, 1]).all()
    pairs, shared = level_pairs(torch.tensor([[0, 0], [0, 1], [0, 0]]), 10, seeded())  # one top id: nobody shares none
    assert shared.bincount().tolist() == [0, 10, 10]


def test_correlation_of_ancestors_by_hand():
    """Two proxies on one ray, a class at each: inside a class the ancestor lies far out, across it at the origin."""
    x = expmap0(torch.tensor([[2.0, 0.0], [2.0, 0.1], [-2.0, 0.0], [-2.0, 0.1]], dtype=torch.float64), C)
    proxies = expmap0(torch.tensor([[1.5, 0.0], [-1.5, 0.0]], dtype=torch.float64), C)
    pairs = torch.tensor([[0, 1], [2, 3], [0, 2], [1, 3]])
    assert ancestor_correlation(x, proxies, pairs, torch.tensor([1, 1, 0, 0]), C) == pytest.approx(1.0)
    assert ancestor_correlation(x, proxies, pairs, torch.tensor([0, 0, 1, 1]), C) == pytest.approx(-1.0)
    assert size_correlation(proxy_tree(x, proxies, C), proxies, C) is None  # one radius


def test_without_levels_to_compare_there_is_no_correlation():
    levels = torch.zeros(len(POINTS), 1, dtype=torch.int64)
    report = proxy_tree_report(POINTS, PLANTED, levels, c=C, generator=seeded(), draws=2)
    assert report.lca_correlation is None
    assert report.purity["level 0"].value == 1.0


def test_report_is_plain_data_and_follows_the_generator():
    first, again = (
        proxy_tree_report(POINTS, PLANTED, LEVELS, NAMES, c=C, generator=seeded(5), draws=2) for _ in range(2)
    )
    assert first == again
    stored = json.loads(json.dumps(dataclasses.asdict(first), allow_nan=False))
    assert stored["purity"]["class"]["nulls"]["radii permuted"].keys() == {"mean", "sd", "z"}
    assert isinstance(first, ProxyTreeReport)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.depth = 0


def test_global_randomness_is_left_alone_when_a_generator_is_given():
    state = torch.get_rng_state()
    proxy_tree_report(POINTS, PLANTED, LEVELS, c=C, generator=seeded(), draws=2)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 1}, "draws must be at least 2 .* got 1"),
        ({"proxies": torch.zeros(3, 5)}, r"\(360, 32\) and \(3, 5\)"),
        ({"levels": LEVELS[:7]}, r"levels must be \(360, L\)"),
        ({"levels": LEVELS.flip(1)}, "not nested"),
        ({"level_names": ["a"]}, "1 level names for 3 levels"),
        ({"c": -1.0}, "must be positive"),
        ({"levels": torch.arange(360)[:, None]}, "no two leaves share a label"),
    ],
)
def test_errors(change, message):
    arguments = {"points": POINTS, "proxies": PLANTED, "levels": LEVELS, "c": C, **change}
    with pytest.raises(ValueError, match=message):
        proxy_tree_report(**arguments)
