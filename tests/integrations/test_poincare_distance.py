"""`PoincareDistance`: the right numbers inside the library, and guards against its usual misuse."""

import warnings

import geoopt
import pytest
import torch
from pytorch_metric_learning import losses
from pytorch_metric_learning.distances import BatchedDistance
from pytorch_metric_learning.utils.inference import CustomKNN
from torch import nn

from hyperdml import HyperbolicKNN
from hyperdml.geometry import ToPoincare, expmap0, poincare_ball
from hyperdml.integrations import PoincareDistance


def features(n=24, d=8, dtype=torch.float32):
    return torch.randn(n, d, dtype=dtype) * 0.6


def points(n=24, d=8, c=0.1, dtype=torch.float32):
    return ToPoincare(c)(features(n, d, dtype))


@pytest.mark.parametrize("c", [0.1, 1.0])
def test_matrix_and_rows_are_those_of_geoopt(c):
    x, y = points(c=c, dtype=torch.float64), points(c=c, dtype=torch.float64)
    distance = PoincareDistance(c)
    expected = geoopt.PoincareBall(c=torch.tensor(c, dtype=torch.float64)).dist(x[:, None], y[None])
    torch.testing.assert_close(distance(x, y), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(distance.pairwise_distance(x, y), distance(x, y).diagonal())
    torch.testing.assert_close(distance(x), distance(x, x))
    torch.testing.assert_close(distance.compute_mat(x, None), distance(x))


@pytest.mark.parametrize("ref", [None, features(10)])
def test_tangent_maps_both_sets(ref):
    u = features()
    on_ball = ToPoincare(0.3, 1.5)
    tangent = PoincareDistance(0.3, embeddings="tangent", clip_r=1.5)
    expected = PoincareDistance(0.3)(on_ball(u), None if ref is None else on_ball(ref))
    torch.testing.assert_close(tangent(u, ref), expected)
    if ref is not None:
        row = PoincareDistance(0.3).pairwise_distance(on_ball(u[:10]), on_ball(ref))
        torch.testing.assert_close(tangent.pairwise_distance(u[:10], ref), row)


def test_inverted_is_the_negative_and_power_a_power():
    x = points()
    plain, inverted = PoincareDistance(), PoincareDistance(is_inverted=True)
    torch.testing.assert_close(inverted(x), -plain(x))
    torch.testing.assert_close(inverted.pairwise_distance(x, x.flip(0)), -plain.pairwise_distance(x, x.flip(0)))
    torch.testing.assert_close(PoincareDistance(power=2)(x), plain(x) ** 2)
    assert plain.smallest_dist(plain(x)) == -inverted.smallest_dist(inverted(x))


def test_triplet_loss_by_hand():
    x, labels = points(), torch.arange(24) // 4
    d = PoincareDistance()(x)
    hinges = [
        torch.relu(d[a, p] - d[a, n] + 1)
        for a in range(24)
        for p in range(24)
        for n in range(24)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    ]
    expected = torch.stack([hinge for hinge in hinges if hinge > 0]).mean()
    torch.testing.assert_close(losses.TripletMarginLoss(margin=1.0, distance=PoincareDistance())(x, labels), expected)


def test_batched_distance_and_custom_knn_agree_with_the_whole():
    x, y = points(), points(40)
    blocks = []
    BatchedDistance(PoincareDistance(), iter_fn=lambda block, start, end: blocks.append(block), batch_size=7)(x, y)
    torch.testing.assert_close(torch.cat(blocks), PoincareDistance()(x, y))
    _, found = CustomKNN(PoincareDistance())(x, 5, y, False)
    _, expected = HyperbolicKNN(c=0.1)(x, 5, y, False)
    assert torch.equal(found, expected)


def test_learned_curvature_is_a_parameter_of_the_loss():
    ball = poincare_ball(0.3, learnable=True)
    loss = losses.TripletMarginLoss(margin=1.0, distance=PoincareDistance(ball, embeddings="tangent"))
    (parameter,) = loss.parameters()
    assert parameter is ball.isp_c
    loss(features(), torch.arange(24) // 4).backward()
    assert parameter.grad.any()
    assert loss.distance.c == pytest.approx(0.3)
    fixed = PoincareDistance(0.3, embeddings="tangent")
    x = features()
    torch.testing.assert_close(loss.distance(x), fixed(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_give_float32_distances_of_the_rounded_points(dtype):
    x = points()
    found = PoincareDistance()(x.to(dtype))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, PoincareDistance()(x.to(dtype).float()))
    assert PoincareDistance()(x.double()).dtype == torch.float64


@pytest.mark.parametrize("loss", [losses.TripletMarginLoss, losses.NTXentLoss, losses.MultiSimilarityLoss])
def test_losses_run_and_train_under_autocast(loss):
    model, x = nn.Linear(8, 8), features()
    loss = loss(distance=PoincareDistance(embeddings="tangent"))
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(model(x), torch.arange(24) // 4)
    value.backward()
    assert value.dtype == torch.float32
    assert model.weight.grad.isfinite().all()
    assert model.weight.grad.any()


def test_norms_are_recorded_on_request():
    x = points()
    distance = PoincareDistance(collect_stats=True)
    distance(x)
    assert distance.initial_avg_query_norm == distance.final_avg_query_norm
    assert distance.initial_avg_query_norm == pytest.approx(x.norm(dim=1).mean().item())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normalize_embeddings": True}, "normalize_embeddings must be False"),
        ({"p": 1}, "p must be 2, got 1"),
        ({"power": 0}, "power must be positive, got 0"),
        ({"power": 2, "is_inverted": True}, "power must be 1 for is_inverted=True, got 2"),
        ({"embeddings": "euclidean"}, "'ball' or 'tangent', got 'euclidean'"),
        ({"c": -1}, "curvature c must be positive"),
        ({"clip_r": 0}, "clip_r must be positive"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        PoincareDistance(**options)


@pytest.mark.parametrize("side", ["query", "reference"])
def test_points_outside_the_ball_are_an_error_with_value_radius_and_hint(side):
    inside, outside = points(), torch.eye(8) * 3.5
    sets = (outside, inside) if side == "query" else (inside, outside)
    message = r"norm 3\.5, outside the ball of radius 3\.162 \(c=0\.1\).*embeddings='tangent'"
    for call in (PoincareDistance().forward, lambda x, y: PoincareDistance().pairwise_distance(x, y)):
        with pytest.raises(ValueError, match=message):
            call(*sets)


def test_every_batch_is_looked_at_on_the_cpu():
    distance = PoincareDistance()
    distance(points(0))  # nothing to see yet
    for _ in range(2):
        with pytest.raises(ValueError, match="outside the ball"):
            distance(torch.eye(8) * 3.5)
        distance(points())


def test_only_the_first_points_are_looked_at_where_a_look_makes_the_device_wait():
    distance = PoincareDistance()
    distance(points())
    elsewhere = torch.empty(4, 8, device="meta")  # a look at its values would raise
    assert distance._points(elsewhere, elsewhere) == (elsewhere, elsewhere)
    with pytest.raises(RuntimeError, match="meta"):
        PoincareDistance()._points(elsewhere, elsewhere)


@pytest.mark.parametrize(("radius", "hint"), [(1.0, r"norm 1; were they normalised\?"), (1.7, r"norm 1\.7: on one")])
def test_equal_norms_give_one_warning_and_rank_as_cosine_does(radius, hint):
    x = radius * nn.functional.normalize(features(), dim=1)
    distance = PoincareDistance()
    with pytest.warns(UserWarning, match=hint):
        matrix = distance(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distance(x)
        PoincareDistance()(torch.cat([x, x[:1] / 2]))
        PoincareDistance()(x[:1])
    assert torch.equal(matrix.argsort(1)[:, 1:], (-x @ x.T).argsort(1)[:, 1:])


def test_clipping_puts_long_features_on_one_sphere_and_says_so():
    with pytest.warns(UserWarning, match=r"same norm 1\.965"):
        PoincareDistance(embeddings="tangent")(features() * 100)


def test_bare_class_weights_are_refused_and_kept_ones_are_not():
    x, weights = points(), nn.Parameter(points(6))
    for bare in (weights, nn.Parameter(points(6).T).t()):
        with pytest.raises(ValueError, match=r"bare parameter.*parametrize_on_ball\(loss\)"):
            PoincareDistance()(x, bare)
    kept = geoopt.ManifoldParameter(points(6), manifold=geoopt.PoincareBall(0.1))
    assert PoincareDistance()(x, kept).shape == (24, 6)
    assert PoincareDistance(embeddings="tangent")(x, weights).shape == (24, 6)
    assert PoincareDistance()(weights).shape == (6, 6)


@pytest.mark.parametrize("loss", [losses.ProxyAnchorLoss, losses.ProxyNCALoss, losses.NormalizedSoftmaxLoss])
def test_tangent_features_need_no_other_class_weights(loss):
    u, labels = features().requires_grad_(), torch.arange(24) // 4
    loss = loss(6, 8, distance=PoincareDistance(embeddings="tangent", is_inverted=True))
    weights = next(loss.parameters())
    logits = loss.get_logits(u)
    rows = weights.T if isinstance(loss, losses.NormalizedSoftmaxLoss) else weights
    scale = getattr(loss, "temperature", 1)
    clipped = rows * (2.3 / rows.norm(dim=1, keepdim=True)).clamp_max(1)
    expected = -PoincareDistance()(ToPoincare()(u), expmap0(clipped, 0.1)) / scale
    torch.testing.assert_close(logits, expected)
    loss(u, labels).backward()
    assert weights.grad.any()


def test_print_shows_the_options():
    assert repr(PoincareDistance()) == "PoincareDistance(c=0.1, embeddings='ball')"
    text = repr(PoincareDistance(0.2, embeddings="tangent", is_inverted=True))
    assert text == "PoincareDistance(c=0.2, embeddings='tangent', clip_r=2.3, is_inverted=True)"
    assert "power=2" in repr(PoincareDistance(power=2))
