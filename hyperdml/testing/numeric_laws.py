"""Laws of a distance on a computer: gradients, low precision, autocast, memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hyperdml.testing.contract import Report
from hyperdml.testing.distance_case import DistanceCase
from hyperdml.testing.points import spread_points


def gradient(case: DistanceCase, report: Report) -> None:
    """Derivatives agree with numerical ones, in float64."""
    x, y = case.few()
    torch.autograd.gradcheck(case.pairwise, (x.requires_grad_(), y.requires_grad_()))


def coincident_gradient(case: DistanceCase, report: Report) -> None:
    """Gradients are finite where points coincide, in a set with itself as well."""
    x = case.given(case.ordinary).requires_grad_()
    y = x.detach().clone().requires_grad_()
    for name, (a, b) in {"a copy": (x, y), "the set itself": (x, x)}.items():
        with report.at(name):
            slopes = torch.autograd.grad(case.pairwise(a, b).sum(), [a, b])
            for side, found in zip(("first", "second"), slopes, strict=True):
                report.finite(f"gradient of the {side} set", found)


def half_precision(case: DistanceCase, report: Report) -> None:
    """Points in half precision are computed with in at least float32."""
    for dtype in (torch.float16, torch.bfloat16):
        with report.at(str(dtype)):
            x, y = case.halves(dtype)
            found = case.pairwise(x, y)
            if found.dtype not in (torch.float32, torch.float64):
                report.add(f"the distances are {found.dtype}")
            report.compare("d", found, case.pairwise(x.float(), y.float()), rtol=1e-5)


def autocast(case: DistanceCase, report: Report) -> None:
    """Autocast changes neither float32 distances nor their gradient."""
    x, y = case.halves(torch.float32)
    plain = case.pairwise(x.requires_grad_(), y)
    (slope,) = torch.autograd.grad(plain.sum(), x)
    for dtype in (torch.bfloat16, torch.float16):
        with report.at(str(dtype)):
            with torch.autocast(case.device.type, dtype=dtype):
                found = case.pairwise(x, y)
            report.compare("d", found, plain, rtol=1e-6)
            (found,) = torch.autograd.grad(found.sum(), x)
            report.compare("gradient of the first set", found, slope, rtol=1e-5, atol=1e-6 * float(slope.abs().max()))


def memory(case: DistanceCase, report: Report) -> None:
    """Neither values nor gradients take a tensor of N M d numbers."""
    n, m, d = 60, 50, 64
    x = case.given(spread_points(n, d, case.c, case.generator)).requires_grad_()
    y = case.given(spread_points(m, d, case.c, case.generator)).requires_grad_()
    with LargestStorage() as seen:
        case.pairwise(x, y).sum().backward()
    whole = n * m * d * 4
    if seen.bytes >= whole // 2:
        report.add(
            f"a tensor of {seen.bytes} bytes was made for {n} x {m} distances of {d}-dimensional points; N M d numbers "
            f"take {whole}, the result {n * m * 4}"
        )


class LargestStorage(TorchDispatchMode):
    """Largest storage of the results of torch operations inside the block; an expanded view counts as what it views."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for found in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(found, Tensor):
                self.bytes = max(self.bytes, found.untyped_storage().nbytes())
        return result


NUMERIC_LAWS = {
    "gradient": gradient,
    "coincident gradient": coincident_gradient,
    "half precision": half_precision,
    "autocast": autocast,
    "memory": memory,
}
