"""Versions of what hyperdml rests on, what they ask of each other, and packages that are optional."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distributions, metadata, requires, version
from typing import TYPE_CHECKING

from hyperdml.training.doctor.finding import Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_SHOWN = ("torch", "torchvision", "timm", "geoopt", "pytorch-metric-learning", "numpy", "numba", "safetensors")

_OPTIONAL = {
    "tensorboard": "logging.tensorboard",
    "wandb": "logging.wandb",
    "onnx": "hyperdml export --format onnx",
    "onnxruntime": "hyperdml export --format onnx",
}
"""What each optional package is for."""


def check_versions() -> Iterator[Finding]:
    """Python, hyperdml and the packages that results depend on."""
    about = "hyperdml", f"{version('hyperdml')} on Python {platform.python_version()}, {platform.platform()}"
    yield Finding("ok", *about)
    found = ", ".join(f"{name} {_version(name) or 'missing'}" for name in _SHOWN)
    yield Finding("ok", "packages", found)


def check_requirements() -> Iterator[Finding]:
    """What hyperdml asks for, and what the packages it asks for ask of each other."""
    from packaging.requirements import Requirement
    from packaging.version import Version

    python = metadata("hyperdml")["Requires-Python"]
    if python and Version(platform.python_version()) not in Requirement(f"python{python}").specifier:
        yield Finding(
            "problem", "Python", f"{platform.python_version()}; hyperdml needs {python}", "install such a Python"
        )
    direct = [Requirement(text) for text in requires("hyperdml") or ()]
    direct = [need for need in direct if need.marker is None or need.marker.evaluate({"extra": ""})]
    fits = True
    for asking, needs in [("hyperdml", direct), *((need.name, _needs(need.name)) for need in direct)]:
        for need in needs:
            found = _version(need.name)
            # what a package of others misses comes out where it is used; what is there and does not fit may not
            if found is None and asking != "hyperdml":
                continue
            if found is None or not need.specifier.contains(found, prereleases=True):
                fits = False
                yield Finding(
                    "problem" if asking == "hyperdml" else "warning",
                    need.name,
                    f"{found or 'not installed'}; {asking} asks for {need.name}{need.specifier}",
                    f'pip install "{need.name}{need.specifier}"',
                )
    if fits:
        yield Finding("ok", "requirements", f"all {len(direct)} packages fit hyperdml and each other")


def check_faiss_builds() -> Iterator[Finding]:
    """One build of FAISS: all of them install the same module, and the last one wins half-way."""
    builds = sorted(
        {name for found in distributions() if re.match(r"faiss[-_](cpu|gpu)", name := found.metadata["Name"] or "")}
    )
    named = ", ".join(f"{name} {_version(name)}" for name in builds)
    if len(builds) > 1:
        yield Finding(
            "problem",
            "FAISS builds",
            f"{named} are installed over each other",
            f"pip uninstall {' '.join(builds)}, then install one of them",
        )
    elif builds:
        yield Finding("ok", "FAISS build", named)
    else:
        yield Finding("warning", "FAISS build", "none: searches fall back to torch", "pip install faiss-cpu")


def check_optional() -> Iterator[Finding]:
    """Packages that only some options need."""
    for name, purpose in _OPTIONAL.items():
        found = _version(name)
        text = f"{name} {found}" if found else f"{name} is not installed; only {purpose} needs it: pip install {name}"
        yield Finding("ok", "optional", text)


def _needs(name: str) -> list[Requirement]:
    from packaging.requirements import Requirement

    try:
        found = [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:
        return []
    return [need for need in found if need.marker is None or need.marker.evaluate({"extra": ""})]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
