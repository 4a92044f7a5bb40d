"""Where numbers that are not finite come up first, among the modules of a network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass
class Seen:
    """What was seen.

    Attributes:
        output: the first module whose output was not finite, with the range of its input; None if all were finite.
        gradient: the module at whose output the gradient was first not finite on its way back; None if it was nowhere.
    """

    output: str | None = None
    gradient: str | None = None


@contextmanager
def watched(module: nn.Module) -> Iterator[Seen]:
    """A context in which every module inside `module` is watched, forward and backward."""
    seen = Seen()

    def forward(name: str, inner: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        title = f"{name} ({type(inner).__name__})"
        if seen.output is None and not all(is_finite(value) for value in _tensors(output)):
            ranges = "; ".join(_range(value) for value in _tensors(inputs)) or "nothing"
            seen.output = f"{title}, whose input was {ranges}"
        for value in _tensors(output):
            if value.requires_grad:
                value.register_hook(lambda gradient: backward(title, gradient))

    def backward(title: str, gradient: Tensor) -> None:
        if seen.gradient is None and not is_finite(gradient):
            seen.gradient = title

    handles = [
        inner.register_forward_hook(lambda m, i, o, name=name: forward(name, m, i, o))
        for name, inner in module.named_modules()
        if name  # what the whole gives is the caller's
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def is_finite(value: Tensor) -> bool:
    """Whether all entries are; integers always are."""
    return not value.is_floating_point() or bool(value.isfinite().all())


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _range(value: Tensor) -> str:
    size = "x".join(map(str, value.shape)) or "a number"
    if not value.is_floating_point() or not value.numel():
        return f"{size} of {value.dtype}"
    finite = value.detach().float()[value.isfinite()]
    wrong = value.numel() - finite.numel()
    between = f"{float(finite.min()):g} to {float(finite.max()):g}" if finite.numel() else "without a finite number"
    return f"{size}, {between}" + (f", {wrong} not finite" if wrong else "")
