"""Layouts: trees without crossing edges, isometries that are isometries, maps that keep what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.geometry import dist0, expmap0, mobius_add, pairwise_distance
from hyperdml.tree import Dendrogram
from hyperdml.viz.layouts import LinearMap, align, centred, geodesic, radius_layout, tree_layout, umap_layout
from hyperdml.viz.layouts.align import centroid
from hyperdml.viz.layouts.linear_map import _busemann


def dendrogram(parents):
    """Any rooted tree, parents after children."""
    parents = np.asarray(parents)
    count = len(parents)
    leaf = np.bincount(parents[:-1], minlength=count) == 0
    order = np.concatenate([np.flatnonzero(leaf), np.flatnonzero(~leaf)])
    place = np.argsort(order)
    above = np.where(parents[order] < 0, -1, place[parents[order]])
    heights = np.maximum(np.arange(count) - leaf.sum() + 1, 0).astype(float)
    return Dendrogram(above.astype(np.int64), heights, int(leaf.sum()))


@st.composite
def trees(draw):
    count = draw(st.integers(2, 40))
    reach = draw(st.sampled_from([1, 2, 5, 40]))
    ups = [min(count - 1, node + 1 + draw(st.integers(0, reach - 1))) for node in range(count - 1)]
    return dendrogram([*ups, -1])


def klein(z):
    """Geodesics of the disk are straight lines here."""
    k = 2 * z / (1 + np.abs(z) ** 2)
    return np.stack([k.real, k.imag], -1)


def crossings(z, parents):
    """Pairs of edges without a common node that meet."""
    at = klein(z)
    lower = np.arange(len(parents) - 1)
    upper = parents[:-1]
    a, b = at[lower], at[upper]

    def side(p, q, r):
        d, e = q - p, r - p
        return d[..., 0] * e[..., 1] - d[..., 1] * e[..., 0]

    i, j = np.triu_indices(len(lower), 1)
    shared = (lower[i] == upper[j]) | (lower[j] == upper[i]) | (upper[i] == upper[j])
    i, j = i[~shared], j[~shared]
    first = side(a[i], b[i], a[j]) * side(a[i], b[i], b[j])
    second = side(a[j], b[j], a[i]) * side(a[j], b[j], b[i])
    return int(((first < 0) & (second < 0)).sum())


@settings(max_examples=60, deadline=None)
@given(trees())
def test_edges_do_not_cross(tree):
    z = tree_layout(tree)
    assert (np.abs(z) < 1).all()
    assert len(np.unique(np.round(z, 12))) == tree.num_nodes, "coincide"
    assert crossings(z, tree.parents) == 0


@settings(max_examples=30, deadline=None)
@given(trees())
def test_edges_from_one_node_leave_in_different_directions(tree):
    z = tree_layout(tree)
    for node in range(tree.num_leaves, tree.num_nodes):
        below = tree.children.row(node)
        seen = (z[below] - z[node]) / (1 - np.conj(z[node]) * z[below])
        angle = np.sort(np.angle(seen))
        gaps = np.diff(np.append(angle, angle[0] + 2 * np.pi))
        assert len(below) == 1 or gaps.min() > 1e-6


def test_the_root_is_in_the_middle_and_large_subtrees_are_near_it():
    z = tree_layout(Dendrogram.from_newick("((((a,b),(c,d)),((e,f),(g,h))),i);"))
    assert z[-1] == 0
    tree = dendrogram([8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, -1])
    radius = np.abs(tree_layout(tree))
    for node, up in enumerate(tree.parents[:-1]):
        assert radius[node] > radius[up]


@pytest.mark.parametrize("parents", [[1, -1], [*range(1, 5001), -1]], ids=["one leaf", "a chain"])
def test_chains_are_laid_out(parents):
    z = tree_layout(dendrogram(parents))
    assert (np.abs(z) < 1).all()
    assert z[-1] == 0
    assert len(np.unique(np.round(z, 12))) == len(parents)


def test_every_leaf_of_a_broom_has_its_own_part_of_the_rim():
    """5,000 inner nodes, each with one leaf beside the next."""
    inner = np.arange(5000, 10000)
    parents = np.concatenate([inner, np.append(inner[1:], -1)])
    z = tree_layout(Dendrogram(parents, np.concatenate([np.zeros(5000), np.arange(1.0, 5001)]), 5000))
    assert (np.abs(z) < 1).all()
    assert len(np.unique(np.round(z, 12))) == 10000


def random_places(count, seed=0):
    rng = np.random.default_rng(seed)
    return 0.95 * np.sqrt(rng.uniform(size=count)) * np.exp(2j * np.pi * rng.uniform(size=count))


def unit_distance(a, b):
    return 2 * np.arctanh(np.abs((a - b) / (1 - np.conj(a) * b)))


def moved(z, by):
    return (z + by) / (1 + np.conj(by) * z)


def test_centred_is_an_isometry_onto_the_centroid_zero():
    z = moved(random_places(40), 0.5 - 0.3j)
    found = centred(z)
    np.testing.assert_allclose(unit_distance(found[1:], found[:-1]), unit_distance(z[1:], z[:-1]), rtol=1e-8)
    lift = 2 * found / (1 - np.abs(found) ** 2)
    assert abs(lift.sum()) < 1e-9 * np.abs(lift).sum()
    np.testing.assert_allclose(centred(found), found, atol=1e-12)


@pytest.mark.parametrize("mirror", [False, True])
def test_align_undoes_any_isometry(mirror):
    z = random_places(30)
    other = moved(z * np.exp(1.3j), -0.4 + 0.2j)
    other = np.conj(other) if mirror else other
    np.testing.assert_allclose(align(other, z), centred(z), atol=1e-9)
    np.testing.assert_allclose(align(np.append(other, 0.1), z, 30)[:30], centred(z), atol=1e-9)


def test_align_needs_the_same_points():
    with pytest.raises(ValueError, match="same points"):
        align(random_places(4), random_places(5))


def test_two_dimensions_are_shown_as_they_are_up_to_the_scale():
    """Points of a disk that lies in the ball: directions from the centre are kept, radii by one factor."""
    flat = expmap0(torch.from_numpy(np.random.default_rng(0).normal(size=(50, 2))), 0.1)
    axes = torch.linalg.qr(torch.randn(7, 2, dtype=torch.float64)).Q
    points = flat @ axes.T
    seen = LinearMap.fit(points, c=0.1)
    z = seen(points)
    assert seen.share == pytest.approx(1)
    torch.testing.assert_close(seen.directions.T @ seen.directions, torch.eye(2, dtype=torch.float64))
    to_centre = pairwise_distance(points, seen.centre[None], 0.1)[:, 0].numpy() * np.sqrt(0.1)
    np.testing.assert_allclose(2 * np.arctanh(np.abs(z)), seen.scale * to_centre, rtol=1e-6)
    assert abs(seen(seen.centre[None])[0]) < 1e-9
    np.testing.assert_array_equal(seen(points[:7]), z[:7])  # what is fitted is applied, not fitted again


def test_horospherical_keeps_busemann_coordinates():
    points, _, _ = tree_points(60, 8, spread=True)
    seen = LinearMap.fit(points, c=0.1, kind="horospherical")
    torch.testing.assert_close(seen.directions.T @ seen.directions, torch.eye(2, dtype=torch.float64))
    z = seen(points)
    half = np.arctanh(np.abs(z)) / seen.scale  # the scale of the picture taken back
    flat = moved(np.tanh(half) * z / np.abs(z), seen.middle)
    plane = torch.from_numpy(np.stack([flat.real, flat.imag], 1))
    x = mobius_add(-seen.centre[None], points.double(), 0.1) * 0.1**0.5
    kept = _busemann(plane, torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(kept, _busemann(x, seen.directions), rtol=1e-5, atol=1e-6)


def test_horospherical_leaves_points_of_its_plane_where_they_are_on_both_sides():
    """Of two points with the same Busemann coordinates one lies beyond the geodesic between the two rim points."""
    points, _, _ = tree_points(60, 8, spread=True)
    seen = replace(LinearMap.fit(points, c=1.0, kind="horospherical"), middle=0j, scale=1.0)
    flat = random_places(80)
    time = (1 + np.abs(flat) ** 2) / (1 - np.abs(flat) ** 2)
    beyond = time < 2 * (flat.real + flat.imag) / (1 - np.abs(flat) ** 2)
    assert 5 < beyond.sum() < 75
    x = torch.from_numpy(np.stack([flat.real, flat.imag], 1)) @ seen.directions.T
    np.testing.assert_allclose(seen(mobius_add(seen.centre[None], x, 1.0)), flat, atol=1e-6)


def test_horospherical_fills_the_middle_of_the_disk():
    points, _, _ = tree_points(60, 8, spread=True)
    seen = replace(LinearMap.fit(points, c=0.1, kind="horospherical"), scale=1.0)
    assert abs(centroid(seen(points))) < 1e-9


def test_a_linear_map_says_what_it_cannot_fit():
    with pytest.raises(ValueError, match="kind must be"):
        LinearMap.fit(torch.zeros(3, 3), c=1.0, kind="pca")
    with pytest.raises(ValueError, match="N and d at least 2"):
        LinearMap.fit(torch.zeros(3, 1), c=1.0)


def test_radii_are_those_of_the_learned_space():
    points, _, _ = tree_points(60, 16, spread=True)
    proxies = expmap0(torch.randn(9, 16), 0.1)
    at, proxy_at = radius_layout(points, proxies, 0.1)
    for x, z in ((points, at), (proxies, proxy_at)):
        np.testing.assert_allclose(2 * np.arctanh(np.abs(z)) / np.sqrt(0.1), dist0(x, 0.1), rtol=1e-4)
    given = np.arange(60)[::-1].copy()
    ordered, none = radius_layout(points, proxies[:0], 0.1, order=given)
    assert (np.diff(np.angle(ordered[given]) % (2 * np.pi)) > 0).all()
    assert len(none) == 0


def test_angles_keep_clusters_together():
    points, labels, _ = tree_points(80, 32, spread=False)
    at, _ = radius_layout(points, points[:0], 0.1)
    along = labels.numpy()[np.argsort(np.angle(at))]
    changes = (along != np.roll(along, 1)).sum()
    shuffled = np.random.default_rng(0).permutation(along)
    assert changes < 0.5 * (shuffled != np.roll(shuffled, 1)).sum()


def test_umap_keeps_neighbours_and_is_the_same_twice():
    points, labels, _ = tree_points(72, 8, spread=False)
    points[1] = points[0]  # a copy
    z = umap_layout(points, c=0.1, neighbors=6, seed=3)
    assert np.isfinite(z).all()
    assert (np.abs(z) < 1).all()
    np.testing.assert_array_equal(z, umap_layout(points, c=0.1, neighbors=6, seed=3))
    gaps = unit_distance(z[:, None], z[None])
    np.fill_diagonal(gaps, np.inf)
    right = (labels.numpy()[gaps.argmin(1)] == labels.numpy()).mean()
    assert right > 0.5  # by chance 5 of 71
    again = umap_layout(points, c=0.1, neighbors=6, seed=3, start=z)
    assert np.isfinite(again).all()
    with pytest.raises(ValueError, match="4 points"):
        umap_layout(points[:3], c=0.1)


def test_geodesics_have_even_steps_whose_lengths_add_up():
    rng = np.random.default_rng(0)
    start, end = (rng.uniform(0, 0.98, 50) * np.exp(1j * rng.uniform(0, 6.28, 50)) for _ in range(2))
    arcs = geodesic(start, end, steps=9)
    np.testing.assert_allclose(arcs[:, 0], start, atol=1e-12)
    np.testing.assert_allclose(arcs[:, -1], end, atol=1e-9)
    steps = unit_distance(arcs[:, 1:], arcs[:, :-1])
    np.testing.assert_allclose(steps, steps[:, :1].repeat(8, 1), rtol=1e-6)
    np.testing.assert_allclose(steps.sum(1), unit_distance(start, end), rtol=1e-6)


def test_geodesic_from_a_point_to_itself_stays():
    np.testing.assert_array_equal(
        geodesic(np.array([0.3 + 0.1j]), np.array([0.3 + 0.1j]), 4), np.full((1, 4), 0.3 + 0.1j)
    )
