"""The three spaces of HIER, against formulas written out."""

import pytest
import torch

from hyperdml.geometry import dist0, expmap0, pairwise_distance
from hyperdml.hier.spaces import Euclidean, Hyperbolic, Released, Spherical

SPACES = {"ball": Hyperbolic(0.1, 2.3), "released": Released(0.1, 2.3), "sphere": Spherical(), "flat": Euclidean()}


def vectors(n=12, d=5, dtype=torch.float64):
    return torch.randn(n, d, dtype=dtype)


def test_sphere():
    u, v = vectors(), vectors(7)
    expected = 2 - 2 * torch.nn.functional.cosine_similarity(u[:, None], v[None], dim=-1)
    x, y = Spherical().points(u), Spherical().points(v)
    torch.testing.assert_close(Spherical().pairwise(x, y), expected)
    torch.testing.assert_close(Spherical().pairwise(x.float(), y), expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(Spherical().to_origin(u), torch.ones(12, dtype=torch.float64))


def test_flat():
    u, v = vectors(), vectors(7)
    torch.testing.assert_close(Euclidean().pairwise(u, v), (u[:, None] - v[None]).norm(dim=-1))
    torch.testing.assert_close(Euclidean().to_origin(u), u.norm(dim=1))
    near = u.float() + 1e-4
    exact = (near - u.float()).double().norm(dim=1).float()
    torch.testing.assert_close(Euclidean().pairwise(near, u.float()).diagonal(), exact, rtol=1e-3, atol=0)


def test_ball():
    u = vectors()
    space = SPACES["ball"]
    points = space.points(u)
    torch.testing.assert_close(space.to_origin(points), 2 * u.norm(dim=1).clamp_max(2.3))
    torch.testing.assert_close(space.pairwise(points, points), pairwise_distance(points, points, 0.1))
    torch.testing.assert_close(SPACES["released"].points(u), points, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dist0(points, 0.1), space.to_origin(points))


@pytest.mark.parametrize("name", SPACES)
def test_vectors_undo_points_within_the_clipping_radius(name):
    space = SPACES[name]
    u = torch.nn.functional.normalize(vectors())
    torch.testing.assert_close(space.vectors(space.points(u)), u, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["ball", "sphere", "flat"])
def test_centroids_minimise_over_their_members(name):
    """No small step away from a centroid brings it nearer to its members, in what the space's centroid minimises."""
    space = SPACES[name]
    x = space.points(vectors(30))
    cluster = torch.arange(30) % 3
    centres = space.centroids(x, cluster, 3)

    def cost(centre, k):
        dist = space.pairwise(centre[None], x[cluster == k])
        if name == "ball":  # the Lorentz centroid minimises the sum of cosh, as the mean does squares
            return torch.cosh(0.1**0.5 * dist).sum()
        return (dist.square() if name == "flat" else dist).sum()

    for k in range(3):
        best = cost(centres[k], k)
        for _ in range(20):
            assert (
                cost(
                    space.points(centres[k] + 0.05 * vectors(1)[0])
                    if name == "sphere"
                    else centres[k] + 0.05 * vectors(1)[0],
                    k,
                )
                > best
            )


@pytest.mark.parametrize("name", SPACES)
def test_float32_is_kept_and_half_precision_is_raised(name):
    space = SPACES[name]
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        points = space.points(vectors(dtype=dtype))
        assert points.dtype == torch.float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = space.pairwise(points, points)
        assert inside.dtype == torch.float32
        assert torch.equal(inside, space.pairwise(points, points))


def test_ball_centroids_of_one_point_are_the_point():
    x = expmap0(vectors(4), 0.1)
    torch.testing.assert_close(SPACES["ball"].centroids(x, torch.arange(4), 4), x)
