"""The layer: what it computes, precision under autocast, gradient scaling, geoopt's manifold, messages."""

import copy

import geoopt
import pytest
import torch

from hyperdml.geometry import ToPoincare, clip_norm, dist0, expmap0, scale_gradient


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
    assert torch.equal(ToPoincare(riemannian_gradient=True)(u), ToPoincare()(u))


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
    ("arguments", "message"),
    [({"c": 0.0}, "curvature c"), ({"clip_r": -1.0}, "clip_r must be"), ({"clip_r": float("inf")}, "clip_r must be")],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        ToPoincare(**arguments)
