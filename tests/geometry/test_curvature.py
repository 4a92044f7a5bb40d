"""The curvature as a number and as a parameter: every operation is right in value and in its gradient in c."""

import math
import warnings

import geoopt
import pytest
import torch
from geometry.oracles import ball_points
from torch._subclasses.fake_tensor import FakeTensorMode

from hyperdml.geometry import (
    ball_to_klein,
    conformal_factor,
    curvature_of,
    dist0,
    distance,
    einstein_midpoint,
    expmap0,
    frechet_mean,
    klein_to_ball,
    klein_to_lorentz,
    learnable_ball,
    lift,
    logmap0,
    lorentz_centroids,
    lorentz_to_klein,
    mobius_add,
    pairwise_distance,
    poincare_ball,
    project,
    translate,
    unlift,
)
from hyperdml.geometry.curvature import curvature
from hyperdml.geometry.distance import _direct

# each of two sets of points of the ball, and c
OPERATIONS = {
    "expmap0": lambda x, y, c: expmap0(x, c),
    "expmap0 onto the rim": lambda x, y, c: expmap0(40 * x, c),
    "logmap0": lambda x, y, c: logmap0(x, c),
    "dist0": lambda x, y, c: dist0(x, c),
    "conformal_factor": lambda x, y, c: conformal_factor(x, c),
    "project": lambda x, y, c: project(x, c),
    "project from beyond": lambda x, y, c: project(9 * x, c),
    "distance": distance,
    "pairwise_distance": pairwise_distance,
    "pairwise_distance without float64": lambda x, y, c: _direct(x, y, curvature(c, x.dtype)),
    "lift": lambda x, y, c: lift(x, c),
    "unlift": lambda x, y, c: unlift(torch.cat([x, 1 + y[:, :1] ** 2], 1), c),
    "ball_to_klein": lambda x, y, c: ball_to_klein(x, c),
    "klein_to_ball": lambda x, y, c: klein_to_ball(x, c),
    "klein_to_lorentz": lambda x, y, c: klein_to_lorentz(x, c),
    "lorentz_to_klein": lambda x, y, c: lorentz_to_klein(torch.cat([x, 1 + y[:, :1] ** 2], 1), c),
    "mobius_add": mobius_add,
    "translate": translate,
    "einstein_midpoint": lambda x, y, c: einstein_midpoint(x, y[:, 0].exp(), c=c),
    "frechet_mean": lambda x, y, c: frechet_mean(x, y[:, 0].exp(), c=c, tol=1e-11),
    "lorentz_centroids": lambda x, y, c: lorentz_centroids(x, torch.tensor([0, 1, 1, 0]), 2, c)[0],
}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


@every_operation
@pytest.mark.parametrize("c", [0.1, 2.0])
def test_gradcheck_in_the_points_and_in_c(operation, c):
    x, y = (ball_points((4, 2), 3 / math.sqrt(c), c).requires_grad_() for _ in range(2))
    learned = torch.tensor(c, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(operation, (x, y, learned))


@every_operation
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tensor_gives_the_values_of_the_number(operation, dtype):
    x, y = (ball_points((4, 3), 3.0, 0.5, dtype) for _ in range(2))
    found = operation(x, y, torch.tensor(0.5, requires_grad=True))
    expected = operation(x, y, 0.5)
    assert found.dtype == expected.dtype
    torch.testing.assert_close(found.detach(), expected, rtol=1e-5 if dtype == torch.float32 else 1e-8, atol=1e-7)


@every_operation
def test_a_learnable_ball_gets_the_gradient_through_its_softplus(operation):
    x, y = (ball_points((4, 3), 3.0, 0.5) for _ in range(2))
    ball = poincare_ball(0.5, learnable=True)
    number = ball.c.detach().requires_grad_()
    (expected,) = torch.autograd.grad(operation(x, y, number).sum(), number)
    operation(x, y, ball).sum().backward()
    torch.testing.assert_close(ball.isp_c.grad, expected * torch.sigmoid(ball.isp_c.detach()))


@every_operation
def test_a_float32_ball_keeps_float64_points_in_its_own_ball(operation):
    ball = geoopt.PoincareBall(c=0.3, learnable=True)
    x, y = (ball_points((4, 3), 3.0, 0.3) for _ in range(2))
    expected = operation(x, y, curvature_of(ball))
    torch.testing.assert_close(operation(x, y, ball).detach(), expected, rtol=1e-9, atol=1e-12)


def test_float32_points_near_the_rim_see_a_float64_curvature_in_full():
    x, y = (ball_points((5, 3), 9 / math.sqrt(0.1), 0.1, torch.float32) for _ in range(2))
    learned = poincare_ball(0.1, learnable=True)
    torch.testing.assert_close(pairwise_distance(x, y, learned), pairwise_distance(x, y, 0.1), rtol=1e-6, atol=0)


def test_distances_between_points_at_the_rim_follow_a_learned_c():
    learned = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[4.0, 0.0], [0.0, 4.0]], dtype=torch.float64)  # beyond the rim: they move with it
    d = pairwise_distance(project(x, learned), project(x, learned), learned)[0, 1]
    (grad,) = torch.autograd.grad(d, learned)
    # points at fixed sqrt(c)|x| have distances that go like 1 / sqrt(c)
    assert float(grad) == pytest.approx(-float(d.detach()) / (2 * 0.1), rel=1e-4)


def test_training_finds_the_curvature_that_distances_came_from():
    x = ball_points((30, 4), 2.0, 0.4, spread=True)
    target = pairwise_distance(x, x, 0.4)
    ball = poincare_ball(0.05, learnable=True)
    optimizer = torch.optim.Adam(ball.parameters(), lr=0.3)
    for _ in range(80):
        optimizer.zero_grad()
        (pairwise_distance(x, x, ball) - target).square().mean().backward()
        optimizer.step()
    assert curvature_of(ball) == pytest.approx(0.4, rel=2e-2)


def test_every_form_reads_as_a_number():
    learned = torch.tensor([0.25], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for c in (0.25, torch.tensor(0.25), learned, poincare_ball(0.25), poincare_ball(0.25, learnable=True)):
            assert curvature_of(c) == pytest.approx(0.25, rel=1e-15)
            assert isinstance(curvature_of(c), float)


def test_only_a_ball_under_training_is_learnable():
    ball = poincare_ball(0.1, learnable=True)
    assert learnable_ball(ball) is ball
    assert isinstance(ball, geoopt.PoincareBall)
    assert learnable_ball(ball.requires_grad_(False)) is None
    for c in (0.1, torch.tensor(0.1, requires_grad=True), geoopt.PoincareBall(c=0.1)):
        assert learnable_ball(c) is None


def test_a_ball_that_is_not_learned_gives_the_bits_of_its_number():
    x, y = ball_points((5, 3), 3.0, 0.1), ball_points((4, 3), 3.0, 0.1)
    ball = geoopt.PoincareBall(c=0.1)
    assert torch.equal(pairwise_distance(x, y, ball), pairwise_distance(x, y, curvature_of(ball)))


@pytest.mark.parametrize(
    ("c", "message"),
    [
        (torch.tensor(-1.0, requires_grad=True), "must be positive and finite .* got -1.0"),
        (torch.tensor(math.nan), "must be positive and finite"),
        (torch.ones(3), r"must be one number, got a tensor of shape \(3,\)"),
    ],
)
def test_refuses_tensors_that_are_no_curvature(c, message):
    with pytest.raises(ValueError, match=message):
        expmap0(torch.zeros(1, 2), c)


def test_a_learned_curvature_is_not_read_on_an_accelerator():
    with FakeTensorMode():  # tensors without values: to look at one is an error
        learned = torch.empty((), device="cuda", dtype=torch.float64, requires_grad=True)
        x, y = torch.empty(2, 4, 3, device="cuda")
        with pytest.raises(RuntimeError):
            curvature_of(learned)
        for name, operation in OPERATIONS.items():
            # whose docstring says so, and whose clusters are checked
            if name not in ("frechet_mean", "lorentz_centroids"):
                assert operation(x, y, learned).requires_grad


@pytest.mark.gpu
def test_a_learned_curvature_never_waits_for_the_gpu():
    ball = poincare_ball(0.1, learnable=True).cuda()
    x = ball_points((20, 8), 3.0, 0.1, torch.float32).cuda().requires_grad_()
    pairwise_distance(x, x, ball).sum().backward()  # the first call may set up libraries
    torch.cuda.set_sync_debug_mode("error")
    try:
        for operation in (pairwise_distance, distance, mobius_add):
            operation(x, expmap0(x, ball), ball).sum().backward()
        einstein_midpoint(logmap0(x, ball), c=ball).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert ball.isp_c.grad.isfinite()
