"""Post-hoc proxies: recovered clusters, centroids, order of the radii, degenerate input."""

import pytest
import torch
from synthetic import tree_points

from hyperdml.geometry import dist0, einstein_midpoint, expmap0, pairwise_distance
from hyperdml.hier import fit_proxies
from hyperdml.hier.fit import level_centroids
from hyperdml.hier.spaces import Euclidean, Spherical


def clusters(count=6, members=20, dim=16):
    centres = torch.linalg.qr(torch.randn(dim, dim))[0][:count]
    labels = torch.arange(count).repeat_interleave(members)
    return expmap0(2 * centres[labels] + 0.05 * torch.randn(count * members, dim), 0.1), labels


def test_separate_clusters_are_found_and_their_proxies_are_lorentz_centroids():
    points, labels = clusters()
    proxies = fit_proxies(points, (6,), c=0.1)
    nearest = pairwise_distance(points, proxies, 0.1).argmin(1)
    for label in range(6):
        (found,) = nearest[labels == label].unique()
        expected = einstein_midpoint(points[labels == label], c=0.1)
        torch.testing.assert_close(proxies[found], expected, rtol=1e-4, atol=1e-5)


def test_coarse_levels_lie_nearer_to_the_origin():
    points, _, _ = tree_points(720, 16, spread=False)
    levels = (2, 8, 30, 120)
    radius = dist0(fit_proxies(points, levels, c=0.1), 0.1)
    means = [float(part.mean()) for part in radius.split(levels)]
    assert means == sorted(means)
    assert means[0] < 0.8 * means[-1]
    assert float(radius.max()) < 2 * 2.3 + 1e-4  # a cluster of one is its own centroid


def test_a_seed_repeats_and_the_curvature_counts():
    points, _, _ = tree_points(240, 8, spread=True)
    first = fit_proxies(points, (4, 16), c=0.1, seed=3)
    assert torch.equal(first, fit_proxies(points, (4, 16), c=0.1, seed=3))
    assert not torch.allclose(first, fit_proxies(points, (4, 16), c=0.05, seed=3))
    assert fit_proxies(points.double(), (4,), c=0.1).dtype == torch.float64


def test_other_spaces():
    points, _, _ = tree_points(240, 8, spread=True)
    sphere = level_centroids(Spherical().points(points), (4, 16), Spherical(), 0)
    torch.testing.assert_close(sphere.norm(dim=1), torch.ones(20))
    flat = level_centroids(points, (1,), Euclidean(), 0)
    torch.testing.assert_close(flat[0], points.mean(0))


@pytest.mark.parametrize("points", [torch.zeros(20, 4), torch.full((20, 4), 0.3)])
def test_coincident_points(points):
    proxies = fit_proxies(points, (3, 10))
    assert proxies.isfinite().all()
    torch.testing.assert_close(proxies, points[:13])


def test_as_many_proxies_as_points():
    points, _, _ = tree_points(24, 8, spread=True)
    proxies = fit_proxies(points, (24,))
    torch.testing.assert_close(pairwise_distance(points, proxies, 0.1).amin(1), torch.zeros(24), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("points", "levels", "message"),
    [
        (torch.rand(20, 4), (8, 4), r"increasing positive numbers of proxies, coarse to fine, got \(8, 4\)"),
        (torch.rand(20, 4), (), "increasing positive"),
        (torch.rand(20, 4), (0, 4), "increasing positive"),
        (torch.rand(20, 4), (4, 32), r"fitting 32 proxies needs \(N, d\) embeddings with N >= 32, got \(20, 4\)"),
        (torch.full((20, 4), torch.nan), (4,), "embeddings must be finite"),
        (torch.full((20, 4), 5.0), (4,), r"norm 10, outside the ball of radius 3\.162 .* ToPoincare first"),
    ],
)
def test_refuses(points, levels, message):
    with pytest.raises(ValueError, match=message):
        fit_proxies(points, levels)
