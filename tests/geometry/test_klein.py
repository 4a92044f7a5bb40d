"""The Klein model: closed forms, round trips with their stated accuracy, straight geodesics, the rim."""

import math

import pytest
import torch
from geometry.oracles import ball_points, exact_distance

from hyperdml.geometry import ball_to_klein, dist0, klein_to_ball, klein_to_lorentz, lift, lorentz_to_klein, translate


@pytest.mark.parametrize("c", [0.01, 0.1, 1.0, 10.0])
def test_norm_is_the_tanh_of_the_radius(c):
    x = ball_points((30, 6), 6 / math.sqrt(c), c, spread=True)
    expected = torch.tanh(math.sqrt(c) * dist0(x, c)) / math.sqrt(c)
    torch.testing.assert_close(ball_to_klein(x, c).norm(dim=1), expected)


@pytest.mark.parametrize("c", [0.1, 10.0])
def test_the_three_models_commute(c):
    x = ball_points((30, 6), 4 / math.sqrt(c), c, spread=True)
    k = ball_to_klein(x, c)
    torch.testing.assert_close(lorentz_to_klein(lift(x, c), c), k, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(klein_to_lorentz(k, c), lift(x, c), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(klein_to_ball(k, c), x, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("c", [0.1, 1.0])
@pytest.mark.parametrize("radius", [1.0, 8.0, 12.0, 16.0])
def test_round_trip_has_its_stated_accuracy(radius, c):
    x = ball_points((6, 5), radius / math.sqrt(c), c)
    bound = 1e-16 * math.exp(2 * radius) / math.sqrt(c)
    for a, b in zip(x, klein_to_ball(ball_to_klein(x, c), c), strict=True):
        assert exact_distance(a, b, c) <= bound


def test_geodesics_are_straight():
    by = ball_points((1, 3), 1.5, 1.0)
    line = torch.linspace(-0.9, 0.9, 7, dtype=torch.float64)[:, None] * torch.tensor([[0.6, 0.8, 0.0]]).double()
    k = ball_to_klein(translate(line, by, 1.0), 1.0)
    steps = torch.nn.functional.normalize(k.diff(dim=0), dim=1)
    torch.testing.assert_close(steps, steps[:1].expand_as(steps))


def test_float32_is_computed_in_float64_and_the_rim_is_scaled_back():
    x = ball_points((4, 3), 8.0, 1.0, torch.float32)
    assert ball_to_klein(x, 1.0).dtype == klein_to_lorentz(x, 1.0).dtype == torch.float64
    torch.testing.assert_close(klein_to_ball(ball_to_klein(x, 1.0), 1.0), x.double(), rtol=1e-8, atol=0)
    beyond = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(klein_to_ball(beyond, 1.0), beyond / 5)
    torch.testing.assert_close(klein_to_lorentz(beyond, 1.0), klein_to_lorentz(beyond / 5, 1.0))
    torch.testing.assert_close(ball_to_klein(beyond, 1.0), beyond / 5)


@pytest.mark.parametrize("function", [ball_to_klein, klein_to_ball, klein_to_lorentz])
@pytest.mark.parametrize("radius", [1e-3, 1.0, 4.0])
def test_gradcheck(function, radius):
    x = ball_points((3, 3), radius, 0.1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: function(a, 0.1), x)
