"""`ReciprocalNeighborMiner`: triplets of mutual neighbours, for any distance of the library."""

import pytest
import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from synthetic import tree_points

from hyperdml.geometry import ToPoincare
from hyperdml.integrations import PoincareDistance, ReciprocalNeighborMiner

DISTANCES = {
    "poincare": PoincareDistance(),
    "inverted": PoincareDistance(is_inverted=True),
    "cosine": CosineSimilarity(),
    "euclidean": LpDistance(normalize_embeddings=False),
}


def neighbours_by_hand(matrix, k):
    """Sets of mutual k-nearest neighbours, itself not counted."""
    n = len(matrix)
    near = [set(sorted(set(range(n)) - {i}, key=lambda j: matrix[i][j])[:k]) for i in range(n)]
    return [{j for j in near[i] if i in near[j]} for i in range(n)]


@pytest.mark.parametrize("name", DISTANCES)
def test_positives_are_mutual_neighbours_and_negatives_are_not(name):
    points = ToPoincare()(torch.randn(30, 4))
    distance = DISTANCES[name]
    matrix = distance(points) * (-1 if distance.is_inverted else 1)
    related = neighbours_by_hand(matrix.tolist(), 4)
    a, p, n = ReciprocalNeighborMiner(4, 20, distance=distance)(points)
    assert set(a.tolist()) == {i for i in range(30) if len(related[i]) >= 2}
    assert set(a.bincount().tolist()) <= {0, 20}
    for i, j, k in zip(a.tolist(), p.tolist(), n.tolist(), strict=True):
        assert j in related[i]
        assert k not in related[i]
        assert k != i
    drawn = {i: set(p[a == i].tolist()) for i in a.tolist()}
    assert sum(len(found) for found in drawn.values()) > 0.9 * sum(len(related[i]) for i in drawn)


def test_duplicates_do_not_push_a_point_out_of_its_own_neighbours():
    points = ToPoincare()(torch.randn(6, 4)).repeat(3, 1)
    a, p, _ = ReciprocalNeighborMiner(2, 30)(points)
    assert len(a) == 18 * 30
    assert torch.equal(points[a], points[p])
    assert (a != p).all()


def test_draws_come_from_the_generator():
    points = ToPoincare()(torch.randn(30, 4))
    first, again, other = (
        torch.stack(ReciprocalNeighborMiner(5, generator=torch.Generator().manual_seed(seed))(points))
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_labels_can_veto_triplets():
    points, labels, _ = tree_points(72, 8, spread=True)
    free = ReciprocalNeighborMiner(8, 30)(points, labels)
    a, p, n = ReciprocalNeighborMiner(8, 30, agree_with_labels=True)(points, labels)
    assert (labels[a] == labels[p]).all()
    assert (labels[a] != labels[n]).all()
    assert 0 < len(a) < len(free[0])
    with pytest.raises(ValueError, match="agree_with_labels=True needs labels"):
        ReciprocalNeighborMiner(agree_with_labels=True)(points)


def test_tuples_feed_a_loss_without_labels_and_lower_it():
    u = (torch.randn(30, 4) * 0.5).requires_grad_()
    distance = PoincareDistance(embeddings="tangent")
    triplets = ReciprocalNeighborMiner(5, distance=distance)(u)
    loss = losses.TripletMarginLoss(margin=1.0, distance=distance)
    optimizer = torch.optim.SGD([u], lr=0.5)
    values = []
    for _ in range(5):
        value = loss(u, indices_tuple=triplets)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0]


def test_nothing_related_gives_no_triplets_and_a_loss_of_zero():
    points = ToPoincare()(torch.tensor([[0.1, 0.0], [0.5, 0.0], [1.5, 0.0]]))
    triplets = ReciprocalNeighborMiner(1)(points)
    assert [len(part) for part in triplets] == [0, 0, 0]
    assert triplets[0].dtype == torch.int64
    assert losses.TripletMarginLoss()(points, indices_tuple=triplets) == 0


def test_reference_sets_and_numbers_out_of_range_are_refused():
    points = ToPoincare()(torch.randn(6, 4))
    with pytest.raises(ValueError, match="takes no ref_emb"):
        ReciprocalNeighborMiner()(points, torch.arange(6), ref_emb=points + 0, ref_labels=torch.arange(6))
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        ReciprocalNeighborMiner(k=0)
    with pytest.raises(ValueError, match="triplets_per_anchor must be at least 1, got -3"):
        ReciprocalNeighborMiner(triplets_per_anchor=-3)
