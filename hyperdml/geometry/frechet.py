"""The Fréchet (Karcher) mean, by an iteration that needs no step size."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from hyperdml.geometry.curvature import Curvature, curvature, root
from hyperdml.geometry.maps import dist0, expmap0, project, safe_norm, upcast
from hyperdml.geometry.midpoints import weighted_einstein, weighted_points
from hyperdml.geometry.mobius import translate


def frechet_mean(
    x: Tensor, weights: Tensor | None = None, *, c: Curvature, tol: float = 1e-9, max_iter: int = 1000
) -> Tensor:
    """Weighted Fréchet (Karcher) mean over the second last dimension, the minimiser of ``sum_i w_i d(m, x_i)^2``.

    From the Einstein midpoint on, m becomes the Einstein midpoint with weights ``w_i a_i / sinh(a_i)``,
    ``a_i = sqrt(c) d(m, x_i)`` (Lou et al., ICML 2020): d^2 is concave in cosh(a), so every step lowers the sum, for
    any data and without a step size. Near the mean a step is a gradient step divided by the mean of ``a_i coth(a_i)``;
    each multiplies the error by at most ``1 - 1 / mean(a_i coth(a_i))``, so ``mean(a_i coth(a_i))`` times the last step
    bounds what is left. The whole batch goes on until that is at most `tol` everywhere (one device synchronisation a
    step), or steps no longer shrink, which is rounding: among points at ``sqrt(c) r = 10`` at lengths of about 1e-11.
    float64 inside. Weights are relative and not negative; where all are 0 the mean is the origin.

    The gradient in x, weights and a learned c is that of the exact minimiser, by the implicit function theorem (one
    d x d solve for each mean, no graph through the iteration). Differentiable once.

    Args:
        x: (..., N, d) points; those at or beyond the rim are projected first.
        weights: (..., N), by default all equal; leading dimensions broadcast.
        c: curvature magnitude.
        tol: largest distance from the exact mean, times sqrt(c).
        max_iter: largest number of steps; a RuntimeWarning says when they were not enough.

    Returns:
        (..., d) means, in float64 if x is, else in float32.

    Raises:
        ValueError: shapes do not fit, tol is negative or max_iter below 1.
    """
    if not tol >= 0 or max_iter < 1:
        raise ValueError(f"tol must be at least 0 and max_iter at least 1, got {tol!r} and {max_iter!r}")
    c = curvature(c, torch.float64)
    points, w = weighted_points(x, weights, c)
    with torch.no_grad():
        mean = _descend(points, w, c, tol, max_iter)
    if torch.is_grad_enabled() and any(isinstance(t, Tensor) and t.requires_grad for t in (points, w, c)):
        # at the mean sum(w u) = 0; one Newton step of length 0 from there has the derivatives of the solution
        u, bend = _logarithms(points, mean, c)
        with torch.no_grad():
            unit = u / safe_norm(u)
            straight = (w * bend).sum(-2) + (1 - w.sum(-2))  # 1 where there are no weights
            hessian = torch.diag_embed(straight.expand(mean.shape)) + (w * (1 - bend) * unit).mT @ unit
            factor = torch.linalg.cholesky_ex(hessian).L
        step = torch.cholesky_solve((w * u).sum(-2)[..., None], factor)[..., 0]
        mean = translate(expmap0(step - step.detach(), c), mean, c)
    return project(mean.to(upcast(x).dtype), c)


def _descend(points: Tensor, w: Tensor, c: float | Tensor, tol: float, max_iter: int) -> Tensor:
    mean = weighted_einstein(points, w, c, torch.float32)  # near enough
    length = torch.full_like(mean[..., :1], torch.inf)
    for _ in range(max_iter):
        u, bend = _logarithms(points, mean, c)
        # the Einstein midpoint of the reweighted points: their lifts sum to 2 g in space and b / sqrt(c) in time
        g, b = (w * u).sum(-2), (w * bend).sum(-2)
        b = torch.where(b > 0, b, 1.0)
        step = 2 * g / (b + (b * b - 4 * c * (g * g).sum(-1, keepdim=True)).clamp_min(0).sqrt())
        mean = translate(step, mean, c)
        before, length = length, root(c) * dist0(step, c)[..., None]
        # small steps shrink for certain; where coordinates are NaN both are false
        if not ((length > tol / b) & ((length < before) | (length > 1e-3))).any():
            return mean
    warnings.warn(
        f"frechet_mean stopped after {max_iter} steps, the last one {float(length.max()):.2g} long (tol={tol:g})",
        RuntimeWarning,
        stacklevel=3,
    )
    return mean


def _logarithms(points: Tensor, mean: Tensor, c: float | Tensor) -> tuple[Tensor, Tensor]:
    """With the mean carried to the origin: tangent vectors u to the points, and ``a coth(a)`` for ``a = sqrt(c) d``."""
    y = translate(points, -mean[..., None, :], c)
    r = root(c) * safe_norm(y)
    ratio = torch.atanh(r) / r
    return y * ratio, ratio * (1 + r * r)
