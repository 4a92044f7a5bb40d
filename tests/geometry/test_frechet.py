"""The Fréchet mean: what it minimises, closed cases, convergence, implicit gradients, geoopt's optimiser."""

import itertools
import math

import geoopt
import pytest
import torch
from geometry.oracles import ball_points

from hyperdml.geometry import (
    dist0,
    distance,
    einstein_midpoint,
    expmap0,
    frechet_mean,
    logmap0,
    poincare_ball,
    translate,
)


def cost(m, x, w, c):
    return (w * distance(m[..., None, :], x, c) ** 2).sum(-1)


@pytest.mark.parametrize("c", [1e-4, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("radius", [0.1, 3.0, 10.0])
def test_gradient_of_the_sum_vanishes_and_neighbours_cost_more(radius, c):
    x = ball_points((3, 8, 4), radius / math.sqrt(c), c, spread=True)
    w = torch.rand(3, 8, dtype=torch.float64)
    m = frechet_mean(x, w, c=c).requires_grad_()
    # in the tangent space of the mean, in units of the radius of curvature
    centred = translate(x, -m.detach()[:, None], c)
    origin = torch.zeros(3, 4, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(cost(origin, centred, w, c).sum(), origin)
    assert (grad.norm(dim=-1) * math.sqrt(c) <= 1e-7).all()
    best = cost(m, x, w, c)
    for _ in range(10):
        aside = translate(expmap0(torch.randn(3, 4, dtype=torch.float64) * 1e-2 / math.sqrt(c), c), m, c)
        assert (cost(aside, x, w, c) > best).all()


def test_two_points_have_their_weighted_point_on_the_geodesic():
    x = ball_points((2, 5), 4.0, 1.0)
    m = frechet_mean(x, torch.tensor([1.0, 3.0]), c=1.0)
    d = distance(x[0], x[1], 1.0)
    torch.testing.assert_close(distance(m, x[0], 1.0), 0.75 * d, rtol=1e-8, atol=0)
    torch.testing.assert_close(distance(m, x[1], 1.0), 0.25 * d, rtol=1e-8, atol=0)


def test_points_of_a_ray_have_the_mean_of_their_radii():
    radii = torch.tensor([0.5, 1.0, 7.0], dtype=torch.float64)
    x = expmap0(radii[:, None] / 2 * torch.tensor([[0.6, 0.8]], dtype=torch.float64), 1.0)
    torch.testing.assert_close(dist0(frechet_mean(x, c=1.0), 1.0), radii.mean(), rtol=1e-8, atol=0)
    assert dist0(einstein_midpoint(x, c=1.0), 1.0) > 3.4  # which far points rule


def test_a_step_is_an_einstein_midpoint_with_weights_a_over_sinh_a():
    x, w = ball_points((6, 3), 6.0, 0.5, spread=True), torch.rand(6, dtype=torch.float64)
    a = math.sqrt(0.5) * distance(einstein_midpoint(x, w, c=0.5), x, 0.5)
    with pytest.warns(RuntimeWarning, match="stopped after 1 steps"):
        found = frechet_mean(x, w, c=0.5, max_iter=1)
    torch.testing.assert_close(found, einstein_midpoint(x, w * a / torch.sinh(a), c=0.5))


def test_tol_bounds_the_distance_from_the_exact_mean():
    x = expmap0(torch.tensor([[-5.0], [-5.0], [4.0]], dtype=torch.float64), 1.0)  # on a line it shrinks slowest
    for tol in (1e-2, 1e-5):
        error = distance(frechet_mean(x, c=1.0, tol=tol), frechet_mean(x, c=1.0, tol=1e-10), 1.0)
        assert error <= tol


def test_points_as_far_out_as_float64_holds_them():
    x = ball_points((50, 4), 23.0, 1.0, spread=True)
    m = frechet_mean(x, c=1.0, tol=0.0)  # ends where rounding keeps steps from shrinking
    assert logmap0(translate(x, -m, 1.0), 1.0).mean(0).norm() < 1e-6


def test_every_step_lowers_the_sum():
    x = ball_points((6, 3), 12.0, 1.0)
    w = torch.full((6,), 1 / 6, dtype=torch.float64)
    costs = [float(cost(einstein_midpoint(x, c=1.0), x, w, 1.0))]
    for steps in range(1, 8):
        with pytest.warns(RuntimeWarning, match=f"stopped after {steps} steps"):
            costs.append(float(cost(frechet_mean(x, c=1.0, tol=0.0, max_iter=steps), x, w, 1.0)))
    assert all(after <= before for before, after in itertools.pairwise(costs))
    assert costs[-1] < costs[0]


def test_batches_single_points_and_nothing():
    x = ball_points((2, 3, 6, 4), 3.0, 0.1, torch.float32)
    m = frechet_mean(x, c=0.1)
    assert m.dtype == torch.float32
    torch.testing.assert_close(m[1, 2], frechet_mean(x[1, 2], c=0.1))
    torch.testing.assert_close(frechet_mean(x[0, 0, :1], c=0.1), x[0, 0, 0])
    assert (frechet_mean(x, torch.zeros(6), c=0.1) == 0).all()
    assert (frechet_mean(x[..., :0, :], c=0.1) == 0).all()


def test_what_is_not_a_number_comes_back_at_once():
    x = torch.full((3, 2), math.nan)
    assert frechet_mean(x.requires_grad_(), c=1.0).isnan().all()


@pytest.mark.parametrize("radius", [0.0, 0.5, 3.0, 10.0])
def test_gradcheck(radius):
    x = ball_points((4, 2), radius, 1.0).requires_grad_()
    w = torch.rand(4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: frechet_mean(a, b, c=1.0, tol=1e-11), (x, w))


def test_gradient_of_nothing_is_finite():
    x = ball_points((5, 3), 2.0, 1.0).requires_grad_()
    frechet_mean(x, torch.zeros(5), c=1.0).sum().backward()
    assert (x.grad == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"), [({"tol": -1.0}, "tol must be"), ({"max_iter": 0}, "max_iter at least 1")]
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        frechet_mean(torch.zeros(3, 2), c=1.0, **arguments)


def test_geoopt_optimises_our_distance_to_the_mean_inside_the_ball():
    c = 0.1
    x = ball_points((12, 3), 4.0, c, spread=True)
    ball = poincare_ball(c)
    start = ball_points((3,), 8.0, c)
    point = geoopt.ManifoldParameter(start.clone(), manifold=ball)
    optimizer = geoopt.optim.RiemannianAdam([point], lr=0.3, betas=(0.5, 0.9))
    for step in range(160):
        optimizer.param_groups[0]["lr"] = 0.3 * min(1.0, 0.9 ** (step - 60))
        optimizer.zero_grad()
        (distance(point, x, ball) ** 2).mean().backward()
        optimizer.step()
        assert float(point.detach().norm()) < 1 / math.sqrt(c)
    assert distance(point.detach(), frechet_mean(x, c=c), c) < 1e-6
