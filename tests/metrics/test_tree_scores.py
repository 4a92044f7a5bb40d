"""All scores of a tree with their nulls: a planted tree is told from chance, a random one is not."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import linkage
from scipy.sparse import csr_array
from scipy.spatial.distance import squareform

from hyperdml.geometry import dist0, expmap0, pairwise_distance
from hyperdml.metrics import dendrogram_purity
from hyperdml.metrics.trees.nulls import CHANCE, Null, Score, chance_beyond, compare, permutation, verdict, z_text
from hyperdml.metrics.trees.tree_scores import GrownTree, tree_scores
from hyperdml.metrics.trees.tree_scores_result import (
    COPHENETIC,
    GROMOV,
    LOWER_IS_BETTER,
    RADIUS_LEVEL,
    RADIUS_SIZE,
    FigureRow,
    NullRow,
    TreeScores,
)
from hyperdml.metrics.trees.with_nulls import figures_with_nulls, with_nulls
from hyperdml.taxonomy import Taxonomy

C = 0.1
TAXONOMY = Taxonomy.from_edges([(f"order {k // 4}", f"class {k}") for k in range(16)])
LABELS = np.repeat(np.arange(16), 10)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def planted(seed=0):
    """160 points of 16 classes of 4 orders in the ball."""
    normal = torch.randn(4 + 16 + 160, 8, generator=seeded(seed), dtype=torch.float64)
    order, kind, own = normal.split([4, 16, 160])
    label = torch.from_numpy(LABELS)
    return expmap0(0.9 * order[label // 4] + 0.5 * kind[label] + 0.25 * own, C)


def average(points):
    """Parents and heights of average linkage in hyperbolic distance."""
    merges = linkage(squareform(pairwise_distance(points, points, C).numpy(), checks=False), "average")
    n = len(points)
    parents = np.full(2 * n - 1, -1)
    for row, (a, b) in enumerate(merges[:, :2].astype(int)):
        parents[[a, b]] = n + row
    return parents, np.r_[np.zeros(n), merges[:, 2]]


POINTS = planted()
PARENTS, HEIGHTS = average(POINTS)


def words(scores):
    return "\n".join(scores.lines())


def test_a_planted_tree_is_told_from_chance():
    graph = csr_array((pairwise_distance(POINTS, POINTS, C).numpy() < 2.0).astype(float))
    scores = tree_scores(
        PARENTS,
        HEIGHTS,
        labels=LABELS,
        taxonomy=TAXONOMY,
        level_names=("order", "class"),
        points=POINTS,
        c=C,
        similarities=graph,
        controls={"itself": (PARENTS, HEIGHTS)},
        draws=4,
        generator=seeded(),
    )
    assert (scores.leaves, scores.inner_nodes) == (160, 159)
    labelled = {"order", "class", "triplet", "match", "classes"}
    for name, score in scores.figures.items():
        null = "labels shuffled" if any(word in name for word in labelled) else "leaves shuffled"
        if name == GROMOV:
            continue
        assert list(score.nulls) == [null], name
        assert score.nulls[null].z * (-1 if name in LOWER_IS_BETTER else 1) > 2, name
        if null == "labels shuffled":
            assert scores.controls["itself"][name] == score.value
    homes, inner = PARENTS[:160] - 160, np.where(PARENTS[160:] < 0, -1, PARENTS[160:] - 160)
    assert scores.figures["dendrogram purity, class"].value == dendrogram_purity(inner, homes, LABELS)
    assert scores.figures["dendrogram purity, order"].value == dendrogram_purity(inner, homes, LABELS // 4)
    assert scores.triplet_interval.low < scores.figures["triplet accuracy"].value < scores.triplet_interval.high
    assert scores.figures["groups of classes recovered"].value > 0.4
    assert len(scores.figures) == 16
    text = words(scores)
    assert text.count("control, itself") == 13
    assert "95% interval over classes" in text
    assert not [line for line in scores.lines() if "chance" in line and not line.startswith(GROMOV)]
    json.dumps(dataclasses.asdict(scores))


def test_a_tree_of_noise_is_called_chance():
    parents, heights = average(expmap0(torch.randn(160, 8, generator=seeded(5), dtype=torch.float64), C))
    scores = tree_scores(parents, heights, labels=LABELS, taxonomy=TAXONOMY, draws=15, generator=seeded())
    near = [name for name, score in scores.figures.items() if abs(score.nulls["labels shuffled"].z or 0) <= 2]
    assert len(near) >= len(scores.figures) - 2
    assert words(scores).count("not distinguishable from chance") == len(near)


def test_the_callers_nulls_are_scored_as_the_tree_is():
    def random(generator):
        order = permutation(160, generator).numpy()
        return GrownTree(np.r_[PARENTS[order], PARENTS[160:]], HEIGHTS)

    found = tree_scores(
        PARENTS,
        HEIGHTS,
        labels=LABELS,
        points=POINTS,
        c=C,
        nulls={"random directions": random},
        draws=3,
        generator=seeded(),
    ).figures
    purity = found["dendrogram purity, class"]
    assert list(purity.nulls) == ["labels shuffled", "random directions"]
    assert purity.nulls["random directions"].mean < 0.2 < purity.value
    assert list(found["cophenetic correlation"].nulls) == ["leaves shuffled", "random directions"]
    assert found["cophenetic correlation"].nulls["random directions"].z > 2


def test_radii_that_follow_the_tree_and_those_that_do_not():
    depth = np.zeros(len(PARENTS))
    for node in range(len(PARENTS) - 2, -1, -1):
        depth[node] = depth[PARENTS[node]] + 1
    found = tree_scores(PARENTS, labels=LABELS, radii=depth, draws=5, generator=seeded())
    assert found.figures[RADIUS_LEVEL].value == pytest.approx(1.0)
    assert found.figures[RADIUS_LEVEL].nulls["radii permuted"].z > 2
    assert found.figures[RADIUS_SIZE].value < -0.5
    assert "Spearman: -" in words(found)
    noise = torch.rand(len(PARENTS), generator=seeded(1)).numpy()
    found = tree_scores(PARENTS, labels=LABELS, radii=noise, draws=15, generator=seeded())
    assert words(found).count("Spearman") == 2
    assert abs(found.figures[RADIUS_SIZE].nulls["radii permuted"].z) < 3
    flat = tree_scores(PARENTS, labels=LABELS, radii=np.ones(len(PARENTS)), draws=2, generator=seeded())
    assert not {RADIUS_SIZE, RADIUS_LEVEL} & set(flat.figures)


def test_draws_follow_the_generator():
    assert dist0(POINTS, C).std() > 0
    found = [
        tree_scores(PARENTS, HEIGHTS, labels=LABELS, points=POINTS, c=C, draws=2, generator=seeded(7)) for _ in range(2)
    ]
    assert found[0] == found[1]


def test_labels_of_classes_as_leaves():
    """One leaf a class, as for a tree of class means: levels above are scored, classes are not."""
    parents = np.r_[16 + np.arange(16) // 4, [-1] * 4]
    found = tree_scores(parents, labels=np.arange(16), taxonomy=TAXONOMY, draws=2, generator=seeded()).figures
    assert [name for name in found if "purity" in name] == ["dendrogram purity, level 0"]
    assert found["groups of classes recovered"].value == 1.0
    assert found["Robinson-Foulds distance of classes"].value == 0.0
    assert found["triplet accuracy"].value == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": np.arange(160)}, "no two leaves belong together and apart from a third"),
        ({"labels": np.zeros(160, int)}, "no two leaves belong together and apart from a third"),
        ({"labels": LABELS, "points": POINTS}, r"points must be \(160, d\), with c, got \(160, 8\) and c = None"),
        ({"labels": LABELS, "points": POINTS[:3], "c": C}, r"points must be \(160, d\), with c, got \(3, 8\)"),
        ({"labels": LABELS, "radii": [1.0]}, r"radii must hold one number per node, \(319,\), got \(1,\)"),
        ({"labels": LABELS, "draws": 1}, "draws must be at least 2 for a standard deviation, got 1"),
        ({"labels": LABELS, "level_names": ("a", "b")}, "2 level names for 1 levels"),
        ({"labels": LABELS + 1, "taxonomy": TAXONOMY}, "is 16, but the taxonomy has leaves 0 to 15"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        tree_scores(PARENTS, HEIGHTS, **arguments)


def test_with_nulls_by_hand():
    draws = iter([1.0, 2.0, 3.0])
    score = with_nulls(lambda x: 2 * x, 5.0, {"less": lambda g: next(draws)}, draws=3)
    assert score == Score(10.0, {"less": Null(4.0, 2.0, 3.0)})


def test_figures_that_a_null_does_not_touch_have_no_comparison():
    def figures(x):
        return {"a": x, "b": -x} if x > 0 else {"a": x}

    found = figures_with_nulls(figures, 1.0, {"below": lambda g: -1.0, "same": lambda g: 1.0}, draws=2)
    assert list(found["a"].nulls) == ["below", "same"]
    assert list(found["b"].nulls) == ["same"]
    assert found["b"].nulls["same"] == Null(-1.0, 0.0, None)


def test_words_for_scores_that_should_be_low():
    score = Score(0.2, {"null": Null(0.5, 0.1, -3.0)})
    assert score.line("distance", lower_is_better=True) == "distance 0.200; null 0.500 ± 0.100 (z = -3.0)"
    assert score.line("distance").endswith(", below chance")
    high = Score(0.9, {"null": Null(0.5, 0.1, 4.0)})
    assert high.line("distance", lower_is_better=True).endswith(", above chance")


def test_a_grown_tree_with_points_is_measured_by_these():
    """The tree of other points against their own distances: as good a tree of distances as the first."""
    other = planted(1)

    def elsewhere(generator):
        return GrownTree(*average(other), other, radii=np.arange(319.0))

    scores = tree_scores(
        PARENTS,
        HEIGHTS,
        labels=LABELS,
        points=POINTS,
        c=C,
        radii=np.arange(319.0),
        nulls={"other points": elsewhere},
        draws=3,
        null_draws=2,
        generator=seeded(),
    )
    own = tree_scores(*average(other), labels=LABELS, points=other, c=C, draws=2, generator=seeded())
    null = scores.figures[COPHENETIC].nulls["other points"]
    assert (null.mean, null.z) == (pytest.approx(own.figures[COPHENETIC].value), None)
    assert list(scores.figures[RADIUS_SIZE].nulls) == ["radii permuted", "other points"]
    assert (scores.draws["other points"], scores.draws["labels shuffled"]) == (2, 3)


def test_without_labels_only_distances_count():
    scores = tree_scores(PARENTS, HEIGHTS, labels=None, points=POINTS, c=C, draws=3, generator=seeded())
    assert list(scores.figures) == [COPHENETIC, GROMOV]
    assert scores.triplet_interval is None
    assert not [line for line in scores.lines() if "labels" in line]
    with pytest.raises(ValueError, match="against labels or points, got neither"):
        tree_scores(PARENTS, HEIGHTS, labels=None)


def made(**figures):
    return TreeScores(3, 2, 2, figures, None, {"flat": {"high": 0.4}}, {"null": 5})


def test_rows_for_tables():
    near = Score(0.5, {"null": Null(0.4, 0.1, 1.0)})
    scores = made(high=Score(0.9, {"null": Null(0.5, 0.1, 4.0), "far": Null(0.95, 0.01, -5.0)}), near=near)
    high, other = scores.rows()
    assert high == FigureRow(
        "high",
        0.9,
        "higher",
        [NullRow("null", 0.5, 0.1, 4.0, "above chance"), NullRow("far", 0.95, 0.01, -5.0, "below chance")],
        {"flat": 0.4},
    )
    assert tuple(other.nulls[0]) == ("null", 0.4, 0.1, 1.0, CHANCE)
    assert (high.beats, other.beats, other.controls) == (False, False, {})
    assert scores.conclusions() == [
        "Not distinguishable from chance: near (null).",
        "Worse than chance: high (far).",
        "Control trees do as well or better: flat in 0 of 1 figures.",
        "Draws: null 5. By luck alone 14 % of figures lie beyond 2 deviations of 5 draws.",
    ]


def test_figures_without_null_models_are_no_finding():
    scores = made(high=Score(0.3, {}))
    assert not scores.rows()[0].beats
    assert scores.conclusions()[0] == "Control trees do as well or better: flat in 1 of 1 figures."


def test_verdicts_by_luck_are_as_many_as_said():
    """Figures that are draws of the null model themselves, 40,000 times."""
    for draws in (2, 5, 20):
        values = torch.randn(40_000, draws + 1, generator=torch.Generator().manual_seed(draws), dtype=torch.float64)
        mean, sd = values[:, 1:].mean(1), values[:, 1:].std(1)
        beyond = float(((values[:, 0] - mean).abs() > 2 * sd).double().mean())
        assert chance_beyond(draws) == pytest.approx(beyond, abs=0.01)
    assert chance_beyond(10**9) == pytest.approx(0.0455, abs=1e-4)


def test_low_figures_are_good_where_low_is_better():
    low = Score(0.1, {"null": Null(0.5, 0.1, -4.0)})
    scores = made(**{GROMOV: low})
    assert scores.rows()[0].better == "lower"
    assert scores.rows()[0].beats
    assert scores.conclusions()[0] == "All 1 figures are better than each of their null models by over 2 deviations."
    assert made(**{GROMOV: Score(0.9, low.nulls)}).conclusions()[0] == f"Worse than chance: {GROMOV} (null)."


def test_nulls_without_spread_read_sensibly():
    assert [z_text(z) for z in (3.14, -2.0, 5000.0, -1e9, None)] == [
        "z = 3.1",
        "z = -2.0",
        "z > 99",
        "z < -99",
        "no spread",
    ]
    assert "(z > 99)" in Score(0.9, {"null": Null(0.1, 1e-6, 8e5)}).line("purity")
    third = 1 / 3
    assert verdict(third, third + 1e-16, 0.0) == CHANCE  # rounding is no finding
    assert compare(0.5, [third, third + 1e-16]) == Null(third, 0.0, None)
