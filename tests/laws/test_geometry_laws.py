"""Laws of hyperbolic geometry as property tests: random points, both precisions, four curvatures.

Where points are compared, the measure is their hyperbolic distance, and the bar is a number of roundings of
coordinates, which out there are worth ``eps exp(sqrt(c) r)``.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.geometry import (
    ball_to_klein,
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
    translate,
    unlift,
)

curvatures = st.sampled_from([1e-4, 0.1, 1.0, 5.0])
seeds = st.integers(0, 2**31)
law = settings(deadline=None, max_examples=30)
# precision of the points, and the farthest of them in units of 1 / sqrt(c): x (+) y may lie twice as far
precisions = st.sampled_from([(torch.float32, 3.0), (torch.float64, 8.0)])


def ball_points(seed, c, n=5, d=4, radius=10.0, dtype=torch.float64):
    """Points of hyperbolic radius up to `radius` / sqrt(c)."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.nn.functional.normalize(torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1)
    share = torch.rand(n, 1, generator=generator, dtype=torch.float64)
    return expmap0(u * share * (radius / 2 / math.sqrt(c)), c).to(dtype)


def several(seed, c, precision, count):
    """`count` sets of points, and the bar for positions that lie up to twice as far out as these."""
    dtype, radius = precision
    bar = 4 * torch.finfo(dtype).eps * math.exp(2 * radius) / math.sqrt(c)
    return *(ball_points(seed + i, c, radius=radius, dtype=dtype) for i in range(count)), bar


def rotation(seed, d=4):
    """A random orthogonal matrix."""
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))[0]


def gyration(a, b, x, c):
    """``gyr[a, b] x = -(a (+) b) (+) (a (+) (b (+) x))`` (Ungar)."""
    return mobius_add(-mobius_add(a, b, c), mobius_add(a, mobius_add(b, x, c), c), c)


def assert_same_points(found, expected, c, bar):
    assert (distance(found.double(), expected.double(), c) <= bar).all()


@law
@given(seeds, curvatures)
def test_log_inverts_exp(seed, c):
    x = ball_points(seed, c)
    torch.testing.assert_close(expmap0(logmap0(x, c), c), x, rtol=1e-9, atol=1e-12)


@law
@given(seeds, curvatures, st.sampled_from([(torch.float32, 8.0, 1e-3), (torch.float64, 10.0, 1e-9)]))
def test_exp_inverts_log(seed, c, precision):
    dtype, radius, bar = precision
    u = logmap0(ball_points(seed, c, radius=radius), c).to(dtype)
    torch.testing.assert_close(logmap0(expmap0(u, c), c), u, rtol=bar, atol=1e-12 / math.sqrt(c))


@law
@given(seeds, curvatures)
def test_metric_axioms(seed, c):
    x = ball_points(seed, c)
    d = pairwise_distance(x, x, c)
    assert (d.diagonal() == 0).all()
    torch.testing.assert_close(d, d.T, rtol=1e-9, atol=1e-9)
    assert (d[:, None, :] <= d[:, :, None] + d[None] + 1e-9).all()


@law
@given(seeds, curvatures, precisions)
def test_left_cancellation(seed, c, precision):
    x, y, bar = several(seed, c, precision, 2)
    assert_same_points(mobius_add(-x, mobius_add(x, y, c), c), y, c, bar)


@law
@given(seeds, curvatures)
def test_gyrogroup_laws(seed, c):
    a, b, x, y = (ball_points(seed + i, c, radius=3.0) for i in range(4))
    bar = 1e-9 / math.sqrt(c)
    # gyrocommutativity, a (+) b = gyr[a, b] (b (+) a)
    assert_same_points(gyration(a, b, mobius_add(b, a, c), c), mobius_add(a, b, c), c, bar)
    torch.testing.assert_close(gyration(a, b, x, c).norm(dim=1), x.norm(dim=1), rtol=1e-9, atol=1e-12)
    together = gyration(a, b, mobius_add(x, y, c), c)
    assert_same_points(together, mobius_add(gyration(a, b, x, c), gyration(a, b, y, c), c), c, bar)
    # left gyroassociativity, a (+) (b (+) x) = (a (+) b) (+) gyr[a, b] x
    nested = mobius_add(a, mobius_add(b, x, c), c)
    assert_same_points(nested, mobius_add(mobius_add(a, b, c), gyration(a, b, x, c), c), c, bar)
    # left loop property, gyr[a, b] = gyr[a (+) b, b], and gyr[b, a] as the inverse
    assert_same_points(gyration(a, b, x, c), gyration(mobius_add(a, b, c), b, x, c), c, bar)
    assert_same_points(gyration(b, a, gyration(a, b, x, c), c), x, c, bar)


@law
@given(seeds, curvatures, precisions)
def test_distance_is_the_norm_of_the_mobius_difference(seed, c, precision):
    x, y, bar = several(seed, c, precision, 2)
    torch.testing.assert_close(dist0(mobius_add(-x, y, c), c), distance(x, y, c), rtol=1e-4, atol=bar)


@law
@given(seeds, curvatures, precisions)
def test_translations_and_rotations_are_isometries(seed, c, precision):
    x, by, bar = several(seed, c, precision, 2)
    d = pairwise_distance(x, x, c)
    for moved in (translate(x, by[:1], c), x @ rotation(seed).to(x), -x):
        torch.testing.assert_close(pairwise_distance(moved, moved, c), d, rtol=0, atol=bar)


@law
@given(seeds, curvatures)
def test_rescaling_the_ball_rescales_distances(seed, c):
    x = ball_points(seed, c)
    unit = x * math.sqrt(c)
    torch.testing.assert_close(pairwise_distance(x, x, c) * math.sqrt(c), pairwise_distance(unit, unit, 1.0))


@law
@given(seeds, st.sampled_from([1e-8, 1e-6]))
def test_flat_limit(seed, c):
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, 5, 4, generator=generator, dtype=torch.float64)
    w = torch.rand(5, generator=generator, dtype=torch.float64)
    near = {"rtol": 1e-3, "atol": 1e-4}
    torch.testing.assert_close(pairwise_distance(x, y, c), 2 * torch.cdist(x, y), **near)
    torch.testing.assert_close(distance(x, y, c), 2 * (x - y).norm(dim=1), **near)
    torch.testing.assert_close(mobius_add(x, y, c), x + y, **near)
    mean = (w[:, None] * x).sum(0) / w.sum()
    for midpoint in (einstein_midpoint, frechet_mean):
        torch.testing.assert_close(midpoint(x, w, c=c), mean, **near)


@law
@given(seeds, curvatures)
def test_distance_to_the_origin_and_pairwise_form_agree(seed, c):
    x = ball_points(seed, c)
    origin = torch.zeros_like(x)
    torch.testing.assert_close(dist0(x, c), distance(x, origin, c), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(pairwise_distance(x, origin, c)[:, 0], dist0(x, c), rtol=1e-9, atol=1e-12)


@law
@given(seeds, curvatures, precisions)
def test_models_round_trip(seed, c, precision):
    x, bar = several(seed, c, precision, 1)
    assert_same_points(unlift(lift(x, c), c), x, c, bar)
    assert_same_points(klein_to_ball(ball_to_klein(x, c), c), x, c, bar)
    assert_same_points(klein_to_ball(lorentz_to_klein(klein_to_lorentz(ball_to_klein(x, c), c), c), c), x, c, bar)


@law
@given(seeds, curvatures)
def test_the_lift_turns_distances_into_products(seed, c):
    x, y = ball_points(seed, c), ball_points(seed + 1, c)
    a, b = lift(x, c), lift(y, c)
    product = a[:, -1] * b[:, -1] - (a[:, :-1] * b[:, :-1]).sum(1)
    torch.testing.assert_close(c * product, torch.cosh(math.sqrt(c) * distance(x, y, c)), rtol=1e-7, atol=1e-7)


MIDPOINTS = {
    "einstein": einstein_midpoint,
    "frechet": lambda x, w=None, *, c: frechet_mean(x, w, c=c, tol=1e-11),
    "centroids": lambda x, w=None, *, c: lorentz_centroids(
        x if w is None else x.repeat_interleave(w.long(), dim=0),
        torch.zeros(len(x) if w is None else int(w.sum()), dtype=torch.long),
        1,
        c,
    )[0][0],
}


@pytest.mark.parametrize("midpoint", MIDPOINTS.values(), ids=MIDPOINTS)
@law
@given(seeds, curvatures, precisions)
def test_midpoints_move_with_their_points(midpoint, seed, c, precision):
    x, by, bar = several(seed, c, precision, 2)
    generator = torch.Generator().manual_seed(seed)
    w = torch.randint(1, 4, (5,), generator=generator)
    m = midpoint(x, w, c=c)
    order = torch.randperm(5, generator=generator)
    assert_same_points(midpoint(x[order], w[order], c=c), m, c, bar)
    turn = rotation(seed).to(x)
    assert_same_points(midpoint(x @ turn, w, c=c), m @ turn, c, bar)
    assert_same_points(midpoint(translate(x, by[:1], c), w, c=c), translate(m, by[0], c), c, bar)


@pytest.mark.parametrize("midpoint", MIDPOINTS.values(), ids=MIDPOINTS)
@law
@given(seeds, curvatures, precisions)
def test_the_midpoint_of_two_points_is_half_way(midpoint, seed, c, precision):
    x, bar = several(seed, c, precision, 1)
    m = midpoint(x[:2], c=c)
    half = distance(x[0], x[1], c) / 2
    for end in x[:2]:
        torch.testing.assert_close(distance(m, end, c), half, rtol=0, atol=bar)
    assert_same_points(midpoint(x[:1].expand(3, 4), c=c), x[0], c, bar)


@law
@given(seeds, curvatures)
def test_the_frechet_mean_minimises_squared_distances(seed, c):
    x = ball_points(seed, c)
    others = torch.cat([x, einstein_midpoint(x, c=c)[None], ball_points(seed + 1, c, n=20)])
    cost = pairwise_distance(others, x, c).square().sum(1)
    best = distance(frechet_mean(x, c=c), x, c).square().sum()
    assert (best <= cost * (1 + 1e-12)).all()


@law
@given(seeds, curvatures)
def test_parity_with_geoopt(seed, c):
    ball = poincare_ball(c)
    x, y = (ball_points(seed + i, c, radius=6.0) for i in range(2))
    w = torch.rand(5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    near = {"rtol": 1e-6, "atol": 1e-9 / math.sqrt(c)}
    torch.testing.assert_close(mobius_add(x, y, c), ball.mobius_add(x, y), **near)
    torch.testing.assert_close(distance(x, y, c), ball.dist(x, y), **near)
    torch.testing.assert_close(dist0(x, c), ball.dist0(x), **near)
    torch.testing.assert_close(einstein_midpoint(x, w, c=c), ball.weighted_midpoint(x, w), **near)
    torch.testing.assert_close(lift(x, c), ball.inv_sproj(x), **near)
    torch.testing.assert_close(gyration(x, y, x, c), ball.gyration(x, y, x), **near)
