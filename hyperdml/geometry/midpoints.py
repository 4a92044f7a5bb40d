"""Einstein midpoints of weighted points and of clusters, in closed form.

Sums of lifts lose digits like ``exp(2 sqrt(c) r)`` for points at distance r from the origin. Midpoints commute with
isometries, so they are taken a second time around the first result, carried to the origin by `translate`: there r is
the spread of the points and not how far out they lie. (The sums are in float64, and for points given in float32, which
keep to ``sqrt(c) r < 10``, one pass is exact enough.) Weights are relative and not negative; where all are 0 the
midpoint is the origin.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hyperdml.geometry.curvature import Curvature, curvature, root
from hyperdml.geometry.lorentz import lift_inside
from hyperdml.geometry.maps import project, upcast
from hyperdml.geometry.mobius import translate


def einstein_midpoint(x: Tensor, weights: Tensor | None = None, *, c: Curvature) -> Tensor:
    """Weighted Einstein midpoint over the second last dimension (Ungar 2008; the centroid of Law et al., ICML 2019).

    ``sum_i w_i g_i k_i / sum_i w_i g_i`` in Klein coordinates k with Lorentz factors ``g = 1 / sqrt(1 - c|k|^2)``.
    The same point is the mean of the lifts to the hyperboloid, scaled back onto it, which is how it is computed; it
    minimises ``sum_i w_i cosh(sqrt(c) d(m, x_i))``, so far points count for more than in `frechet_mean`.

    Args:
        x: (..., N, d) points; those at or beyond the rim are projected first.
        weights: (..., N), by default all equal; leading dimensions broadcast.
        c: curvature magnitude.

    Returns:
        (..., d) midpoints, in float64 if x is, else in float32; at most ``eps exp(sqrt(c) r) / sqrt(c)`` from the true
        ones, r the distance of the farthest point from the origin. Differentiable in x, weights and a learned c.

    Raises:
        ValueError: shapes do not fit.
    """
    c = curvature(c, torch.float64)
    points, w = weighted_points(x, weights, c)
    return project(weighted_einstein(points, w, c, x.dtype).to(upcast(x).dtype), c)


def lorentz_centroids(x: Tensor, assignment: Tensor, k: int, c: Curvature) -> tuple[Tensor, Tensor]:
    """Einstein midpoint of every cluster, in one pass of `index_add`.

    Args:
        x: (N, d) points; those at or beyond the rim are projected first.
        assignment: (N,) integers, the cluster of each point, from 0 to k - 1.
        k: number of clusters.
        c: curvature magnitude.

    Returns:
        (k, d) midpoints, in float64 if x is, else in float32, and (k,) int64 numbers of points. An empty cluster has
        count 0 and lies at the origin.

    Raises:
        ValueError: shapes do not fit, or a cluster is not among the k.
    """
    if x.ndim != 2 or assignment.shape != x.shape[:1] or assignment.is_floating_point():
        raise ValueError(
            f"expected (N, d) points and (N,) integer clusters, got {tuple(x.shape)} and {tuple(assignment.shape)} "
            f"{assignment.dtype}"
        )
    if len(assignment) and not (int(assignment.min()) >= 0 and int(assignment.max()) < k):
        raise ValueError(f"clusters must be from 0 to {k - 1}, got {int(assignment.min())} to {int(assignment.max())}")
    c = curvature(c, torch.float64)
    points = project(upcast(x), c).double()
    counts = torch.bincount(assignment, minlength=k)
    found = _centres(
        points,
        c,
        x.dtype,
        lambda z: z.new_zeros(k, z.shape[1]).index_add(0, assignment, z) / counts.clamp_min(1)[:, None],
        lambda centres: centres[assignment],
    )
    return project(found.to(upcast(x).dtype), c), counts


def weighted_einstein(points: Tensor, w: Tensor, c: float | Tensor, given: torch.dtype) -> Tensor:
    """`einstein_midpoint` of what `weighted_points` returns, for points that were given in a dtype."""
    return _centres(points, c, given, lambda z: (w * z).sum(-2), lambda centre: centre[..., None, :])


def _centres(
    points: Tensor,
    c: float | Tensor,
    given: torch.dtype,
    mean: Callable[[Tensor], Tensor],
    of_each: Callable[[Tensor], Tensor],
) -> Tensor:
    """Einstein midpoints: `mean` reduces vectors of points to those of groups, `of_each` is the way back."""
    if given != torch.float64:
        return _normalised(mean(lift_inside(points, c)), c)
    with torch.no_grad():
        first = _normalised(mean(lift_inside(points, c)), c)
    around = translate(points, -of_each(first), c)
    return translate(_normalised(mean(lift_inside(around, c)), c), first, c)


def _normalised(total: Tensor, c: float | Tensor) -> Tensor:
    """The point of the ball on the ray of a sum of lifts: `unlift` of the sum scaled onto the hyperboloid."""
    space, time = total[..., :-1], total[..., -1:]
    time = torch.where(time > 0, time, 1.0)  # a sum of nothing: the origin
    length2 = time * time - (space * space).sum(-1, keepdim=True)
    return space / (root(c) * (time + length2.clamp_min(torch.finfo(total.dtype).tiny).sqrt()))


def weighted_points(x: Tensor, weights: Tensor | None, c: float | Tensor) -> tuple[Tensor, Tensor]:
    """Points in float64 and (..., N, 1) weights of sum 1, or 0 where all are 0."""
    if x.ndim < 2:
        raise ValueError(f"expected (..., N, d) points, got {tuple(x.shape)}")
    points = project(upcast(x), c).double()
    if weights is None:
        return points, torch.full_like(points[..., :1], 1 / max(1, x.shape[-2]))
    try:
        torch.broadcast_shapes(weights.shape, x.shape[:-1])
        fits = weights.shape[-1:] == x.shape[-2:-1]
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(f"expected (..., N) weights for points {tuple(x.shape)}, got {tuple(weights.shape)}")
    w = weights.double()[..., None]
    total = w.sum(-2, keepdim=True)
    return points, w / torch.where(total > 0, total, 1.0)
