"""The hierarchy of embeddings: a planted one is found, noise is called noise, nulls lose what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist
from synthetic import tree_points

from hyperdml.data import EmbeddingSet
from hyperdml.geometry import dist0, expmap0, logmap0, pairwise_distance
from hyperdml.hier import fit_proxies
from hyperdml.metrics import cophenetic_correlation, dendrogram_purity
from hyperdml.metrics.trees.cophenetic import leaf_pairs
from hyperdml.metrics.trees.nulls import CHANCE
from hyperdml.metrics.trees.tree_scores_result import COPHENETIC, NEIGHBOURS, RADIUS_LEVEL, RADIUS_SIZE
from hyperdml.taxonomy import Taxonomy
from hyperdml.tree import Dendrogram, extract_tree, hierarchy, null_trees
from hyperdml.tree.control_trees import control_trees
from hyperdml.tree.extract import with_points
from hyperdml.tree.hierarchy import hierarchy_of
from hyperdml.tree.known_classes import known_classes
from hyperdml.tree.null_trees import neighbour_graph

C = 0.1
POINTS, LABELS, LEVELS = tree_points(216, 16, spread=False)
NAMES = tuple(f"class {label}" for label in range(int(LABELS.max()) + 1))
SET = EmbeddingSet(POINTS, C, LABELS, LEVELS, ("top", "middle", "class"), NAMES)
PROXIED = replace(SET, proxies=fit_proxies(POINTS, (3, 9, 36), c=C))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def found():
    arm = replace(SET, points=tree_points(216, 16, spread=False, seed=1)[0])
    return hierarchy_of(PROXIED, controls={"other arm": arm}, draws=4)


def test_a_planted_hierarchy_is_found(found):
    assert np.array_equal(found.tree.parents, extract_tree(POINTS, c=C).parents)
    figures = found.scores.figures
    for name, ids in zip(SET.level_names, LEVELS.T, strict=True):
        score = figures[f"dendrogram purity, {name}"]
        assert score.value == pytest.approx(dendrogram_purity(*found.tree.parent_arrays(), ids))
        assert list(score.nulls) == ["labels shuffled", "random directions"]
    rows = {row.name: row for row in found.scores.rows()}
    for name in ("triplet accuracy", "Robinson-Foulds distance of classes", "ARI of the cut, top", NEIGHBOURS):
        assert rows[name].beats, rows[name]
    assert set(rows["triplet accuracy"].controls) == {"cosine", "tangent vectors", "other arm"}
    assert rows["triplet accuracy"].controls["other arm"] < rows["triplet accuracy"].value
    assert found.scores.draws == dict.fromkeys(
        ["labels shuffled", "random directions", "leaves shuffled", "radii permuted"], 4
    )
    assert list(found.proxies.purity) == ["top", "middle", "class"]
    text = found.summary()
    assert f"dendrogram purity, top {rows['dendrogram purity, top'].value:.3f} (labels shuffled" in text
    assert "drawn 4 times" in text


def test_labels_without_meaning_are_called_chance():
    order = torch.randperm(len(SET), generator=seeded(3))
    noise = hierarchy_of(replace(SET, labels=LABELS[order], levels=LEVELS[order]), draws=15)
    rows = [row for row in noise.scores.rows() if row.nulls[0].name == "labels shuffled"]
    near = [row.name for row in rows if row.nulls[0].verdict == CHANCE]
    assert len(near) >= len(rows) - 3
    first = noise.scores.conclusions()[0]
    assert first.startswith("Not distinguishable from chance: ")
    assert all(name in first for name in near)


def test_midpoints_order_radii_in_any_linkage(found):
    """What permuted radii would call a finding, trees of random points have too."""
    for name in (RADIUS_SIZE, RADIUS_LEVEL):
        nulls = {null.name: null for null in {row.name: row for row in found.scores.rows()}[name].nulls}
        assert abs(nulls["radii permuted"].mean) < 0.2 < abs(nulls["random directions"].mean)


@pytest.mark.parametrize("method", ["nearest_ancestor", "lca"])
def test_over_proxies(method):
    arms = {"without": SET, "with": replace(PROXIED, proxies=PROXIED.proxies[:12])}
    found = hierarchy_of(PROXIED, method=method, controls=arms, draws=3)
    purity = {row.name: row for row in found.scores.rows()}["dendrogram purity, class"]
    assert [null.name for null in purity.nulls] == [
        "labels shuffled",
        "proxies in random directions",
        "proxy radii permuted",
    ]
    assert set(purity.controls) == {"cosine", "tangent vectors", "k-means proxies of the same images", "with"}
    own = extract_tree(POINTS, PROXIED.proxies, method, c=C)
    assert purity.value == dendrogram_purity(*own.parent_arrays(), LABELS)
    assert purity.nulls[1].verdict == "above chance"


def test_controls_are_average_linkage_of_scipy():
    found = control_trees(POINTS, C, "gromov")
    x = POINTS.double()
    for name, condensed in (("cosine", pdist(x.numpy(), "cosine")), ("tangent vectors", pdist(logmap0(x, C).numpy()))):
        parents, heights = found[name]
        ours = Dendrogram(parents, heights, len(x)).to_linkage()
        assert np.allclose(ours[:, 2], linkage(condensed, "average")[:, 2], atol=1e-7)


def test_a_taxonomy_says_the_same_as_the_levels_it_is_made_of(found):
    edges = {(f"top {top}", f"middle {middle}") for top, middle, _ in LEVELS.tolist()}
    edges |= {(f"middle {middle}", NAMES[label]) for _, middle, label in LEVELS.tolist()} | {("top 0", "unseen")}
    taxonomy = Taxonomy.from_edges(sorted(edges))
    bare = replace(SET, levels=None, level_names=())
    scores = hierarchy_of(bare, taxonomy=taxonomy, draws=2).scores
    for theirs, ours in (("top", "level 0"), ("middle", "level 1"), ("class", "class")):
        for kind in ("dendrogram purity", "Dasgupta score", "ARI of the cut"):
            assert scores.figures[f"{kind}, {ours}"].value == found.scores.figures[f"{kind}, {theirs}"].value
    assert scores.figures["best-match F1, macro"].value == found.scores.figures["best-match F1, macro"].value


def test_without_labels_there_are_figures_of_distances():
    for nothing in (
        EmbeddingSet(POINTS[:60], C),
        EmbeddingSet(POINTS[:60], C, labels=torch.arange(60)),
        EmbeddingSet(POINTS[:60], C, labels=torch.zeros(60, dtype=torch.int64)),
    ):
        assert known_classes(nothing) is None
    found = hierarchy_of(replace(PROXIED, labels=None, levels=None, level_names=(), class_names=()), draws=2)
    assert found.proxies is None
    assert found.scores.triplet_interval is None
    assert list(found.scores.figures)[:2] == [COPHENETIC, NEIGHBOURS]
    assert not [name for name in found.scores.figures if "purity" in name]
    assert "cophenetic" in found.summary()


def test_random_directions_are_judged_by_their_own_distances():
    draw = null_trees.null_trees(POINTS, None, C, "average")["random directions"]
    grown, again = draw(seeded()), draw(seeded())
    assert torch.equal(grown.points, again.points)
    assert torch.allclose(dist0(grown.points, C), dist0(POINTS.double(), C))
    assert np.array_equal(grown.parents, extract_tree(grown.points, c=C).parents)
    pairs = leaf_pairs(216)
    own = pairwise_distance(grown.points, grown.points, C).numpy()[pairs[:, 0], pairs[:, 1]]
    value = cophenetic_correlation(grown.parents, grown.heights, 216, pairs, own)
    figure = hierarchy_of(SET, draws=3).scores.figures[COPHENETIC]
    assert figure.nulls["random directions"].mean == pytest.approx(value, abs=0.1)
    assert abs(figure.nulls["leaves shuffled"].mean) < 0.05 < figure.nulls["random directions"].mean


def test_radii_of_points_are_permuted_where_they_differ():
    spread = tree_points(216, 16, spread=True)[0]
    assert list(null_trees.null_trees(POINTS, None, C, "average")) == ["random directions"]
    models = null_trees.null_trees(spread, None, C, "gromov")
    assert list(models) == ["random directions", "point radii permuted"]
    moved = models["point radii permuted"](seeded()).points
    directions = torch.nn.functional.normalize
    assert torch.allclose(directions(moved), directions(spread.double()), atol=1e-6)
    assert torch.allclose(moved.norm(dim=1).sort().values, spread.double().norm(dim=1).sort().values)


def test_neighbours_against_all_distances(monkeypatch):
    x = POINTS.double()
    graph = neighbour_graph(x, C, None).toarray()
    distance = pairwise_distance(x, x, C).fill_diagonal_(torch.inf)
    expected = torch.zeros(216, 216).scatter_(1, distance.topk(10, largest=False).indices, 1.0)
    assert np.array_equal(graph, expected.numpy())
    monkeypatch.setattr(null_trees, "ASKED", 50)
    sampled = neighbour_graph(x, C, seeded()).toarray()
    asked = sampled.any(1)
    assert asked.sum() == 50
    assert np.array_equal(sampled[asked], graph[asked])


def test_large_sets_have_fewer_trees_of_null_models(monkeypatch):
    monkeypatch.setattr(hierarchy, "SMALL", 100)
    scores = hierarchy_of(SET.select(torch.arange(120)), draws=7).scores
    assert scores.draws["random directions"] == 5
    assert scores.draws["labels shuffled"] == 7
    assert scores.conclusions()[-1].startswith("Draws: labels shuffled 7, random directions 5")


def test_points_follow_from_a_tree_and_its_embeddings():
    for method in ("average", "hyphc", "nearest_ancestor"):
        proxies = PROXIED.proxies if method == "nearest_ancestor" else None
        tree = extract_tree(POINTS, proxies, method, c=C)
        again = with_points(replace(tree, points=None), POINTS, proxies)
        assert torch.equal(again.points, tree.points)


def test_draws_follow_the_seed():
    small = PROXIED.select(torch.arange(90))
    one, other, different = (hierarchy_of(small, draws=2, seed=seed) for seed in (5, 5, 6))
    assert (one.scores, one.proxies) == (other.scores, other.proxies)
    assert one.scores != different.scores


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"draws": 1}, "draws must be at least 2 .* got 1"),
        ({}, {"method": "lca"}, "'lca' needs proxies, which these embeddings do not have"),
        ({}, {"method": "ward"}, "method must be one of average"),
        ({"levels": LEVELS.flip(1)}, {}, "not nested"),
        (
            {},
            {"controls": {"half": SET.select(torch.arange(9))}},
            "control 'half' has 9 points, but the tree 216",
        ),
        ({}, {"taxonomy": Taxonomy.from_edges([("a", "class 0")])}, "35 of 36 class names are no leaves"),
        ({"class_names": ()}, {"taxonomy": Taxonomy.from_edges([("a", "b")])}, "matched by the names of the classes"),
    ],
)
def test_errors(change, options, message):
    with pytest.raises(ValueError, match=message):
        hierarchy_of(replace(SET, **change), **options)


@pytest.mark.parametrize("method", ["average", "hyphc", "gromov"])
def test_copies_of_one_point_hold_nothing_though_rows_are_sorted_by_class(method):
    """Ties must not be broken by row: a model that has collapsed would be said to know its classes."""
    ids = torch.arange(60) // 10
    levels = torch.stack([ids // 2, ids], 1)
    for place in (0.2, 0.0):
        rows = hierarchy_of(EmbeddingSet(torch.full((60, 8), place), C, ids, levels), method=method, draws=10).scores
        labelled = [row for row in rows.rows() if row.nulls[0].name == "labels shuffled"]
        assert len(labelled) > 8
        assert not [row.name for row in labelled if row.beats]
        assert rows.controls["cosine"]["dendrogram purity, level 1"] < 0.25  # 1/6 by chance, 0.36 by the order of rows


def test_rows_in_another_order_have_the_same_tree():
    order = torch.randperm(len(SET), generator=seeded(4))
    one, other = extract_tree(POINTS, c=C), extract_tree(POINTS[order], c=C)
    assert np.array_equal(one.parents[len(SET) :], other.parents[len(SET) :])
    assert np.array_equal(one.parents[order.numpy()], other.parents[: len(SET)])
    assert np.allclose(one.heights, other.heights, atol=1e-12)


def test_no_proxies_are_no_error():
    assert hierarchy_of(replace(SET, proxies=torch.zeros(0, POINTS.shape[1])).select(torch.arange(60))).proxies is None


def test_two_points_hold_no_hierarchy():
    with pytest.raises(ValueError, match="needs 3 or more points, got 2"):
        hierarchy_of(EmbeddingSet(expmap0(torch.eye(2), C), C))
