"""`parametrize_on_ball`: class weights that start, stay and train on the ball."""

import copy

import pytest
import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.distances import LpDistance

from hyperdml.geometry import ToPoincare, expmap0, logmap0, poincare_ball
from hyperdml.integrations import PoincareDistance, parametrize_on_ball

CLASSES, SIZE = 6, 8
KINDS = {
    losses.ProxyAnchorLoss: ("proxies", 1),
    losses.ProxyNCALoss: ("proxies", 1),
    losses.SoftTripleLoss: ("fc", 0),
    losses.NormalizedSoftmaxLoss: ("W", 0),
}


def batch():
    return ToPoincare()(torch.randn(24, SIZE) * 0.5).requires_grad_(), torch.arange(24) // 4


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def weights(loss):
    """Class weights, one a row."""
    name, dim = next(found for kind, found in KINDS.items() if isinstance(loss, kind))
    found = getattr(loss, name)
    return found if dim == 1 else found.T


@pytest.mark.parametrize(("c", "clip_r"), [(0.1, 2.3), (1.0, 1.0)])
def test_start_keeps_directions_and_lies_inside_the_clipping_radius(kind, c, clip_r):
    loss = kind(CLASSES, SIZE)
    before = weights(loss).detach().clone()
    parametrize_on_ball(loss, c, clip_r)
    after = weights(loss)
    torch.testing.assert_close(torch.cosine_similarity(before, after), torch.ones(len(before)))
    tangent = logmap0(after, c).norm(dim=1)
    assert tangent.max().item() == pytest.approx(0.9 * clip_r, rel=1e-4)
    torch.testing.assert_close(tangent / tangent.max(), before.norm(dim=1) / before.norm(dim=1).max())


def test_parameter_stays_the_same_object_and_an_optimiser_moves_it(kind):
    loss = kind(CLASSES, SIZE)
    parameter = next(loss.parameters())
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    parametrize_on_ball(loss)
    assert next(loss.parameters()) is parameter
    before = weights(loss).detach().clone()
    loss(*batch()).backward()
    optimizer.step()
    assert not torch.equal(weights(loss), before)


def test_no_step_leaves_the_ball(kind):
    loss = parametrize_on_ball(kind(CLASSES, SIZE))
    optimizer = torch.optim.SGD(loss.parameters(), lr=1000.0)
    for _ in range(5):
        points, labels = batch()
        value = loss(points, labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        assert weights(loss).norm(dim=1).max() <= expmap0(torch.tensor([2.3]), 0.1) + 1e-5
        assert value.isfinite()
        assert points.grad.any()


def test_normalized_softmax_is_a_softmax_of_poincare_distances():
    points, labels = batch()
    loss = parametrize_on_ball(losses.NormalizedSoftmaxLoss(CLASSES, SIZE, temperature=0.5))
    logits = -PoincareDistance()(points, loss.W.T.detach()) / 0.5
    torch.testing.assert_close(loss(points, labels), torch.nn.functional.cross_entropy(logits, labels))


def test_proxy_nca_by_hand():
    points, labels = batch()
    loss = parametrize_on_ball(losses.ProxyNCALoss(CLASSES, SIZE))
    log_share = (-PoincareDistance()(points, loss.proxies.detach())).log_softmax(1)
    torch.testing.assert_close(loss(points, labels), -log_share[torch.arange(24), labels].mean())


def test_state_copies_and_half_precision_embeddings(kind):
    loss = parametrize_on_ball(kind(CLASSES, SIZE))
    (name,) = loss.state_dict()
    assert name == f"parametrizations.{KINDS[kind][0]}.original"
    other = parametrize_on_ball(kind(CLASSES, SIZE))
    other.load_state_dict(loss.state_dict())
    points, labels = batch()
    assert other(points, labels) == copy.deepcopy(loss)(points, labels) == loss(points, labels)
    # the library casts weights to the embeddings' dtype: it must not touch the tangent vectors
    loss(points.detach().bfloat16(), labels).backward()
    assert weights(loss).dtype == torch.float32


def test_weights_can_be_assigned_as_points():
    loss = parametrize_on_ball(losses.ProxyAnchorLoss(CLASSES, SIZE))
    points = ToPoincare()(torch.randn(CLASSES, SIZE) * 0.5)
    loss.proxies = points
    torch.testing.assert_close(loss.proxies, points)
    zero = losses.ProxyAnchorLoss(CLASSES, SIZE)
    torch.nn.init.zeros_(zero.proxies)
    assert not parametrize_on_ball(zero).proxies.any()


def test_distance_of_the_same_ball_stays_and_others_are_replaced():
    mine = PoincareDistance(0.2)
    assert parametrize_on_ball(losses.ProxyNCALoss(CLASSES, SIZE, distance=mine), 0.2).distance is mine
    loss = parametrize_on_ball(losses.ProxyNCALoss(CLASSES, SIZE, distance=LpDistance()), 0.2)
    assert (loss.distance.c, loss.distance.is_inverted) == (0.2, True)


def test_learned_curvature_is_shared_by_weights_and_distance(kind):
    ball = poincare_ball(0.1, learnable=True)
    loss = parametrize_on_ball(kind(CLASSES, SIZE), ball)
    assert sum(parameter is ball.isp_c for parameter in loss.parameters()) == 1
    assert len(list(loss.parameters())) == 2
    assert loss.distance.ball is ball
    loss(*batch()).backward()
    assert ball.isp_c.grad.any()
    if kind is not losses.SoftTripleLoss:
        with pytest.raises(ValueError, match="a learnable ball must be shared"):
            parametrize_on_ball(kind(CLASSES, SIZE, distance=PoincareDistance(0.1)), poincare_ball(0.1, learnable=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.TripletMarginLoss(), "TripletMarginLoss has no class weights.*ProxyAnchorLoss, ProxyNCALoss"),
        (lambda: losses.ArcFaceLoss(6, 8), "ArcFaceLoss compares with its class weights by cosine alone"),
        (lambda: losses.P2SGradLoss(8, 6), "P2SGradLoss compares with its class weights by cosine alone"),
        (lambda: parametrize_on_ball(losses.ProxyNCALoss(6, 8)), r"ProxyNCALoss\.proxies is parametrised already"),
        (
            lambda: losses.ProxyNCALoss(6, 8, distance=PoincareDistance(embeddings="tangent")),
            r"embeddings='tangent'\) maps the class weights itself",
        ),
        (lambda: losses.ProxyNCALoss(6, 8, distance=PoincareDistance(0.5)), r"has c=0\.5, .* would have 0\.1"),
    ],
)
def test_losses_that_cannot_are_refused_with_the_reason(make, message):
    loss = make()
    with pytest.raises(ValueError, match=message):
        parametrize_on_ball(loss)
    with pytest.raises(ValueError, match="clip_r must be positive"):
        parametrize_on_ball(losses.ProxyNCALoss(6, 8), clip_r=-1)
