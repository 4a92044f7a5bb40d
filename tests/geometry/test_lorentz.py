"""The hyperboloid: membership, inverse, inner product against distance, geoopt's lift."""

import math

import pytest
import torch

from hyperdml.geometry import distance, expmap0, lift, project, unlift


@pytest.mark.parametrize("c", [0.01, 0.1, 1.0, 10.0])
def test_lift(c):
    x = expmap0(torch.randn(30, 6, dtype=torch.float64) * 0.5 / math.sqrt(c), c)
    z = lift(x, c)
    space, time = z[:, :-1], z[:, -1]
    torch.testing.assert_close(time**2 - (space**2).sum(1), torch.full((30,), 1 / c, dtype=torch.float64))
    assert (time > 0).all()
    torch.testing.assert_close(unlift(z, c), x)
    product = time[:15] * time[15:] - (space[:15] * space[15:]).sum(1)
    torch.testing.assert_close(torch.acosh(c * product) / math.sqrt(c), distance(x[:15], x[15:], c))


def test_points_beyond_the_rim_are_lifted_from_the_margin():
    x = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    z = lift(x, 1.0)
    torch.testing.assert_close(z, lift(project(x, 1.0), 1.0), rtol=1e-5, atol=0)
    torch.testing.assert_close(unlift(z, 1.0), x / 5, rtol=1e-9, atol=0)
    inside = project(x, 1.0) * (1 - 1e-12)
    assert torch.equal(lift(inside, 1.0)[:, :-1], 2 * inside / (1 - (inside * inside).sum(-1, keepdim=True)))


def test_lift_of_float32_is_computed_in_float64():
    assert lift(torch.zeros(2, 3), 0.1).dtype == torch.float64
