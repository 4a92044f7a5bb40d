"""What every trial has in common: a small batch on the ball, and building a class of the library."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from hyperdml.geometry import expmap0

SIZE = 16
CLASSES = 6
LABELS = torch.arange(4 * CLASSES) // 4
CURVATURES = (0.1, 0.3)
"""A value that uses the metric differs between the two."""


@contextmanager
def quiet_and_seeded() -> Iterator[None]:
    """Draws from a fixed seed, the caller's state restored afterwards; the library's warnings are not of interest."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield


def tangents() -> Tensor:
    """(24, 16) tangent vectors in random directions with norms 0.3 to 1.5: no class structure, no common radius."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(len(LABELS), SIZE, generator=generator), dim=1)
    return directions * (0.3 + 1.2 * torch.rand(len(LABELS), 1, generator=generator))


def points(u: Tensor) -> Tensor:
    """Points of the ball of the first curvature, which lie in that of the second too."""
    return expmap0(u, CURVATURES[0])


def classes_of(module: ModuleType, base: type) -> dict[str, type]:
    """The classes that a module of the library exports, derived from `base` and meant to be used, by name."""
    kinds = {name: kind for name, kind in vars(module).items() if inspect.isclass(kind) and issubclass(kind, base)}
    return {name: kind for name, kind in sorted(kinds.items()) if not name.startswith(("Base", "Generic"))}


def build(kind: type, **options: Any) -> Any:
    """An instance whose required sizes are filled in; its weights are the same every time."""
    constructors = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base) and base is not object]
    asked = {name for constructor in constructors for name in inspect.signature(constructor).parameters}
    sizes = {"num_classes": CLASSES, "K": CLASSES, "embedding_size": SIZE, "descriptors_dim": SIZE, "l": SIZE}
    torch.manual_seed(0)
    return kind(**{name: size for name, size in sizes.items() if name in asked}, **options)


def reason(error: Exception) -> str:
    """Why the library refuses a distance, in three words, if its message says so."""
    _, found, kind = str(error).partition("requires the distance metric to be ")
    return f"needs {kind}" if found else ""
