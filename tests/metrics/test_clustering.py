"""k-means in three spaces, and the agreement of its clusters with labels."""

import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.geometry import distance, einstein_midpoint, pairwise_distance
from hyperdml.metrics.clustering import clustering_scores, kmeans
from hyperdml.metrics.partition import adjusted_mutual_information, normalized_mutual_information

C = 0.1
METRICS = ["hyperbolic", "cosine", "euclidean"]


def cost(x, clusters, metric):
    """Sum of the costs of k-means, with centres made cluster by cluster."""
    total = 0.0
    for cluster in clusters.unique():
        members = x[clusters == cluster].double()
        if metric == "hyperbolic":
            d = distance(members, einstein_midpoint(members, c=C), C)
            total += float((2 * (torch.cosh(math.sqrt(C) * d) - 1) / C).sum())
        elif metric == "cosine":
            unit = torch.nn.functional.normalize(members)
            total += float((2 - 2 * unit @ torch.nn.functional.normalize(unit.mean(0), dim=0)).sum())
        else:
            total += float((members - members.mean(0)).square().sum())
    return total


@pytest.mark.parametrize("metric", METRICS)
def test_separate_groups_are_found(metric):
    directions = torch.nn.functional.normalize(torch.randn(12, 6), dim=1)
    labels = torch.arange(120) % 12
    x = 1.5 * directions[labels] + 0.02 * torch.randn(120, 6)
    scores = clustering_scores(x, labels, C, metric)
    assert (scores.nmi, scores.ami) == pytest.approx((1.0, 1.0))


def test_radii_count_in_the_ball_and_not_for_the_cosine():
    """Two shells in the same directions."""
    directions = torch.nn.functional.normalize(torch.randn(100, 4) * 0.05 + torch.tensor([1.0, 0, 0, 0]), dim=1)
    shell = torch.arange(100) % 2
    x = directions * torch.tensor([0.5, 2.8])[shell][:, None]
    assert clustering_scores(x, shell, C).nmi == pytest.approx(1.0)
    assert clustering_scores(x, shell, metric="cosine").nmi < 0.2


def settled(x, clusters, metric):
    """Whether every point is nearest to the centre of its own cluster."""
    if metric == "cosine":
        x = torch.nn.functional.normalize(x)
    members = [x[clusters == cluster].double() for cluster in clusters.unique()]
    if metric == "hyperbolic":
        centres = torch.stack([einstein_midpoint(part, c=C) for part in members])
        gap = pairwise_distance(x.double(), centres, C)
    else:
        centres = torch.stack([part.mean(0) for part in members])
        centres = torch.nn.functional.normalize(centres) if metric == "cosine" else centres
        gap = torch.cdist(x.double(), centres)
    return torch.equal(gap.argmin(1), clusters)


def test_spaces_disagree_where_radii_are_spread():
    x, labels, _ = tree_points(300, 16, spread=True)
    clusters = [kmeans(x, 50, C, metric) for metric in METRICS]
    for i, metric in enumerate(METRICS):
        assert settled(x, clusters[i], metric)
        assert all(normalized_mutual_information(clusters[i], clusters[j]) < 0.99 for j in range(i))
    assert clustering_scores(x, labels, metric="cosine").nmi > clustering_scores(x, labels, C).nmi


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("spread", [False, True])
def test_as_good_as_scikit_learn(metric, spread):
    """By the cost that k-means minimises: scikit-learn's on Euclidean coordinates and unit vectors."""
    from sklearn.cluster import KMeans

    x, _, _ = tree_points(360, 8, spread)
    mine = min(cost(x, kmeans(x, 60, C, metric, seed=seed), metric) for seed in range(2))
    flat = torch.nn.functional.normalize(x) if metric == "cosine" else x
    theirs = [KMeans(60, n_init=1, random_state=seed).fit_predict(flat.double().numpy()) for seed in range(2)]
    assert mine < 1.03 * min(cost(x, torch.from_numpy(found), metric) for found in theirs)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 3), st.integers(0, 2**31), st.sampled_from(METRICS))
def test_any_points_are_clustered(n, dim, seed, metric):
    g = torch.Generator().manual_seed(seed)
    lattice = torch.randint(1, 4, (n, dim), generator=g).double() * (-1) ** torch.randint(2, (n, 1), generator=g)
    lattice *= 0.3  # no length is 1, which the search takes for a mistake where all points have it
    k = int(torch.randint(1, n + 1, (1,), generator=g))
    clusters = kmeans(lattice, k, C, metric, seed=seed)
    assert clusters.shape == (n,)
    kinds = torch.nn.functional.normalize(lattice) if metric == "cosine" else lattice
    different = len((kinds * 1e9).round().unique(dim=0))
    assert clusters.unique().tolist() == list(range(len(clusters.unique())))
    if k >= different:
        assert len(clusters.unique()) >= different
    assert torch.equal(clusters, kmeans(lattice, k, C, metric, seed=seed))


def test_antipodes_have_no_mean_direction():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert kmeans(x, 1, metric="cosine").tolist() == [0, 0]


@pytest.mark.parametrize("block", [1, 8_000_000])
def test_many_clusters_are_seeded_in_rounds(block, monkeypatch):
    monkeypatch.setattr("hyperdml.metrics.clustering._BLOCK", block)
    monkeypatch.setattr("hyperdml.metrics.clustering._SEEDING_ROUNDS", 10)
    x, labels, _ = tree_points(300, 16, spread=False)
    assert clustering_scores(x, labels, C).nmi > 0.85


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_adjusted_information(pairs):
    left, right = torch.tensor(pairs).T
    assert adjusted_mutual_information(left, left * 3 + 1) == pytest.approx(1.0)
    found = adjusted_mutual_information(left, right)
    assert found == pytest.approx(adjusted_mutual_information(right, left))
    assert found <= normalized_mutual_information(left, right) + 1e-9


def test_adjusted_information_by_hand():
    # {0, 1}, {2, 3} against {0, 2}, {1, 3}: I = 0, H = log 2; of the three pairings of four items in twos one is equal
    # and two are independent, so E[I] = log(2) / 3 and AMI = -1/3 / (1 - 1/3)
    assert adjusted_mutual_information(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])) == pytest.approx(-1 / 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kmeans(torch.rand(3, 2), 4, C), "1 <= k <= 3, the number of points, got k=4"),
        (lambda: kmeans(torch.rand(3, 2), 2), "needs the curvature"),
        (lambda: kmeans(torch.tensor([[0.0, 0.0], [9.0, 0.0]]), 1, C), "row 1 has norm 9, outside the ball"),
        (lambda: kmeans(torch.zeros(2, 2), 1, metric="cosine"), "zero vector"),
        (lambda: clustering_scores(torch.rand(3, 2), [0, 1], C), "labels must hold one integer per point"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
