"""Trees out of embeddings: SciPy, closed forms and loops as oracles; cells; proxies; errors."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import cophenet, linkage
from synthetic import tree_points

from hyperdml.geometry import dist0, distance, einstein_midpoint, expmap0, mobius_add, pairwise_distance
from hyperdml.metrics import dendrogram_purity
from hyperdml.tree import ROOT, extract_tree, proxy_tree
from hyperdml.tree.dissimilarity import condensed, dissimilarity
from hyperdml.tree.inner_points import nearest_to_origin

C = 0.3
LINKAGES = ("average", "hyphc", "gromov")
laws = settings(deadline=None, max_examples=10)


def spread_points(n, seed, d=4, c=C, reach=1.5):
    generator = torch.Generator().manual_seed(seed)
    u = torch.nn.functional.normalize(torch.randn(n, d, generator=generator, dtype=torch.float64))
    return expmap0(u * torch.rand(n, 1, generator=generator, dtype=torch.float64) * reach / c**0.5, c)


def all_pairs(n):
    return torch.triu_indices(n, n, 1)


@laws
@given(st.integers(2, 60), st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 2.5]))
def test_average_linkage_is_that_of_scipy(n, seed, c):
    x = spread_points(n, seed, c=c)
    i, j = all_pairs(n)
    z = linkage(distance(x[i], x[j], c).numpy(), "average")
    tree = extract_tree(x, c=c)
    assert np.allclose(tree.to_linkage()[:, 2], z[:, 2], rtol=1e-9)
    assert np.allclose(cophenet(tree.to_linkage()), cophenet(z), rtol=1e-9)
    assert (tree.method, tree.c) == ("average", c)


@pytest.mark.parametrize("method", ["hyphc", "gromov"])
@laws
@given(n=st.integers(2, 40), seed=st.integers(0, 10**6))
def test_the_others_are_single_linkage_of_their_dissimilarity(method, n, seed):
    x = spread_points(n, seed)
    i, j = all_pairs(n)
    radius = dist0(x, C)
    if method == "gromov":
        product = (radius[i] + radius[j] - distance(x[i], x[j], C)) / 2
    else:  # the distance from the origin to the geodesic, by a fine walk along it
        unit = torch.nn.functional.normalize(x)
        on = expmap0(unit * radius.max() / 2, C)
        product = walk(on[i], on[j])
    z = linkage((radius.max() - product).clamp_min(0).numpy(), "single")
    found = cophenet(extract_tree(x, method=method, c=C).to_linkage())
    assert np.allclose(found, cophenet(z), atol=1e-7)


def walk(a, b, steps=201):
    """Least distance to the origin along the geodesics ``a (+) tanh(t artanh|g|) g / |g|``, ``g = (-a) (+) b``.

    t = 1/2 is among the steps.
    """
    gap = mobius_add(-a, b, C)
    norm = torch.linalg.vector_norm(gap, dim=1, keepdim=True).clamp_min(1e-15)
    best = torch.full((len(a),), math.inf, dtype=torch.float64)
    for t in torch.linspace(0, 1, steps).tolist():
        step = torch.tanh(t * torch.atanh(C**0.5 * norm)) / C**0.5 * gap / norm
        best = torch.minimum(best, dist0(mobius_add(a, step, C), C))
    return best


def test_hyphc_depends_on_directions_only():
    x = spread_points(50, 3)
    other = torch.nn.functional.normalize(x) * x.norm(dim=1).max()
    one, two = (extract_tree(points, method="hyphc", c=C) for points in (x, other))
    assert np.array_equal(one.parents, two.parents)
    assert np.allclose(one.heights, two.heights)


def test_the_gromov_product_recovers_a_tree_from_its_path_lengths():
    """Far out, distances are those of a tree up to log 2: clusters of directions are found at unequal radii."""
    angles = torch.tensor([0.0, 0.02, 0.5, 0.52, 2.0, 2.02, 2.5])
    length = torch.tensor([4.0, 4.5, 5.0, 4.2, 4.8, 4.1, 5.0])
    x = expmap0(torch.stack([angles.cos(), angles.sin()], 1).double() * length[:, None], 1.0)
    tree = extract_tree(x, method="gromov", c=1.0)
    assert tree.cut(2).tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert tree.cut(4).tolist() == [0, 0, 1, 1, 2, 2, 3]


@laws
@given(st.integers(2, 40), st.integers(0, 10**6), st.sampled_from([1.5, 10.0]))
def test_inner_nodes_lie_at_midpoints_of_their_leaves(n, seed, reach):
    """Also where sums of lifts, e^20 each, keep no digit of the differences."""
    x = spread_points(n, seed, reach=reach)
    tree = extract_tree(x, c=C)
    for node in range(n, tree.num_nodes):
        below = x[torch.from_numpy(tree.leaves_under(node).copy())]
        assert distance(tree.points[node - n], einstein_midpoint(below, c=C), C) < 1e-3 if reach > 5 else 1e-6


@laws
@given(st.integers(0, 10**6))
def test_points_of_pairs_lie_nearest_to_the_origin(seed):
    x = spread_points(40, seed)
    a, b = x[:20], x[20:]
    found = torch.cat(
        [nearest_to_origin(np.array([2, 2, -1]), torch.stack(pair), C) for pair in zip(a, b, strict=True)]
    )
    assert (dist0(found, C) <= walk(a, b) + 1e-9).all()
    assert torch.allclose(distance(a, found, C) + distance(found, b, C), distance(a, b, C), atol=1e-7)


def test_hyphc_by_hand():
    """``tanh(sqrt(c) d) = tanh(sqrt(c) R) cos(angle / 2)``."""
    for c in (0.1, 1.0):
        u = torch.tensor([[1.0, 0.0], [math.cos(1.2), math.sin(1.2)]], dtype=torch.float64)
        tree = extract_tree(expmap0(u * 0.8, c), method="hyphc", c=c)
        depth = math.atanh(math.tanh(c**0.5 * 1.6) * math.cos(0.6)) / c**0.5
        assert tree.heights[-1] == pytest.approx(1.6 - depth)
        assert float(dist0(tree.points, c)) == pytest.approx(depth)
        bisector = torch.tensor([math.cos(0.6), math.sin(0.6)], dtype=torch.float64)
        assert torch.allclose(torch.nn.functional.normalize(tree.points)[0], bisector)


@pytest.mark.parametrize("method", LINKAGES)
def test_duplicates_and_the_origin(method):
    x = torch.cat([torch.zeros(2, 3), torch.full((3, 3), 0.2), torch.full((1, 3), -0.2)])
    tree = extract_tree(x, method=method, c=1.0)
    assert tree.num_nodes == 11
    assert tree.points.isfinite().all()
    assert tree.cut(3)[2:5].tolist() == [tree.cut(3)[2]] * 3
    one = extract_tree(x[:1], method=method, c=1.0)
    assert (one.parents.tolist(), one.points.shape) == ([-1], (0, 3))


@pytest.mark.parametrize("method", LINKAGES)
def test_cells_find_the_planted_tree(method):
    x, labels, levels = tree_points(1440, 32, spread=False)
    whole, cells = (extract_tree(x, method=method, c=0.1, direct=direct) for direct in (2000, 400))
    assert not np.array_equal(whole.parents, cells.parents)
    again = extract_tree(x, method=method, c=0.1, direct=400)
    assert np.array_equal(cells.parents, again.parents)
    for level, share in ((labels, 0.9), (levels[:, 0], 0.75)):
        exact, over = (dendrogram_purity(*tree.parent_arrays(), level) for tree in (whole, cells))
        assert over > share * exact
    shuffled = labels[torch.randperm(len(labels))]
    assert dendrogram_purity(*cells.parent_arrays(), shuffled) < 0.1


def test_cells_of_coincident_points():
    tree = extract_tree(torch.full((600, 2), 0.1), c=1.0, direct=100)
    assert tree.num_nodes == 1199
    assert tree.heights.max() == pytest.approx(0, abs=1e-6)


def test_rows_of_a_permutation():
    x, _, _ = tree_points(120, 8, spread=True)
    order = torch.randperm(120)
    one, other = extract_tree(x, c=0.1), extract_tree(x[order], c=0.1)
    i, j = all_pairs(120)
    found = other.heights[other.lca(i, j)]
    assert np.allclose(found, one.heights[one.lca(order[i], order[j])], atol=1e-6)


def test_float32_and_a_learned_curvature():
    geoopt = pytest.importorskip("geoopt")
    x = spread_points(30, 0)
    exact = extract_tree(x, c=C)
    assert np.allclose(extract_tree(x.float().requires_grad_(), c=C).heights, exact.heights, atol=1e-5)
    ball = geoopt.PoincareBall(c=C, learnable=True)
    assert np.allclose(extract_tree(x, c=ball).heights, exact.heights, atol=1e-5)


def test_condensed_in_blocks():
    x = spread_points(37, 1)
    between = dissimilarity("average", x, C)
    whole = pairwise_distance(x, x, C)[tuple(all_pairs(37))]
    for block in (1, 37, 100, 10**6):
        assert torch.allclose(condensed(between, torch.arange(37), block), whole)


def polar(*points):
    radius, angle = torch.tensor(points, dtype=torch.float64).T
    return expmap0(torch.stack([angle.cos(), angle.sin()], 1) * radius[:, None] / 2, 0.1)


# as in test_proxy_tree, and a proxy that no image is near
PROXIES = polar((1.5, 0.0), (3.0, 0.5), (3.0, -0.5), (1.5, math.pi), (3.0, 1.7))
IMAGES = polar((4.6, 0.5), (4.6, 0.6), (4.6, -0.5), (4.6, math.pi), (4.6, math.pi - 0.3))


def test_nearest_ancestors_by_hand():
    tree = extract_tree(IMAGES, PROXIES, "nearest_ancestor", c=0.1)
    assert tree.proxies.tolist() == [1, 2, 3, 0, ROOT]
    assert tree.parents.tolist() == [5, 5, 6, 7, 7, 8, 8, 9, 9, -1]
    assert tree.heights.tolist() == pytest.approx([0] * 5 + [1.6, 1.6, 3.1, 3.1, 4.6])
    assert torch.equal(tree.points[:4], PROXIES[[1, 2, 3, 0]])
    assert torch.equal(tree.points[4], torch.zeros(2).double())


@laws
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 10**6))
def test_nearest_ancestors_are_the_proxy_tree(n, p, seed):
    x, z = spread_points(n, seed), spread_points(p, seed + 1, reach=1.2)
    tree, expected = extract_tree(x, z, "nearest_ancestor", c=C), proxy_tree(x, z, C)
    called = [*range(n), *tree.proxies.tolist()]
    for leaf in range(n):
        assert called[tree.parents[leaf]] == expected.leaf_parents[leaf]
    for node in range(n, tree.root):
        assert called[tree.parents[node]] == expected.parents[called[node]]
    assert tree.proxies[-1] == ROOT
    assert dendrogram_purity(*tree.parent_arrays(), [0] * n) == 1 if n > 1 else True


def test_votes_find_a_planted_hierarchy():
    """Proxies at the centroids of the classes and groups: the groups' are the ancestors of their classes'."""
    x, _, levels = tree_points(720, 32, spread=False)
    x = x.double()
    centres = [
        torch.stack([einstein_midpoint(x[ids == i], c=0.1) for i in range(int(ids.max()) + 1)]) for ids in levels.T[:2]
    ]
    tree = extract_tree(x, torch.cat(centres), "lca", c=0.1)
    tops = len(centres[0])
    home = {int(middle): int(top) for top, middle in levels[:, :2].tolist()}
    right = 0
    for node in range(720, tree.root):
        proxy, above = int(tree.proxies[node - 720]), int(tree.proxies[tree.parents[node] - 720])
        right += proxy >= tops and above == home[proxy - tops]
    assert right > 0.6 * len(centres[1])
    again = extract_tree(x, torch.cat(centres), "lca", c=0.1)
    assert np.array_equal(tree.parents, again.parents)


@pytest.mark.parametrize("n", [1, 2, 3, 60])
def test_votes_of_few_images(n):
    tree = extract_tree(spread_points(n, 0), spread_points(5, 1), "lca", c=C)
    assert tree.num_leaves == n
    assert tree.proxies[-1] == ROOT


X = torch.full((3, 2), 0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "ward"}, "method must be one of average, hyphc, .* got 'ward'"),
        ({"method": "lca"}, "'lca' needs proxies"),
        ({"proxies": X}, "'average' takes no proxies"),
        ({"direct": 1}, "direct must be at least 2, got 1"),
        ({"names": ["a"]}, "names must be one for each of 3 embeddings, got 1"),
        ({"c": 0.0}, "curvature c must be positive"),
        ({"c": 100.0}, r"embeddings row 0 has norm 0\.1414, outside the ball of radius 0\.1 "),
        ({"embeddings": X[:0]}, r"got \(0, 2\)"),
        ({"embeddings": X[0]}, r"got \(2,\)"),
        ({"embeddings": X * math.nan}, "embeddings row 0 is not finite"),
        ({"proxies": X * 20, "method": "lca"}, "proxies row 0 has norm"),
        ({"proxies": X[:, :1], "method": "lca"}, r"got \(3, 2\) and \(3, 1\)"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        extract_tree(**({"embeddings": X, "c": 1.0} | arguments))


@pytest.mark.gpu
@pytest.mark.parametrize("direct", [1000, 100])
def test_on_a_gpu(direct):
    x, _, _ = tree_points(480, 16, spread=True)
    here, there = (extract_tree(points, c=0.1, direct=direct) for points in (x, x.cuda()))
    assert there.points.device.type == "cpu"
    if direct == 1000:
        assert np.allclose(here.heights, there.heights)
