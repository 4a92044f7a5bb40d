"""A tree in the Poincaré disk: the root at 0, every subtree in a region of its own, no edge crosses another."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hyperdml.tree.dendrogram import Dendrogram

_REACH, _PER_LOG = 1.5, 0.4  # at these the large branches of a tree are seen apart from its rim
_EVERY_EDGE = 0.5  # what the longest path gets on top, shared out over its edges, so that no two nodes coincide


def tree_layout(tree: Dendrogram) -> NDArray[np.complex128]:
    """Places of all nodes of a tree in the unit disk; exact, deterministic, level by level.

    Every leaf owns the same share of the rim, in the order of `tree.order`, and an inner node the arc of its leaves.
    The root is at 0. Seen from a node, that is after the Möbius map that carries it to 0, the arc of a child fills an
    angle; the child goes into the middle of it (Lamping, Rao and Pirolli, CHI 1995; Sarkar, GD 2011), at the distance
    ``k log(leaves of the node / leaves of the child)`` and a little. So lengths from the root add up to nearly the same
    for all leaves: a chain of thousands of levels fits as a bushy tree does, and radius tells how few leaves are below
    a node, not how deep it lies. ``k`` is such that they add up to ``1.5 + 0.4 log N``.

    Edges do not cross, whatever their lengths: the region of a node, between the two geodesics from it to the ends of
    its arc, lies within that of its parent, meets those of its siblings in their ends at most, and lies beyond the edge
    that leads to it.

    Args:
        tree: of M nodes and N leaves.

    Returns:
        (M,) complex numbers of modulus below 1, of hyperbolic radius at most ``2 + 0.4 log N``.
    """
    count = tree.num_leaves
    parents, sizes = tree.parents, tree.sizes
    levels = np.split(np.argsort(tree.depths, kind="stable"), np.cumsum(np.bincount(tree.depths))[:-1])
    first = np.full(tree.num_nodes, count)
    first[tree.order] = np.arange(count)
    for nodes in reversed(levels[1:]):
        np.minimum.at(first, parents[nodes], first[nodes])
    # of one leaf the logarithms are 0, and all length is in the little
    length = (_PER_LOG + _REACH / max(math.log(count), 1e-9)) * np.log(sizes[parents[:-1]] / sizes[:-1])
    length += _EVERY_EDGE / max(1, len(levels) - 1)
    turn = 2j * math.pi / count
    starts, ends = np.exp(turn * first), np.exp(turn * (first + sizes))
    at = np.zeros(tree.num_nodes, np.complex128)
    for nodes in levels[1:]:
        above = at[parents[nodes]]
        begin = np.angle(_moved(starts[nodes], -above))
        width = (np.angle(_moved(ends[nodes], -above)) - begin) % (2 * math.pi)
        width[sizes[nodes] == count] = 2 * math.pi  # the whole rim, whose two ends are one point
        at[nodes] = _moved(np.tanh(length[nodes] / 2) * np.exp(1j * (begin + width / 2)), above)
    return at


def _moved(z: NDArray[np.complex128], by: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The Möbius translation that carries 0 to `by`."""
    result: NDArray[np.complex128] = (z + by) / (1 + np.conj(by) * z)
    return result
