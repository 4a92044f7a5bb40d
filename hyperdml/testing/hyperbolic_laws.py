"""Laws of the distance of the Poincaré ball: the formula, its isometries, its unit slope, the origin and the rim."""

from __future__ import annotations

import math

import torch

from hyperdml.geometry import translate
from hyperdml.testing.contract import Report
from hyperdml.testing.distance_case import DistanceCase, rim_points, translations
from hyperdml.testing.points import directions, true_distance


def reference(case: DistanceCase, report: Report) -> None:
    """Distances are those of the formula in float64; near pairs and pairs at the rim may be off ten times as much."""
    c, (x, y) = _curvature(case), case.halves()
    with report.at("ordinary points"):
        case.agree("d", case.pairwise(x, y), true_distance(x, y, "hyperbolic", c), report)
    with report.at("near pairs"):
        x, y = case.given(case.ordinary), case.given(case.near)
        expected = true_distance(x, y, "hyperbolic", c).diagonal()
        report.compare("d", case.pairwise(x, y).diagonal(), expected, rtol=max(10 * case.rtol, 1e-6))
    with report.at("at 0.999 of the radius"):
        x = case.given(rim_points(case.dim, c, (0.999,) * 6, case.generator))
        y = torch.cat([x[:3].roll(1, 0), case.given(case.ordinary[:3])])
        case.agree("d", case.pairwise(x, y), true_distance(x, y, "hyperbolic", c), report, times=10)


def rotation(case: DistanceCase, report: Report) -> None:
    """Rotating both sets changes no distance."""
    turn = torch.linalg.qr(torch.randn(case.dim, case.dim, generator=case.generator, dtype=torch.float64))[0]
    x, y = case.halves()
    cut = len(x)
    turned = case.given(case.ordinary @ turn)
    case.agree("d", case.pairwise(turned[:cut], turned[cut:]), case.pairwise(x, y), report, times=10)


def translation(case: DistanceCase, report: Report) -> None:
    """Möbius translation of both sets changes no distance."""
    c, (x, y) = _curvature(case), case.halves()
    plain = case.pairwise(x, y)
    for by in translations(case.dim, c, case.generator):
        with report.at(f"translation by {float(by.norm() * math.sqrt(c)):.2g} of the radius"):
            moved = case.given(translate(case.ordinary, by, c))
            case.agree("d", case.pairwise(moved[: len(x)], moved[len(x) :]), plain, report, times=10)


def slope(case: DistanceCase, report: Report) -> None:
    """The gradient of d(x, y) in x has the length ``2 / (1 - c|x|^2)`` of a unit vector there, for near pairs too."""
    c = _curvature(case)
    pairs = {"ordinary points": case.ordinary.roll(1, 0), "near pairs": case.near}
    for name, others in pairs.items():
        with report.at(name):
            x = case.given(case.ordinary).requires_grad_()
            (found,) = torch.autograd.grad(case.pairwise(x, case.given(others)).diagonal().sum(), x)
            length = torch.linalg.vector_norm(found, dim=1)
            expected = 2 / (1 - c * x.detach().cpu().double().square().sum(1))
            report.compare("length of the gradient", length, expected, rtol=1e-3)


def origin_and_rim(case: DistanceCase, report: Report) -> None:
    """Values and gradients are finite at the origin and up to the last numbers inside the ball."""
    c = _curvature(case)
    last = 1 - 16 * torch.finfo(case.dtype).eps
    points = {
        "the origin": torch.zeros(1, case.dim, dtype=torch.float64),
        "1e-20 from the origin": 1e-20 * directions(2, case.dim, case.generator),
        "at 0.999 of the radius": rim_points(case.dim, c, (0.999, 0.999), case.generator),
        f"at {last!r} of the radius": rim_points(case.dim, c, (last, last), case.generator),
    }
    others = case.given(torch.cat([*points.values(), case.ordinary[:3]]))
    for name, rows in points.items():
        with report.at(name):
            x, y = case.given(rows).requires_grad_(), others.clone().requires_grad_()
            d = case.pairwise(x, y)
            report.finite("d", d)
            for side, found in zip(("first", "second"), torch.autograd.grad(d.sum(), [x, y]), strict=True):
                report.finite(f"gradient of the {side} set", found)


def _curvature(case: DistanceCase) -> float:
    if case.c is None:
        raise ValueError("this law needs the curvature magnitude c")
    return case.c


HYPERBOLIC_LAWS = {
    "reference": reference,
    "rotation": rotation,
    "translation": translation,
    "slope": slope,
    "origin and rim": origin_and_rim,
}
