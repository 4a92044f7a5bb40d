"""Where the inner nodes of a binary tree lie in the ball."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from hyperdml.geometry import ball_to_klein, distance, einstein_midpoint, klein_to_ball
from hyperdml.metrics.trees.parent_array import children_first
from hyperdml.taxonomy.csr import Ints


def midpoints(parents: Ints, leaves: Tensor, c: float) -> Tensor:
    """Einstein midpoint of the leaves below every inner node.

    A midpoint is the sum of its leaves' lifts, scaled back to the hyperboloid, so that of two parts is the midpoint of
    their midpoints a and b with the lengths p and q of their sums as weights; the length of the whole is
    ``sqrt(p^2 + q^2 + 2 p q cosh(sqrt(c) d(a, b)))``. Sums of lifts themselves would lose far points' digits.

    Args:
        parents: (2N - 1,) parents of a binary `Dendrogram`.
        leaves: (N, d) float64 points.
        c: curvature magnitude.

    Returns:
        (N - 1, d) float64 points.
    """
    points = _with_room(leaves)
    logs = torch.zeros(len(points), dtype=torch.float64)  # of the lengths
    for nodes, pair in _rounds(parents, len(leaves)):
        two, length = points[pair], logs[pair]
        weights = (length - length.amax(1, keepdim=True)).exp()
        points[nodes] = einstein_midpoint(two, weights, c=c)
        apart = c**0.5 * distance(two[:, 0], two[:, 1], c)
        mixed = length.sum(1) + apart + torch.log1p((-2 * apart).exp())  # log(2 p q cosh)
        logs[nodes] = torch.cat([2 * length, mixed[:, None]], 1).logsumexp(1) / 2
    return points[len(leaves) :]


def nearest_to_origin(parents: Ints, leaves: Tensor, c: float) -> Tensor:
    """For every inner node the point nearest to the origin on the geodesic segment between its two children.

    This is where HypHC (Chami et al., NeurIPS 2020) puts the lowest common ancestor of two points. In the Klein model
    the segment is a straight one and radii keep their order.

    Args:
        parents: (2N - 1,) parents of a binary `Dendrogram`.
        leaves: (N, d) float64 points.
        c: curvature magnitude.

    Returns:
        (N - 1, d) float64 points.
    """
    points = _with_room(ball_to_klein(leaves, c))
    for nodes, pair in _rounds(parents, len(leaves)):
        start, way = points[pair[:, 0]], points[pair[:, 1]] - points[pair[:, 0]]
        length2 = (way * way).sum(1, keepdim=True)
        share = -(start * way).sum(1, keepdim=True) / torch.where(length2 > 0, length2, 1.0)
        points[nodes] = start + share.clamp(0, 1) * way
    return klein_to_ball(points[len(leaves) :], c)


def _with_room(leaves: Tensor) -> Tensor:
    """(2N - 1, d) points of which only the leaves are known."""
    return torch.cat([leaves, leaves.new_zeros(len(leaves) - 1, leaves.shape[1])])


def _rounds(parents: Ints, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Inner nodes with their (n, 2) children, as many at once as depend on none of each other, from below."""
    above = torch.from_numpy(parents.copy())
    pairs = above[:-1].argsort(stable=True).view(-1, 2)
    for nodes in children_first(above):
        inner = nodes[nodes >= count]
        if len(inner):
            yield inner, pairs[inner - count]
