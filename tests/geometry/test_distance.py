"""Distances: accuracy against mpmath and geoopt, coincident points, the rim, gradients, dtypes, autocast."""

import math

import pytest
import torch
from geometry.oracles import ball_points, exact_distance

from hyperdml.geometry import distance, pairwise_distance, poincare_ball
from hyperdml.geometry.distance import _direct


@pytest.mark.parametrize(
    ("c", "radius", "bar"), [(0.1, 4.6, 1e-5), (1.0, 8.0, 1e-4), (0.1, 8.0, 1e-4), (10.0, 2.0, 1e-5)]
)
def test_float32_against_mpmath(c, radius, bar):
    x, y = (ball_points((6, 16), radius, c, torch.float32) for _ in range(2))
    d = pairwise_distance(x, y, c)
    for i in range(6):
        for j in range(6):
            true = float(exact_distance(x[i], y[j], c))
            assert abs(float(d[i, j]) - true) <= bar * true
    rows = distance(x, y, c)
    torch.testing.assert_close(rows, d.diagonal(), rtol=bar, atol=0)


@pytest.mark.parametrize("offset", [1e-1, 1e-3, 1e-5])
def test_close_pairs_keep_their_digits(offset):
    x = ball_points((8, 32), 4.6, 0.1)
    y = x + offset * torch.nn.functional.normalize(torch.randn_like(x), dim=1)
    d = pairwise_distance(x, y, 0.1).diagonal()
    for i in range(8):
        true = float(exact_distance(x[i], y[i], 0.1))
        assert abs(float(d[i]) - true) <= 1e-5 * true


def test_close_pair_near_the_origin_survives_a_point_at_the_rim():
    x = torch.tensor([[0.0, 1e-3], [3.1618, 0.0]], dtype=torch.float32)
    y = torch.tensor([[0.0, 1.1e-3]], dtype=torch.float32)
    d = pairwise_distance(x, y, 0.1)
    assert float(d[0, 0]) == pytest.approx(float(exact_distance(x[0], y[0], 0.1)), rel=1e-4)


@pytest.mark.parametrize("c", [0.1, 1.0])
def test_agrees_with_geoopt_in_value_and_gradient(c):
    ball = poincare_ball(c)
    x, y = (ball_points((n, 8), 4.0, c).requires_grad_() for n in (20, 15))
    weight = torch.randn(20, 15, dtype=torch.float64)
    theirs = ball.dist(x[:, None], y[None])
    ours = pairwise_distance(x, y, c)
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)
    expected = torch.autograd.grad((theirs * weight).sum(), (x, y))
    found = torch.autograd.grad((ours * weight).sum(), (x, y))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-8)


def test_coincident_points_have_distance_and_gradient_zero():
    x = ball_points((10, 64), 4.6, 0.1, torch.float32).requires_grad_()
    d = pairwise_distance(x, x.detach().clone(), 0.1)
    assert (d.diagonal() == 0).all()
    d.diagonal().sum().backward()
    assert (x.grad == 0).all()
    y = x.detach().clone().requires_grad_()
    total = distance(y, y.detach(), 0.1).sum()
    total.backward()
    assert total == 0
    assert (y.grad == 0).all()


@pytest.mark.parametrize("c", [1e-6, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_finite_at_the_origin_at_the_rim_and_beyond(dtype, c):
    radii = torch.tensor([0.0, 1e-20, 0.5, 1 - 1e-7, 1.0, 10.0]) / math.sqrt(c)
    x = torch.zeros(6, 3)
    x[:, 0] = radii
    x = x.to(dtype).requires_grad_()
    for function in (pairwise_distance, lambda a, b, c: distance(a[:, None], b[None], c)):
        d = function(x, x, c)
        assert d.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert d.isfinite().all()
        (grad,) = torch.autograd.grad(d.sum(), x)
        assert grad.isfinite().all()


@pytest.mark.parametrize("radius", [0.1, 1.0, 4.6, 8.0, 12.0])
def test_gradcheck(radius):
    x, y = (ball_points((n, 3), radius, 0.1).requires_grad_() for n in (4, 3))
    assert torch.autograd.gradcheck(lambda a, b: pairwise_distance(a, b, 0.1), (x, y))
    assert torch.autograd.gradcheck(lambda a: distance(a[:3], y.detach(), 0.1), (x,))


def test_autocast_changes_nothing():
    x, y = (ball_points((20, 32), 4.6, 0.1, torch.float32) for _ in range(2))
    plain = pairwise_distance(x, y, 0.1)
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype=dtype):
            assert torch.equal(pairwise_distance(x, y, 0.1), plain)
            assert torch.equal(_direct(x, y, 0.1), _direct(x, y, 0.1))


def test_fallback_for_devices_without_float64_agrees():
    x, y = (ball_points((n, 16), 4.6, 0.1, torch.float32).requires_grad_() for n in (12, 9))
    torch.testing.assert_close(_direct(x, y, 0.1), pairwise_distance(x, y, 0.1), rtol=1e-5, atol=1e-6)
    a = torch.autograd.grad(_direct(x, y, 0.1).sum(), (x, y))
    b = torch.autograd.grad(pairwise_distance(x, y, 0.1).sum(), (x, y))
    for p, q in zip(a, b, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)


def test_refuses_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"expected \(N, d\) and \(M, d\) points"):
        pairwise_distance(torch.zeros(2, 3), torch.zeros(2, 4), 0.1)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_no_point_has_no_distance(number, dtype):
    """A distance of 0 would hide that a training has diverged."""
    x, y = (ball_points((n, 16), 4.6, 0.1, dtype) for n in (6, 5))
    expected = pairwise_distance(x, y, 0.1)
    x[2, 7] = number
    rows = torch.arange(6) != 2
    for function in (pairwise_distance, _direct, lambda a, b, c: distance(a[:, None], b[None], c)):
        d = function(x, y, 0.1)
        assert d[2].isnan().all()
        torch.testing.assert_close(d[rows], expected[rows], rtol=1e-4, atol=1e-5)
        assert function(y, x, 0.1)[:, 2].isnan().all()
        assert function(x, x, 0.1)[2, 2].isnan()
    assert distance(x, x.clone(), 0.1).isnan().tolist() == (~rows).tolist()


def test_empty_sets():
    assert pairwise_distance(torch.zeros(0, 3), torch.zeros(2, 3), 0.1).shape == (0, 2)


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    x, y = (ball_points((n, 64), 4.6, 0.1, torch.float32) for n in (50, 40))
    there = pairwise_distance(x.cuda(), y.cuda(), 0.1).cpu()
    torch.testing.assert_close(there, pairwise_distance(x, y, 0.1), rtol=1e-6, atol=1e-6)
