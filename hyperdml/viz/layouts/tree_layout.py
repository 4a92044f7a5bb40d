"""A tree in the Poincaré disk: every subtree in a half-plane of its own, no edge crosses another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hyperdml.taxonomy.lca import preorder
from hyperdml.tree.dendrogram import Dendrogram

_GAP = 0.5  # of an arc, beside each inner node's own, in leaves


def tree_layout(tree: Dendrogram) -> NDArray[np.complex128]:
    r"""Places of all nodes of a tree in the unit disk; exact, deterministic, in O(M log M).

    Every node has an arc of the rim, as long as its leaves are many, with a gap to its neighbours; the arcs of children
    lie within that of their parent. A node stands at the point next to 0 of the geodesic between the ends of its arc:
    in the middle of the arc, and for an arc of half-width w at the (signed) hyperbolic radius

    .. math:: \rho = -\log \tan(w / 2)

    so that a node above a share s of the leaves lies at about ``log(2 / (pi s))``: radius is size, not the height of
    the tree. Such geodesics bound half-planes, nested as the subtrees are, and what is left of a half-plane without
    those of the children is convex and holds the whole edges from the node to its children: edges do not cross. The
    construction has the angles of Lamping and Rao's hyperbolic browser (CHI 1995) and needs no step size.

    Args:
        tree: of M nodes; also a chain of thousands of levels.

    Returns:
        (M,) complex numbers of modulus below 1; the root is at 0 if no child has more than half of the rim.
    """
    inner = np.arange(tree.num_nodes) >= tree.num_leaves
    at = preorder(tree.parents)
    by_place = np.argsort(at)
    inner_before: NDArray[np.int64] = np.cumsum(inner[by_place])[at] - inner
    leaves_before = at - inner_before
    # every inner node opens and closes half a gap; those above a node are open and not yet closed
    start = leaves_before + _GAP * (inner_before - tree.depths / 2)
    width = tree.sizes + _GAP * _inner_below(tree)
    half = math.pi * width / width[tree.root]
    middle = 2 * math.pi * (start + width / 2) / width[tree.root]
    radius = -np.log(np.tan(half / 2))
    radius[tree.root] = 0.0
    outermost = int(np.argmax(np.where(tree.parents == tree.root, half, 0)))
    if half[outermost] > math.pi / 2:  # 0 lies in that child's half-plane: the root goes to its edge
        radius[tree.root], middle[tree.root] = radius[outermost], middle[outermost]
    return np.tanh(radius / 2) * np.exp(1j * middle)


def _inner_below(tree: Dendrogram) -> NDArray[np.int64]:
    """(M,) inner nodes at or below each node."""
    count = (np.arange(tree.num_nodes) >= tree.num_leaves).astype(np.int64).tolist()
    for node, up in enumerate(tree.parents[:-1].tolist()):  # children first
        count[up] += count[node]
    return np.array(count, dtype=np.int64)
