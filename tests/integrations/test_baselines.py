"""Hyp-ViT's loss and the hierarchical triplet loss, against loops written from the papers."""

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer

from hyperdml.geometry import ToPoincare, pairwise_distance
from hyperdml.integrations import HierarchicalTripletLoss, HypLoss, PoincareDistance
from hyperdml.integrations.baselines import class_tree

DOUBLE = {"dtype": torch.float64}


def points(n, d=6):
    return ToPoincare()(torch.randn(n, d, **DOUBLE)).requires_grad_()


def loss_of_two_views(first, second, similarity, temperature):
    """Cross-entropy of one ordered pair of views (n, d): the other view of the same class against all other rows."""
    n = len(first)
    within = similarity(first, first) / temperature - 1e9 * torch.eye(n, **DOUBLE)
    logits = torch.cat([similarity(first, second) / temperature, within], 1)
    return torch.nn.functional.cross_entropy(logits, torch.arange(n))


def spherical(x, y):
    return torch.nn.functional.normalize(x) @ torch.nn.functional.normalize(y).T


def hyperbolic(x, y):
    return -pairwise_distance(x, y, 0.1)


@pytest.mark.parametrize(("similarity", "distance"), [(hyperbolic, None), (spherical, CosineSimilarity())])
@pytest.mark.parametrize("views", [2, 4])
def test_hyp_loss_is_the_sum_over_pairs_of_views(similarity, distance, views):
    x = points(5 * views)
    by_view = x.view(5, views, -1)
    expected = sum(
        loss_of_two_views(by_view[:, i], by_view[:, j], similarity, 0.2)
        for i in range(views)
        for j in range(views)
        if i != j
    )
    labels = torch.arange(5).repeat_interleave(views)
    shuffled = torch.randperm(5).repeat_interleave(views)
    for names in (labels, shuffled):
        found = HypLoss(distance=distance)(x, names)
        torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad(value, x, retain_graph=True)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients)
    mean = HypLoss(distance=distance, reducer=MeanReducer())(x, labels)
    torch.testing.assert_close(mean, expected / (views * (views - 1)))


def test_order_of_classes_in_the_batch_does_not_matter():
    x, labels = points(12), torch.arange(12) // 3
    interleaved = torch.arange(12).view(4, 3).T.flatten()
    torch.testing.assert_close(HypLoss()(x[interleaved], labels[interleaved]), HypLoss()(x, labels))


def test_unequal_classes_pair_by_pair():
    x, labels = points(8), torch.tensor([0, 1, 0, 2, 0, 1, 3, 3])
    view = [labels[:i].tolist().count(int(labels[i])) for i in range(8)]
    s = hyperbolic(x, x).detach() / 0.5
    total = 0
    for a in range(8):
        for p in range(8):
            if a != p and labels[a] == labels[p]:
                others = [n for n in range(8) if labels[n] != labels[a] and view[n] in (view[a], view[p])]
                total += -math.log(s[a, p].exp() / (s[a, p].exp() + sum(s[a, n].exp() for n in others)))
    assert HypLoss(temperature=0.5)(x, labels).item() == pytest.approx(total / 4)


def test_one_class_or_no_pair_costs_nothing():
    x = points(4)
    assert HypLoss()(x, torch.zeros(4, dtype=torch.int64)) == 0
    assert HypLoss()(x, torch.arange(4)) == 0


def test_hyp_loss_refuses_what_it_does_not_use():
    x, labels = points(6), torch.arange(6) // 2
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        HypLoss(temperature=0)
    with pytest.raises(ValueError, match="HypLoss needs labels"):
        HypLoss()(x)
    with pytest.raises(ValueError, match="indices_tuple is not supported"):
        HypLoss()(x, labels, BatchHardMiner()(x, labels))
    with pytest.raises(ValueError, match="ref_emb is not supported"):
        HypLoss()(x, labels, ref_emb=x + 0, ref_labels=labels)


def mean_distance(first, second):
    total = [float(((a - b) ** 2).sum()) for a in first for b in second]
    pairs = len(first) * len(second) - (len(first) if first is second else 0)
    return sum(total) / max(pairs, 1)


def tree_by_hand(x, labels, levels, largest):
    """Margins without beta: average linkage by repeated search for the closest nodes, thresholds as in the paper."""
    x = torch.nn.functional.normalize(x.detach(), dim=1)
    members = [[row for row, label in zip(x, labels, strict=True) if label == k] for k in range(int(labels.max()) + 1)]
    count = len(members)
    between = np.array([[mean_distance(p, q) for q in members] for p in members])
    within = [between[k, k] for k in range(count)]
    start = np.mean([s for s, m in zip(within, members, strict=True) if len(m) > 1])
    thresholds = [start + level * (largest - start) / levels for level in range(levels + 1)]
    nodes = [[k] for k in range(count)]
    merged = np.zeros((count, count))
    while len(nodes) > 1:
        pairs = [(i, j) for i in range(len(nodes)) for j in range(i)]
        linkage = {(i, j): np.mean([between[p, q] for p in nodes[i] for q in nodes[j]]) for i, j in pairs}
        i, j = min(linkage, key=linkage.get)
        for p in nodes[i]:
            for q in nodes[j]:
                merged[p, q] = merged[q, p] = linkage[i, j]
        nodes[j] += nodes.pop(i)
    margin = np.zeros((count, count))
    for p in range(count):
        for q in range(count):
            passed = [d for d in thresholds if merged[p, q] < d]
            margin[p, q] = (passed[0] if passed else thresholds[-1]) - within[p]
    return margin


@pytest.fixture
def clustered():
    """Six classes in two groups, and their training set."""
    groups = torch.randn(2, 5, **DOUBLE) * 3
    centres = groups.repeat_interleave(3, 0) + torch.randn(6, 5, **DOUBLE)
    labels = torch.tensor([0] * 5 + [1] * 4 + [2] * 4 + [3] * 6 + [4] * 4 + [5])
    return centres[labels] + 0.4 * torch.randn(24, 5, **DOUBLE), labels


def test_margins_are_those_of_the_tree(clustered, monkeypatch):
    x, labels = clustered
    monkeypatch.setattr(class_tree, "CHUNK", 7)
    loss = HierarchicalTripletLoss(6, beta=0.25, levels=8).double()
    loss.update_tree(x, labels)
    grid = torch.arange(6)
    found = loss.margins(grid.repeat_interleave(6), grid.repeat(6)).view(6, 6)
    expected = torch.from_numpy(tree_by_hand(x, labels, 8, 4.0)) + 0.25
    apart = ~torch.eye(6, dtype=torch.bool)
    torch.testing.assert_close(found[apart], expected[apart], rtol=1e-6, atol=1e-6)
    assert len(loss.level[apart].unique()) > 1
    assert loss.spread[5] == 0


def test_value_is_half_the_mean_hinge_over_all_triplets(clustered):
    x, labels = clustered
    loss = HierarchicalTripletLoss(6).double()
    loss.update_tree(x, labels)
    unit = torch.nn.functional.normalize(x, dim=1)
    margin = tree_by_hand(x, labels, 16, 4.0) + 0.1
    hinges = []
    for a in range(24):
        for p in range(24):
            for n in range(24):
                if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
                    gap = ((unit[a] - unit[p]) ** 2).sum() - ((unit[a] - unit[n]) ** 2).sum()
                    hinges.append(max(0.0, float(gap) + margin[labels[a], labels[n]]))
    assert loss(x, labels).item() == pytest.approx(sum(hinges) / (2 * len(hinges)), rel=1e-5)


def test_groups_that_merge_late_get_larger_margins(clustered):
    x, labels = clustered
    loss = HierarchicalTripletLoss(6).double()
    loss.update_tree(x, labels)
    near, far = loss.margins(torch.tensor([0, 0]), torch.tensor([1, 4]))
    assert near < far
    assert loss.margins(torch.tensor([0]), torch.tensor([4])) <= 0.1 + 4


@pytest.mark.parametrize("make", [lambda: BatchHardMiner(), lambda: None])
def test_mined_triplets_and_reference_sets(clustered, make):
    x, labels = clustered
    loss = HierarchicalTripletLoss(6).double()
    loss.update_tree(x, labels)
    miner = make()
    triplets = miner(x, labels) if miner else None
    value = loss(x[:9], labels[:9], ref_emb=x, ref_labels=labels) if miner is None else loss(x, labels, triplets)
    assert value.isfinite()
    assert loss(x[:1], labels[:1]) == 0


def test_poincare_distance_takes_its_own_largest():
    x, labels = ToPoincare()(torch.randn(24, 6)), torch.arange(24) // 4
    loss = HierarchicalTripletLoss(6, distance=PoincareDistance(), largest=9.2)
    loss.update_tree(x, labels)
    assert loss.thresholds[-1] == pytest.approx(9.2)
    within = class_tree.class_distances(x, labels, 6, PoincareDistance()).diagonal()
    torch.testing.assert_close(loss.thresholds[0], within.mean())
    assert loss(x, labels).isfinite()


def test_tree_is_part_of_the_state_and_missing_at_first(clustered):
    x, labels = clustered
    loss = HierarchicalTripletLoss(6).double()
    with pytest.raises(ValueError, match=r"no class tree yet: call update_tree"):
        loss(x, labels)
    loss.update_tree(x, labels)
    other = HierarchicalTripletLoss(6).double()
    other.load_state_dict(loss.state_dict())
    assert other(x, labels) == loss(x, labels)


def test_equal_classes_need_no_tree_of_their_own():
    """With every pair of classes equally far apart HTL is a triplet loss with one margin."""
    x, labels = torch.eye(6).repeat_interleave(2, 0), torch.arange(12) // 2
    loss = HierarchicalTripletLoss(6, beta=0.5, levels=5)
    loss.update_tree(x, labels)
    margin = loss.margins(torch.tensor([0]), torch.tensor([3])).item()
    assert margin == pytest.approx(0.5 + 2.4)  # of the thresholds 0, 0.8, ..., 4 this is the first above d = 2
    same = losses.TripletMarginLoss(margin=margin, distance=LpDistance(power=2), reducer=MeanReducer())
    torch.testing.assert_close(loss(x, labels), same(x, labels) / 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
        ({"num_classes": 4, "levels": 0}, "levels must be 1 to 255, got 0"),
        ({"num_classes": 4, "levels": 256}, "levels must be 1 to 255, got 256"),
        ({"num_classes": 4, "largest": 0}, "largest must be positive, got 0"),
        ({"num_classes": 4, "distance": CosineSimilarity()}, "CosineSimilarity is a similarity"),
    ],
)
def test_tree_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        HierarchicalTripletLoss(**options)


def test_training_sets_that_give_no_tree(clustered):
    x, labels = clustered
    with pytest.raises(ValueError, match="labels must be 0 to 3, got 0 to 5"):
        HierarchicalTripletLoss(4).update_tree(x, labels)
    with pytest.raises(ValueError, match="2 have none, the first is 6"):
        HierarchicalTripletLoss(8).update_tree(x, labels)
    with pytest.raises(ValueError, match="a class with at least two samples"):
        HierarchicalTripletLoss(6).update_tree(x[:6], torch.arange(6))
    with pytest.raises(ValueError, match=r"within classes is .*; largest=0\.01 must exceed it"):
        HierarchicalTripletLoss(6, largest=0.01).update_tree(x, labels)
    with pytest.raises(ValueError, match="HierarchicalTripletLoss needs labels"):
        HierarchicalTripletLoss(6)(x)
