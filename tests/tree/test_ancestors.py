"""Parents in the learned space: a loop as oracle, no cycles, the origin as last resort."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.geometry import dist0, expmap0, pairwise_distance
from hyperdml.tree import ROOT, nearest_ancestors


def spread_points(n, seed, d=4):
    generator = torch.Generator().manual_seed(seed)
    u = torch.nn.functional.normalize(torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1)
    return expmap0(u * torch.rand(n, 1, generator=generator, dtype=torch.float64) * 2.3, 0.1)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12))
def test_against_a_loop(seed, n, p):
    nodes, proxies = spread_points(n, seed), spread_points(p, seed + 1)
    distance, radius, level = pairwise_distance(nodes, proxies, 0.1), dist0(nodes, 0.1), dist0(proxies, 0.1)
    for i, parent in enumerate(nearest_ancestors(nodes, proxies, 0.1).tolist()):
        candidates = [(float(distance[i, j]), j) for j in range(p) if level[j] < radius[i] * (1 - 1e-4)]
        candidates.append((float(radius[i]), ROOT))
        assert parent == min(candidates)[1]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_proxies_form_a_tree(seed):
    proxies = spread_points(30, seed)
    parents = nearest_ancestors(proxies, proxies, 0.1).tolist()
    for node in range(30):
        seen = set()
        while node != ROOT:
            assert node not in seen
            seen.add(node)
            node = parents[node]


def test_one_radius_gives_a_star():
    directions = torch.nn.functional.normalize(torch.randn(40, 16, dtype=torch.float64), dim=1)
    points = expmap0(2.3 * directions, 0.1)
    assert (nearest_ancestors(points[:30], points[30:], 0.1) == ROOT).all()


def test_rounding_does_not_order_what_lies_on_one_sphere():
    directions = torch.nn.functional.normalize(torch.randn(40, 3), dim=1)
    images, proxies = expmap0(2.3 * directions, 0.1), expmap0((2.3 - 1e-5) * directions, 0.1)
    assert (nearest_ancestors(images, proxies, 0.1) == ROOT).all()


def test_a_chain_is_recovered():
    radii = torch.tensor([0.5, 1.0, 1.5, 2.0])
    proxies = expmap0(torch.stack([radii, torch.zeros(4)], 1), 0.1)
    assert nearest_ancestors(proxies, proxies, 0.1).tolist() == [ROOT, 0, 1, 2]
