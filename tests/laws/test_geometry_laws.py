"""Laws of hyperbolic geometry as property tests."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.geometry import dist0, distance, expmap0, lift, logmap0, pairwise_distance, poincare_ball, unlift

curvatures = st.sampled_from([1e-4, 0.1, 1.0, 5.0])
seeds = st.integers(0, 2**31)
law = settings(deadline=None, max_examples=40)


def ball_points(seed, c, n=5, d=4):
    """Points of hyperbolic radius up to 10 / sqrt(c)."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.nn.functional.normalize(torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1)
    return expmap0(u * torch.rand(n, 1, generator=generator, dtype=torch.float64) * 5 / math.sqrt(c), c)


@law
@given(seeds, curvatures)
def test_log_inverts_exp(seed, c):
    x = ball_points(seed, c)
    torch.testing.assert_close(expmap0(logmap0(x, c), c), x, rtol=1e-9, atol=1e-12)


@law
@given(seeds, curvatures)
def test_metric_axioms(seed, c):
    x = ball_points(seed, c)
    d = pairwise_distance(x, x, c)
    assert (d.diagonal() == 0).all()
    torch.testing.assert_close(d, d.T, rtol=1e-9, atol=1e-9)
    assert (d[:, None, :] <= d[:, :, None] + d[None] + 1e-9).all()


@law
@given(seeds, curvatures)
def test_mobius_translation_is_an_isometry(seed, c):
    x = ball_points(seed, c)
    by = ball_points(seed + 1, c, n=1) * 0.5
    moved = poincare_ball(c).mobius_add(by, x)
    torch.testing.assert_close(
        pairwise_distance(moved, moved, c), pairwise_distance(x, x, c), rtol=1e-6, atol=1e-6 / math.sqrt(c)
    )


@law
@given(seeds, curvatures)
def test_rescaling_the_ball_rescales_distances(seed, c):
    x = ball_points(seed, c)
    unit = x * math.sqrt(c)
    torch.testing.assert_close(pairwise_distance(x, x, c) * math.sqrt(c), pairwise_distance(unit, unit, 1.0))


@law
@given(seeds, st.sampled_from([1e-8, 1e-6]))
def test_flat_limit_is_twice_the_euclidean_distance(seed, c):
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    torch.testing.assert_close(pairwise_distance(x, x, c), 2 * torch.cdist(x, x), rtol=1e-3, atol=1e-6)


@law
@given(seeds, curvatures)
def test_distance_to_the_origin_and_pairwise_form_agree(seed, c):
    x = ball_points(seed, c)
    origin = torch.zeros_like(x)
    torch.testing.assert_close(dist0(x, c), distance(x, origin, c), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(pairwise_distance(x, origin, c)[:, 0], dist0(x, c), rtol=1e-9, atol=1e-12)


@law
@given(seeds, curvatures)
def test_lift_round_trip(seed, c):
    x = ball_points(seed, c)
    torch.testing.assert_close(unlift(lift(x, c), c), x, rtol=1e-9, atol=1e-12)
