"""Maps at the origin: agreement with geoopt and mpmath, extremes, gradients, messages."""

import math

import mpmath
import pytest
import torch

from hyperdml.geometry import (
    clip_norm,
    conformal_factor,
    curvature_of,
    dist0,
    expmap0,
    logmap0,
    poincare_ball,
    project,
    soft_clip_norm,
)

CURVATURES = (1e-6, 0.1, 1.0, 10.0)


@pytest.mark.parametrize("c", CURVATURES)
def test_agrees_with_geoopt(c):
    ball = poincare_ball(c)
    u = torch.randn(64, 7, dtype=torch.float64) / math.sqrt(c)
    u *= 0.5
    x = expmap0(u, c)
    torch.testing.assert_close(x, ball.expmap0(u), rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(logmap0(x, c), ball.logmap0(x), rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(dist0(x, c), ball.dist0(x), rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(conformal_factor(x, c), ball.lambda_x(x), rtol=1e-7, atol=1e-12)


def test_curvature_stays_exact_in_the_manifold_object():
    assert abs(float(poincare_ball(0.1).c) - 0.1) < 1e-15
    assert curvature_of(0.1) == 0.1
    assert curvature_of(poincare_ball(0.25)) == pytest.approx(0.25, abs=1e-15)


@pytest.mark.parametrize("c", [0.0, -1.0, math.nan, math.inf])
def test_refuses_curvatures_that_are_not_positive(c):
    with pytest.raises(ValueError, match="curvature c must be positive"):
        expmap0(torch.zeros(1, 2), c)


@pytest.mark.parametrize("c", CURVATURES)
def test_distance_to_the_origin_of_an_exponential_is_twice_the_norm(c):
    u = torch.nn.functional.normalize(torch.randn(50, 5, dtype=torch.float64), dim=1)
    radius = torch.linspace(1e-3, 5, 50, dtype=torch.float64)[:, None] / math.sqrt(c)
    torch.testing.assert_close(dist0(expmap0(u * radius, c), c), 2 * radius[:, 0], rtol=1e-8, atol=0)


def test_float32_radius_against_mpmath():
    mpmath.mp.dps = 40
    for radius in (1e-6, 0.1, 2.0, 4.6, 8.0):
        x = torch.tensor([[math.tanh(radius / 2), 0.0, 0.0]], dtype=torch.float32)
        exact = 2 * mpmath.atanh(mpmath.mpf(float(x[0, 0])))
        assert abs(float(dist0(x, 1.0)) - float(exact)) <= 1e-6 * float(exact) * max(1, math.exp(radius) / 50)


@pytest.mark.parametrize("c", CURVATURES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e-4, 1.0, 1e3])
@pytest.mark.parametrize("function", [expmap0, logmap0, project, lambda u, c: clip_norm(u, 2.3)])
def test_finite_everywhere(function, scale, dtype, c):
    x = torch.ones(3, 4) * scale if function is expmap0 else torch.ones(3, 4) * scale / math.sqrt(c)
    x = x.clamp(max=6e4).to(dtype)
    x.requires_grad_()
    y = function(x, c)
    y.sum().backward()
    assert y.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert y.isfinite().all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_huge_vectors_end_at_the_radius_and_not_at_the_origin(dtype):
    u = torch.full((2, 4), 1e30).to(dtype)
    torch.testing.assert_close(clip_norm(u, 2.3).norm(dim=1).float(), torch.full((2,), 2.3), rtol=1e-5, atol=0)
    torch.testing.assert_close(soft_clip_norm(u, 2.3).norm(dim=1).float(), torch.full((2,), 2.3), rtol=1e-5, atol=0)
    assert (expmap0(u, 1.0).norm(dim=1) > 0.9998).all()


def test_gradient_of_the_exponential_at_the_origin_is_the_identity():
    jacobian = torch.autograd.functional.jacobian(lambda u: expmap0(u, 0.1), torch.zeros(4, dtype=torch.float64))
    torch.testing.assert_close(jacobian, torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("radius", [1e-3, 0.5, 1.0, 2.0, 2.6])
@pytest.mark.parametrize(
    "function",
    [
        lambda u: expmap0(u, 0.1),
        lambda u: logmap0(u / 3, 0.1),
        lambda u: clip_norm(u, 2.3),
        lambda u: soft_clip_norm(u, 2.3),
        lambda u: dist0(u / 3, 0.1),
        lambda u: conformal_factor(u / 3, 0.1),
    ],
)
def test_gradcheck(function, radius):
    u = torch.nn.functional.normalize(torch.randn(3, 4, dtype=torch.float64), dim=1) * radius
    assert torch.autograd.gradcheck(function, u.requires_grad_())


def test_clip_keeps_short_vectors_and_loses_the_radial_gradient_of_long_ones():
    u = torch.tensor([[0.3, 0.4], [3.0, 4.0]], requires_grad=True)
    clipped = clip_norm(u, 2.3)
    torch.testing.assert_close(clipped.norm(dim=1), torch.tensor([0.5, 2.3]))
    clipped.norm(dim=1).sum().backward()
    torch.testing.assert_close(u.grad[1], torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(u.grad[0], torch.tensor([0.6, 0.8]))


def test_soft_clip_keeps_the_order_of_norms():
    u = torch.linspace(0.01, 20, 100, dtype=torch.float64)[:, None]
    norms = soft_clip_norm(u, 2.3).abs()[:, 0]
    assert (norms.diff() > 0).all()
    assert norms[-1] < 2.3
    assert float(norms[0]) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("radius", [0.0, -1.0, math.inf])
def test_clip_refuses_a_radius_that_is_not_positive(radius):
    with pytest.raises(ValueError, match="clip_r must be positive"):
        clip_norm(torch.ones(1, 2), radius)


def test_project_moves_only_points_near_the_rim():
    x = torch.tensor([[0.5, 0.0], [1.0, 0.0], [10.0, 0.0]])
    inside = project(x, 1.0)
    assert torch.equal(inside[0], x[0])
    torch.testing.assert_close(inside[1:].norm(dim=1), torch.full((2,), 1 - 1e-4))
