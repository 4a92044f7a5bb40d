"""Möbius addition and translation: geoopt, 50 digits, broadcasting, gradients, the rim."""

import math

import pytest
import torch
from geometry.oracles import ball_points, exact_distance, exact_mobius_add

from hyperdml.geometry import dist0, mobius_add, poincare_ball, translate


@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_agrees_with_geoopt_in_value_and_gradient(c):
    ball = poincare_ball(c)
    x, y = (ball_points((20, 6), 4 / math.sqrt(c), c, spread=True).requires_grad_() for _ in range(2))
    weight = torch.randn(20, 6, dtype=torch.float64)
    ours, theirs = mobius_add(x, y, c), ball.mobius_add(x, y)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    found = torch.autograd.grad((ours * weight).sum(), (x, y))
    expected = torch.autograd.grad((theirs * weight).sum(), (x, y))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("c", [0.1, 1.0])
@pytest.mark.parametrize(
    ("dtype", "r", "s"),
    [
        (torch.float32, 1.0, 1.0),
        (torch.float32, 8.0, 1.0),
        (torch.float32, 4.0, 5.0),
        (torch.float64, 8.0, 8.0),
        (torch.float64, 20.0, 1.0),
    ],
)
def test_error_is_that_of_rounded_coordinates(dtype, r, s, c):
    x, y = (ball_points((6, 8), radius / math.sqrt(c), c, dtype) for radius in (r, s))
    bound = torch.finfo(dtype).eps * math.exp(r + s) / math.sqrt(c)
    for a, b, found in zip(x, y, mobius_add(x, y, c), strict=True):
        assert exact_distance(found, exact_mobius_add(a, b, c), c) <= bound


def test_close_opposites_at_the_rim_keep_their_digits():
    x = ball_points((6, 8), 8.0, 1.0, torch.float32)
    y = -x * (1 + 1e-4)
    for a, b, found in zip(x, y, mobius_add(x, y, 1.0), strict=True):
        exact = exact_mobius_add(a, b, 1.0)
        assert exact_distance(found, exact, 1.0) <= 1e-3 * exact_distance(exact, [0.0] * 8, 1.0)


def test_translation_carries_the_origin_to_its_point_and_back():
    by = ball_points((7, 4), 4.0, 0.1)
    torch.testing.assert_close(translate(torch.zeros(4, dtype=torch.float64), by, 0.1), by)
    torch.testing.assert_close(translate(by, -by, 0.1), torch.zeros_like(by))
    x = ball_points((7, 4), 4.0, 0.1)
    assert torch.equal(translate(x, by, 0.1), mobius_add(by, x, 0.1))


def test_one_dimension_is_addition_of_velocities():
    x, y = (torch.tensor([v], dtype=torch.float64) for v in (0.3, -0.8))
    assert float(mobius_add(x, y, 1.0)) == pytest.approx((0.3 - 0.8) / (1 - 0.24), rel=1e-14)


def test_leading_dimensions_broadcast():
    x, y = ball_points((5, 1, 3), 2.0, 1.0), ball_points((4, 3), 2.0, 1.0)
    z = mobius_add(x, y, 1.0)
    assert z.shape == (5, 4, 3)
    torch.testing.assert_close(z[2, 3], mobius_add(x[2, 0], y[3], 1.0))


def test_sums_beyond_the_rim_stop_at_the_margin():
    x = ball_points((3, 4), 9.0, 1.0, torch.float32)
    assert (dist0(mobius_add(x, x, 1.0), 1.0) < 9.92).all()
    assert mobius_add(x, x.double(), 1.0).dtype == torch.float64


@pytest.mark.parametrize("radius", [0.1, 2.0, 8.0])
def test_gradcheck(radius):
    x, y = (ball_points((3, 3), radius, 1.0).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: mobius_add(a, b, 1.0), (x, y))
