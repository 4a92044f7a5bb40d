"""Heads over a taxonomy, alone and beside other losses on the same embedding."""

import geoopt
import pytest
import torch
from hace.oracles import G1, T1, dense_log_prob
from pytorch_metric_learning.losses import TripletMarginLoss
from synthetic import tree_points

from hyperdml.geometry import ToPoincare, pairwise_distance
from hyperdml.hace import HACELoss, HyperbolicTaxonomyHead, TaxonomyHead
from hyperdml.hier import HIER
from hyperdml.taxonomy import Taxonomy


def test_linear_head():
    for kind, width in (("all_nodes", 9), ("leaves", 5)):
        head = TaxonomyHead(4, T1, kind)
        features = torch.randn(3, 4)
        logits = head(features)
        assert logits.shape == (3, width)
        assert head.names == T1.names[:width]
        torch.testing.assert_close(logits, features @ head.linear.weight.T + head.linear.bias)
        torch.testing.assert_close(head.log_prob(features).double(), dense_log_prob(logits, T1), rtol=1e-5, atol=1e-5)
    assert TaxonomyHead(4, T1, bias=False).linear.bias is None


@pytest.mark.parametrize("kind", [TaxonomyHead, HyperbolicTaxonomyHead])
def test_the_state_belongs_to_its_taxonomy(kind):
    head, same = kind(4, T1), kind(4, T1)
    same.load_state_dict(head.state_dict())
    x = 0.1 * torch.randn(2, 4)
    assert torch.equal(head(x), same(x))
    numbers = sum(value.numel() for value in head.state_dict().values())
    assert numbers < 4 * 9 + 9 + 300, "nothing of the closure"
    others = [("r", "A"), ("r", "B"), ("A", "c"), ("A", "a1"), ("A", "a2"), ("B", "D"), ("D", "d1"), ("D", "d2")]
    other = Taxonomy.from_edges(others, T1.leaves)  # as many rows, another tree
    with pytest.raises(ValueError, match=f"the stored {kind.__name__} has taxonomy="):
        kind(4, other).load_state_dict(head.state_dict())


def test_hyperbolic_head_is_minus_scale_times_distance():
    points, _, _ = tree_points(12, 6, spread=True)
    head = HyperbolicTaxonomyHead(6, T1, c=0.1, scale=3.0)
    prototypes = ToPoincare(0.1, 2.3)(head.prototypes)
    torch.testing.assert_close(head(points), -3 * pairwise_distance(points, prototypes, 0.1))
    assert torch.equal(head.prototypes_on_ball(), prototypes)
    # the same order is not that of the angles or of the flat distances
    best = head(points).argmax(1)
    assert not torch.equal(best, (points @ torch.nn.functional.normalize(prototypes, dim=1).T).argmax(1))
    assert not torch.equal(best, (-torch.cdist(points, prototypes)).argmax(1))
    tangent = HyperbolicTaxonomyHead(6, T1, embeddings="tangent", scale=3.0)
    tangent.load_state_dict(head.state_dict())
    features = torch.randn(5, 6)
    torch.testing.assert_close(tangent(features), head(ToPoincare(0.1, 2.3)(features)))


def test_prototypes_start_the_farther_out_the_deeper():
    norms = HyperbolicTaxonomyHead(6, T1).prototypes.norm(dim=1)
    order = torch.from_numpy(T1.depths.copy())
    assert norms[order == 3].min() > norms[order == 2].max()
    assert norms[order == 1].min() > norms[order == 0].max()


def test_a_learned_curvature_is_shared():
    ball = geoopt.PoincareBall(c=0.1, learnable=True)
    head = HyperbolicTaxonomyHead(6, T1, c=ball, embeddings="tangent")
    HACELoss(T1, 0.5)(head(torch.randn(8, 6)), torch.arange(8) % 5).backward()
    assert ball.isp_c.grad.abs() > 0
    assert head.prototypes.grad.abs().sum() > 0
    assert head.log_scale.grad.abs() > 0


def test_training_beside_a_metric_loss_and_hier():
    torch.manual_seed(0)
    features, labels = torch.randn(40, 10), torch.arange(40) % 5
    features += 2 * torch.nn.functional.one_hot(labels, 10)
    body = torch.nn.Sequential(torch.nn.Linear(10, 8), ToPoincare(0.1, 2.3))
    head, hier = HyperbolicTaxonomyHead(8, T1), HIER(8, levels=(2, 5), warmup=2)
    metric, hace = TripletMarginLoss(), HACELoss(T1, 0.5)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters(), *hier.parameters()], lr=0.02)
    first = None
    for _ in range(40):
        points = body(features)
        loss = metric(points, labels) + hace(head(points), labels) + 0.5 * hier(points, labels)
        first = first or hace(head(points), labels).item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    points = body(features)
    assert hace(head(points), labels).item() < first / 2
    assert (head(points)[:, :5].argmax(1) == labels).float().mean() > 0.9


def test_training_on_a_dag_moves_mass_to_the_labels():
    head, loss = TaxonomyHead(6, G1), HACELoss(G1, 0.5)
    x, y = torch.eye(6)[:2], torch.tensor([0, 1])
    optimizer = torch.optim.SGD(head.parameters(), lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        loss(head(x), y).backward()
        optimizer.step()
    assert (head.log_prob(x).exp()[[0, 1], y] > 0.9).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"embeddings": "flat"}, "embeddings must be 'ball' or 'tangent', got 'flat'"),
        ({"scale": 0.0}, "scale must be positive and finite, got 0.0"),
        ({"c": -1.0}, "curvature c must be positive"),
        ({"head": "nodes"}, "head must be"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        HyperbolicTaxonomyHead(6, T1, **options)


def test_error_of_a_batch():
    with pytest.raises(ValueError, match=r"expected \(B, 6\) embeddings, got \(2, 5\)"):
        HyperbolicTaxonomyHead(6, T1)(torch.zeros(2, 5))
