"""The layer: what it computes, precision under autocast, gradient scaling, geoopt's manifold, messages."""

import copy

import geoopt
import pytest
import torch

from hyperdml.geometry import (
    ToPoincare,
    clip_norm,
    curvature_of,
    dist0,
    expmap0,
    pairwise_distance,
    poincare_ball,
    scale_gradient,
)


def test_is_clip_then_exponential():
    u = torch.randn(5, 8, dtype=torch.float64) * 2
    assert torch.equal(ToPoincare(0.1, 2.3)(u), expmap0(clip_norm(u, 2.3), 0.1))
    assert torch.equal(ToPoincare(0.1, None)(u), expmap0(u, 0.1))


def test_clipped_points_lie_at_twice_the_clipping_radius():
    x = ToPoincare(0.1, 2.3)(torch.randn(10, 64) * 5)
    torch.testing.assert_close(dist0(x, 0.1), torch.full((10,), 4.6), rtol=1e-5, atol=0)
    torch.testing.assert_close(x.norm(dim=1), torch.full((10,), 1.965117), rtol=1e-5, atol=0)


def test_half_input_and_autocast_give_float32():
    layer = ToPoincare()
    u = torch.randn(4, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(u), layer(u.float()))
    assert layer(u.half()).dtype == torch.float32
    assert layer(u.double()).dtype == torch.float64


def test_riemannian_gradient_is_the_inverse_metric():
    x = torch.tensor([[0.0, 0.0], [1.9651, 0.0]], requires_grad=True)
    scale_gradient(x, 0.1).sum().backward()
    torch.testing.assert_close(x.grad[0], torch.full((2,), 0.25))
    torch.testing.assert_close(x.grad[1], torch.full((2,), 0.0942), rtol=1e-3, atol=0)
    u = torch.randn(3, 4, dtype=torch.float64)
    assert torch.equal(ToPoincare(0.1, 2.3, True)(u), ToPoincare()(u))


def test_works_with_geoopt():
    ball = geoopt.PoincareBall(c=1.0)
    layer = ToPoincare(ball, clip_r=1.0)
    assert layer.c == pytest.approx(1.0)
    point = geoopt.ManifoldParameter(layer(torch.randn(3, 4)).detach(), manifold=layer.manifold)
    optimizer = geoopt.optim.RiemannianAdam([point], lr=0.1)
    dist0(point, 1.0).sum().backward()
    before = dist0(point.detach(), 1.0)
    optimizer.step()
    assert (dist0(point.detach(), 1.0) < before).all()


def test_can_be_copied_and_printed():
    layer = copy.deepcopy(ToPoincare(0.2, 1.5, soft_clip=True))
    assert repr(layer) == "ToPoincare(c=0.2, clip_r=1.5, soft_clip=True)"
    assert layer.state_dict() == {}


@pytest.mark.parametrize(
    "layer",
    [
        ToPoincare(0.2, learn_curvature=True),
        ToPoincare(geoopt.PoincareBall(c=0.2), learn_curvature=True),
        ToPoincare(poincare_ball(0.2, learnable=True)),
    ],
)
def test_a_learned_curvature_belongs_to_the_layer(layer):
    assert [name for name, _ in layer.named_parameters()] == ["ball.isp_c"]
    assert layer.manifold is layer.ball
    assert curvature_of(layer.manifold) == pytest.approx(0.2, rel=1e-6)
    assert curvature_of(layer.c) == pytest.approx(0.2, rel=1e-6)
    u = torch.randn(5, 3)
    torch.testing.assert_close(layer(u), ToPoincare(0.2)(u))
    layer(u).sum().backward()
    assert layer.ball.isp_c.grad != 0
    assert "c=0.2" in repr(layer)
    assert "learn_curvature=True" in repr(layer)


def test_a_learnable_ball_is_kept_and_shared():
    ball = poincare_ball(0.2, learnable=True)
    both = torch.nn.ModuleList([ToPoincare(ball), ToPoincare(ToPoincare(ball, learn_curvature=True).manifold)])
    assert both[0].manifold is ball
    assert both[1].manifold is ball
    assert len(list(both.parameters())) == 1
    copied = copy.deepcopy(both)
    assert copied[0].manifold is copied[1].manifold
    assert copied[0].manifold is not ball
    u = torch.randn(5, 3)
    loss = pairwise_distance(copied[0](u), copied[0](u + 1), copied[0].manifold).sum()
    loss.backward()
    assert copied[1].ball.isp_c.grad is not None
    assert ball.isp_c.grad is None


def test_learned_curvature_survives_state_dict_and_dtype():
    layer = ToPoincare(0.2, learn_curvature=True)
    torch.nn.init.constant_(layer.ball.isp_c, 0.5)
    other = ToPoincare(0.7, learn_curvature=True)
    other.load_state_dict(layer.state_dict())
    assert curvature_of(other.manifold) == curvature_of(layer.manifold)
    u = torch.randn(4, 3)
    expected = layer(u)
    for dtype, bar in ((torch.float64, 1e-6), (torch.float32, 1e-6), (torch.bfloat16, 1e-2), (torch.float16, 1e-3)):
        cast = copy.deepcopy(layer).to(dtype)
        assert cast.ball.isp_c.dtype == dtype
        x = cast(u.to(dtype)) if dtype == torch.float64 else cast(u)
        assert x.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        torch.testing.assert_close(x.float(), expected, rtol=bar, atol=bar)


@pytest.mark.parametrize("soft_clip", [False, True])
def test_scaling_leaves_the_gradient_of_the_curvature_alone(soft_clip):
    u = torch.randn(6, 4, dtype=torch.float64) * 2
    weight = torch.randn(6, 4, dtype=torch.float64)
    grads = {}
    for scaled in (False, True):
        fixed = ToPoincare(0.3, 2.3, scaled, soft_clip=soft_clip)
        learned = ToPoincare(0.3, 2.3, scaled, soft_clip=soft_clip, learn_curvature=True)
        for name, layer in (("fixed", fixed), ("learned", learned)):
            v = u.clone().requires_grad_()
            (layer(v) * weight).sum().backward()
            grads[name, scaled] = v.grad
        grads["c", scaled] = learned.ball.isp_c.grad
    torch.testing.assert_close(grads["learned", True], grads["fixed", True])
    torch.testing.assert_close(grads["learned", False], grads["fixed", False])
    assert not torch.allclose(grads["fixed", True], grads["fixed", False])
    torch.testing.assert_close(grads["c", True], grads["c", False])


def test_refuses_a_bare_tensor_under_training():
    with pytest.raises(ValueError, match="a module cannot own"):
        ToPoincare(torch.tensor(0.1, requires_grad=True))
    assert ToPoincare(torch.tensor(0.25)).c == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"c": 0.0}, "curvature c"), ({"clip_r": -1.0}, "clip_r must be"), ({"clip_r": float("inf")}, "clip_r must be")],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        ToPoincare(**arguments)


@pytest.mark.parametrize("learn_curvature", [False, True])
def test_compiles_and_exports_whole(learn_curvature):
    layer = ToPoincare(riemannian_gradient=True, learn_curvature=learn_curvature)
    u = torch.randn(4, 3, requires_grad=True)
    expected = layer(u)
    torch.testing.assert_close(torch.compile(layer, fullgraph=True, backend="eager")(u), expected)
    exported = torch.export.export(layer, (u.detach(),)).module()
    torch.testing.assert_close(exported(u.detach()), expected.detach())
