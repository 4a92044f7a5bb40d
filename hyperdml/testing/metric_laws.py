"""Laws of every metric, and what a function of two batches owes its caller."""

from __future__ import annotations

import torch

from hyperdml.testing.contract import Report
from hyperdml.testing.distance_case import NEAR, DistanceCase


def shape(case: DistanceCase, report: Report) -> None:
    """(N, d) and (M, d) give (N, M), also for single points and empty sets."""
    x, y = case.halves()
    for n, m in ((len(x), len(y)), (len(y), 2), (1, 1), (1, 3), (0, 3), (3, 0)):
        with report.at(f"{n} and {m} points"):
            found = case.pairwise(x[:n], y[:m])
            if tuple(found.shape) != (n, m):
                report.add(f"the result has shape {tuple(found.shape)}, expected {(n, m)}")


def dtype(case: DistanceCase, report: Report) -> None:
    """float32 gives float32, float64 gives float64."""
    for given in (torch.float32, torch.float64):
        found = case.pairwise(*case.halves(given)).dtype
        if found != given:
            report.add(f"{given} points give {found} distances")


def untouched(case: DistanceCase, report: Report) -> None:
    """The inputs are not changed."""
    x, y = case.halves()
    kept = x.clone(), y.clone()
    case.pairwise(x, y)
    for name, now, before in zip(("first", "second"), (x, y), kept, strict=True):
        with report.at(f"the {name} set"):
            report.compare("coordinate", now, before, rtol=0)


def non_negativity(case: DistanceCase, report: Report) -> None:
    """``d(x, y) >= 0``."""
    x, y = case.halves()
    for name, other in (("different points", y), ("the same points", x)):
        with report.at(name):
            d = case.pairwise(x, other)
            report.compare("d", d, d.clamp_min(0), rtol=0)


def identity(case: DistanceCase, report: Report) -> None:
    """``d(x, x) = 0``, to 16 roundings of the longest distance, and ``d(x, y) > 0`` for others, near ones too."""
    x = case.given(case.ordinary)
    d = case.pairwise(x, x.clone())
    bar = 16 * torch.finfo(case.dtype).eps * float(d.detach().abs().max())
    report.compare("d(x, x)", d.diagonal(), 0.0, rtol=0, atol=bar)
    near = case.pairwise(x, case.given(case.near)).diagonal()
    if not (near > 0).all():
        report.add(f"different points {NEAR:g} of the radius apart have distance {float(near.min()):.3g}")


def symmetry(case: DistanceCase, report: Report) -> None:
    """``d(x, y) = d(y, x)``."""
    x, y = case.halves()
    case.agree("d(y, x)", case.pairwise(y, x).T, case.pairwise(x, y), report)


def triangle(case: DistanceCase, report: Report) -> None:
    """``d(x, z) <= d(x, y) + d(y, z)`` for all triples, near points among them."""
    x = case.given(torch.cat([case.ordinary, case.near]))
    d = case.pairwise(x, x).detach().double()
    detour = (d[:, :, None] + d[None]).amin(1)
    report.compare("d(x, z)", d, torch.minimum(d, detour), rtol=case.rtol, atol=case.rtol * float(d.abs().max()))


def rows(case: DistanceCase, report: Report) -> None:
    """A batch gives what its rows give one by one."""
    x, y = case.halves()
    single = [case.pairwise(x[i : i + 1], y[j : j + 1])[0, 0] for i in range(len(x)) for j in range(len(y))]
    case.agree("d", case.pairwise(x, y), torch.stack(single).reshape(len(x), len(y)), report)


METRIC_LAWS = {
    "shape": shape,
    "dtype": dtype,
    "inputs untouched": untouched,
    "non-negativity": non_negativity,
    "identity": identity,
    "symmetry": symmetry,
    "triangle inequality": triangle,
    "rows": rows,
}
