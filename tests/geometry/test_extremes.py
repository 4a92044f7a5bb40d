"""Finite values and gradients, in the points and in a learned c, at the origin, at the rim and beyond it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.geometry import (
    ToPoincare,
    ball_to_klein,
    conformal_factor,
    dist0,
    distance,
    einstein_midpoint,
    expmap0,
    frechet_mean,
    klein_to_ball,
    klein_to_lorentz,
    lift,
    logmap0,
    lorentz_centroids,
    lorentz_to_klein,
    mobius_add,
    pairwise_distance,
    poincare_ball,
    project,
    scale_gradient,
    translate,
    unlift,
)

CLUSTERS = torch.tensor([0, 2, 2, 0])
FLOAT32_AT_LEAST = {
    "expmap0": lambda x, y, c: expmap0(x, c),
    "logmap0": lambda x, y, c: logmap0(x, c),
    "project": lambda x, y, c: project(x, c),
    "dist0": lambda x, y, c: dist0(x, c),
    "conformal_factor": lambda x, y, c: conformal_factor(x, c),
    "distance": distance,
    "pairwise_distance": pairwise_distance,
    "unlift": lambda x, y, c: unlift(torch.cat([x, y[:, :1].abs() + 0.1], 1), c),
    "mobius_add": mobius_add,
    "translate": translate,
    "einstein_midpoint": lambda x, y, c: einstein_midpoint(x, c=c),
    "weighted": lambda x, y, c: (
        einstein_midpoint(x, torch.tensor([0.0, 1e-30, 1.0, 1e30], dtype=x.dtype), c=c)
        if x.dtype != torch.float16
        else einstein_midpoint(x, torch.tensor([0.0, 1e-7, 1.0, 6e4], dtype=x.dtype), c=c)
    ),
    "frechet_mean": lambda x, y, c: frechet_mean(x, c=c),
    "lorentz_centroids": lambda x, y, c: lorentz_centroids(x, CLUSTERS, 4, c)[0],
    "ToPoincare": lambda x, y, c: ToPoincare(c, riemannian_gradient=True)(x),
}
ALWAYS_FLOAT64 = {
    "lift": lambda x, y, c: lift(x, c),
    "ball_to_klein": lambda x, y, c: ball_to_klein(x, c),
    "klein_to_ball": lambda x, y, c: klein_to_ball(x, c),
    "klein_to_lorentz": lambda x, y, c: klein_to_lorentz(x, c),
    "lorentz_to_klein": lambda x, y, c: lorentz_to_klein(torch.cat([x, y[:, :1].abs() + 0.1], 1), c),
}
# their gradients outgrow float16, in which the gradient of float16 points is stored
STEEP = {*ALWAYS_FLOAT64, "conformal_factor"}
# of the ball's radius; the pairs that coincide, oppose each other, or lie on one ray come from `signs`
RADII = st.sampled_from([0.0, 1e-30, 1e-6, 0.5, 1 - 1e-3, 1 - 1e-7, 1 - 1e-11, 1.0, 1 + 1e-7, 3.0, 1e4])
signs = st.sampled_from([-1.0, 0.0, 1.0])
vectors = st.tuples(RADII, signs, signs)


@pytest.mark.parametrize("name", [*FLOAT32_AT_LEAST, *ALWAYS_FLOAT64])
@settings(deadline=None, max_examples=40)
@given(
    st.lists(vectors, min_size=8, max_size=8),
    st.floats(-6, 1),
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
    st.booleans(),
)
def test_finite(name, rows, exponent, dtype, learned):
    c = 10.0**exponent
    points = torch.tensor([[a, b] for _, a, b in rows], dtype=torch.float64)
    points = torch.nn.functional.normalize(points, dim=1) * torch.tensor([[r] for r, _, _ in rows], dtype=torch.float64)
    points = (points * c**-0.5).clamp(-6e4, 6e4).to(dtype)
    x, y = (half.clone().requires_grad_() for half in points.split(4))
    ball = poincare_ball(c, learnable=True)
    value = (FLOAT32_AT_LEAST | ALWAYS_FLOAT64)[name](x, y, ball if learned else c)
    wide = dtype == torch.float64 or name in ALWAYS_FLOAT64
    assert value.dtype == (torch.float64 if wide else torch.float32)
    assert value.isfinite().all()
    inputs = [ball.isp_c] if learned else []
    if dtype != torch.float16 or name not in STEEP:
        inputs += [x, y]
    for grad in torch.autograd.grad(value.sum(), inputs, allow_unused=True) if inputs else ():
        assert grad is None or grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scaled_gradients_are_finite_and_keep_their_dtype(dtype):
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
    scale_gradient(x, 1.0).sum().backward()
    assert x.grad.dtype == dtype
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", [*FLOAT32_AT_LEAST, *ALWAYS_FLOAT64])
@pytest.mark.parametrize("autocast", [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(name, autocast):
    x, y = (torch.rand(4, 6) * 0.3 for _ in range(2))
    operation = (FLOAT32_AT_LEAST | ALWAYS_FLOAT64)[name]
    ball = poincare_ball(0.7, learnable=True)
    plain = [operation(x, y, c) for c in (0.7, ball)]
    with torch.autocast("cpu", dtype=autocast):
        for expected, c in zip(plain, (0.7, ball), strict=True):
            assert torch.equal(operation(x, y, c), expected)
