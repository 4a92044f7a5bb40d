"""Einstein midpoints: Klein and Lorentz definitions, 50 digits, clusters, weights, gradients, messages."""

import math

import pytest
import torch
from geometry.oracles import ball_points, exact_distance, exact_midpoint

from hyperdml.geometry import (
    ball_to_klein,
    distance,
    einstein_midpoint,
    expmap0,
    klein_to_ball,
    lift,
    lorentz_centroids,
    poincare_ball,
    translate,
    unlift,
)


@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_three_definitions_give_one_point(c):
    x = ball_points((4, 9, 5), 4 / math.sqrt(c), c, spread=True)
    w = torch.rand(4, 9, dtype=torch.float64)
    found = einstein_midpoint(x, w, c=c)
    k = ball_to_klein(x, c)
    lorentz = w[..., None] / (1 - c * (k * k).sum(-1, keepdim=True)).sqrt()
    torch.testing.assert_close(klein_to_ball((lorentz * k).sum(-2) / lorentz.sum(-2), c), found)
    total = (w[..., None] * lift(x, c)).sum(-2)
    length = (total[..., -1:] ** 2 - (total[..., :-1] ** 2).sum(-1, keepdim=True)).sqrt()
    torch.testing.assert_close(unlift(total / (math.sqrt(c) * length), c), found)
    torch.testing.assert_close(poincare_ball(c).weighted_midpoint(x, w, reducedim=[1]), found)


@pytest.mark.parametrize("c", [0.1, 1.0])
@pytest.mark.parametrize(
    ("dtype", "radius"), [(torch.float32, 1.5), (torch.float32, 8.0), (torch.float64, 8.0), (torch.float64, 20.0)]
)
@pytest.mark.parametrize("tight", [False, True])
def test_error_is_that_of_rounded_coordinates(dtype, radius, tight, c):
    x = ball_points((5, 6), radius / math.sqrt(c), c, dtype)
    w = torch.tensor([1.0, 2.0, 0.5, 3.0, 1.0])
    if tight:  # close together and far out: the sum of lifts alone would lose every digit in float64
        x = translate(x * 0.1, x[:1] * 0.999, c)
    exact = exact_midpoint(x, w, c)
    bound = torch.finfo(dtype).eps * math.exp(radius) / math.sqrt(c)
    assert exact_distance(einstein_midpoint(x, w, c=c), exact, c) <= bound
    repeated = x.repeat_interleave((2 * w).long(), dim=0)
    clusters, counts = lorentz_centroids(repeated, torch.full((15,), 1), 3, c)
    assert exact_distance(clusters[1], exact, c) <= bound
    assert counts.tolist() == [0, 15, 0]


def test_minimises_the_sum_of_hyperbolic_cosines():
    x, w = ball_points((7, 3), 3.0, 1.0, spread=True), torch.rand(7, dtype=torch.float64)
    m = einstein_midpoint(x, w, c=1.0).requires_grad_()
    (grad,) = torch.autograd.grad((w * torch.cosh(distance(m, x, 1.0))).sum(), m)
    torch.testing.assert_close(grad, torch.zeros(3, dtype=torch.float64), atol=1e-9, rtol=0)


def test_weights_are_relative_and_zero_leaves_a_point_out():
    x = ball_points((5, 3), 3.0, 1.0)
    w = torch.tensor([1.0, 0.0, 2.0, 0.5, 1.0])
    m = einstein_midpoint(x, w, c=1.0)
    torch.testing.assert_close(einstein_midpoint(x, 7 * w, c=1.0), m)
    torch.testing.assert_close(einstein_midpoint(x[[0, 2, 3, 4]], w[[0, 2, 3, 4]], c=1.0), m)
    torch.testing.assert_close(einstein_midpoint(x, torch.ones(5), c=1.0), einstein_midpoint(x, c=1.0))
    torch.testing.assert_close(einstein_midpoint(x[2:3], c=1.0), x[2])


def test_nothing_lies_at_the_origin():
    x = ball_points((5, 3), 3.0, 1.0).requires_grad_()
    w = torch.zeros(5, requires_grad=True)
    m = einstein_midpoint(x, w, c=1.0)
    m.sum().backward()
    assert (m == 0).all()
    assert (x.grad == 0).all()
    assert w.grad.isfinite().all()
    assert (einstein_midpoint(torch.zeros(2, 0, 3), c=1.0) == 0).all()


def test_leading_dimensions_broadcast():
    x, w = ball_points((5, 3), 3.0, 1.0), torch.rand(2, 5, dtype=torch.float64)
    m = einstein_midpoint(x, w, c=1.0)
    assert m.shape == (2, 3)
    torch.testing.assert_close(m[1], einstein_midpoint(x, w[1], c=1.0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_centroids_are_the_midpoints_of_the_clusters(dtype):
    x = ball_points((40, 4), 6.0, 0.1, dtype, spread=True)
    assignment = torch.randint(0, 5, (40,))
    assignment[assignment == 3] = 4
    centroids, counts = lorentz_centroids(x, assignment, 6, 0.1)
    assert counts.tolist() == torch.bincount(assignment, minlength=6).tolist()
    for cluster in (0, 1, 2, 4):
        expected = einstein_midpoint(x[assignment == cluster], c=0.1)
        torch.testing.assert_close(centroids[cluster], expected, rtol=1e-6, atol=1e-7)
    assert (centroids[[3, 5]] == 0).all()
    assert centroids.dtype == dtype


def test_centroids_of_no_points():
    centroids, counts = lorentz_centroids(torch.zeros(0, 2), torch.zeros(0, dtype=torch.long), 3, 1.0)
    assert torch.equal(centroids, torch.zeros(3, 2))
    assert counts.tolist() == [0, 0, 0]


@pytest.mark.parametrize("radius", [0.5, 3.0, 10.0])
def test_gradcheck(radius):
    x = ball_points((5, 3), radius, 1.0).requires_grad_()
    w = torch.rand(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: einstein_midpoint(a, b, c=1.0), (x, w))
    assignment = torch.tensor([0, 2, 0, 2, 2])
    assert torch.autograd.gradcheck(lambda a: lorentz_centroids(a, assignment, 3, 1.0)[0], (x,))


def test_second_derivatives_are_right_too():
    x = ball_points((4, 2), 2.0, 1.0).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda a: einstein_midpoint(a, c=1.0), (x,))


def test_gradient_at_a_symmetric_set_and_at_the_origin():
    x = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(einstein_midpoint(x, c=0.1)[0], x)
    torch.testing.assert_close(grad, torch.tensor([[1 / 3, 0.0]] * 3, dtype=torch.float64))
    pair = expmap0(torch.tensor([[0.5, 0.0], [-0.5, 0.0]], dtype=torch.float64), 1.0).requires_grad_()
    assert torch.autograd.gradcheck(lambda a: einstein_midpoint(a, c=1.0), (pair,))


def test_refuses_shapes_that_do_not_fit():
    x = torch.zeros(2, 5, 3)
    with pytest.raises(ValueError, match=r"expected \(..., N, d\) points, got \(3,\)"):
        einstein_midpoint(torch.zeros(3), c=1.0)
    for shape in ((4,), (1,), (3, 5), ()):
        with pytest.raises(ValueError, match=r"expected \(..., N\) weights for points \(2, 5, 3\)"):
            einstein_midpoint(x, torch.ones(shape), c=1.0)
    with pytest.raises(ValueError, match=r"expected \(N, d\) points and \(N,\) integer clusters"):
        lorentz_centroids(x[0], torch.zeros(4, dtype=torch.long), 2, 1.0)
    with pytest.raises(ValueError, match=r"torch.float32"):
        lorentz_centroids(x[0], torch.zeros(5), 2, 1.0)
    for wrong in (-1, 2):
        with pytest.raises(ValueError, match=r"clusters must be from 0 to 1, got"):
            lorentz_centroids(x[0], torch.tensor([0, 1, wrong, 0, 0]), 2, 1.0)
