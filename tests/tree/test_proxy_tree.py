"""The tree that proxies span: by hand, as parent arrays, and with what it refuses."""

import math

import pytest
import torch

from hyperdml.geometry import expmap0
from hyperdml.metrics import dendrogram_purity
from hyperdml.tree import ROOT, ProxyTree, nearest_ancestors, proxy_tree

C = 0.1


def polar(*points):
    """Points of the ball at (hyperbolic radius, angle)."""
    radius, angle = torch.tensor(points, dtype=torch.float64).T
    return expmap0(torch.stack([angle.cos(), angle.sin()], 1) * radius[:, None] / 2, C)


# two branches, to the right and to the left; on the right two twigs
PROXIES = polar((1.5, 0.0), (3.0, 0.5), (3.0, -0.5), (1.5, math.pi))
IMAGES = polar((4.6, 0.5), (4.6, 0.6), (4.6, -0.5), (4.6, math.pi), (4.6, math.pi - 0.3))


def test_by_hand():
    tree = proxy_tree(IMAGES, PROXIES, C)
    assert tree.parents.tolist() == [ROOT, 0, 0, ROOT]
    assert tree.leaf_parents.tolist() == [1, 1, 2, 3, 3]
    assert tree.depths.tolist() == [1, 2, 2, 1]
    assert tree.sizes.tolist() == [3, 2, 1, 2]
    assert dendrogram_purity(tree.parents, tree.leaf_parents, [0, 0, 0, 1, 1]) == 1.0
    assert dendrogram_purity(tree.parents, tree.leaf_parents, [0, 1, 0, 1, 1]) == pytest.approx(
        (2 / 3 + 3 / 5 * 2 + 1) / 4
    )


def test_images_never_hang_from_the_origin_and_may_lie_further_in_than_their_proxy():
    images = polar((0.2, 1.0), (0.1, 2.0))
    tree = proxy_tree(images, PROXIES, C)
    assert (nearest_ancestors(images, PROXIES, C) == ROOT).all()
    assert (tree.leaf_parents >= 0).all()


def test_random_proxies_get_leaves():
    """Why the origin is left out: in high dimension it is nearer to every image than random proxies are."""
    images, proxies = (expmap0(2.3 * torch.nn.functional.normalize(torch.randn(n, 64)), C) for n in (50, 20))
    assert (nearest_ancestors(images, proxies * 0.9, C) == ROOT).all()
    assert int(proxy_tree(images, proxies * 0.9, C).sizes.sum()) == 50


@pytest.mark.parametrize(
    ("points", "proxies", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(2, 3), r"got \(3, 2\) and \(2, 3\)"),
        (torch.zeros(0, 2), torch.zeros(2, 2), r"got \(0, 2\)"),
        (torch.zeros(3, 2), torch.zeros(0, 2), r"and \(0, 2\)"),
        (torch.zeros(3), torch.zeros(2, 2), r"\(N, d\) points"),
        (torch.zeros(3, 2), torch.tensor([[0.0, 0.0], [math.nan, 0.0]]), "proxies row 1 is not finite"),
        (torch.tensor([[math.inf, 0.0]]), torch.zeros(2, 2), "points row 0 is not finite"),
    ],
)
def test_errors(points, proxies, message):
    with pytest.raises(ValueError, match=message):
        proxy_tree(points, proxies, C)


def test_trees_with_cycles_are_refused():
    with pytest.raises(ValueError, match="cycle"):
        _ = ProxyTree(torch.tensor([1, 0]), torch.tensor([0])).depths
