"""Reference points of a search in one safetensors file that says which metric they belong to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyperdml.errors import DataError
from hyperdml.files import write_atomic
from hyperdml.neighbors.spaces import Space

_FORMAT = "hyperdml.KNN/1"


def save_points(path: Path, points: Tensor, space: Space) -> None:
    """Write (N, d) points atomically, with format, metric, curvature and the SHA-256 of their bytes in the header."""
    from safetensors.torch import save

    points = points.cpu().contiguous()
    header = {"format": _FORMAT, "metric": space.name, "c": space.c, "sha256": _sha256(points)}
    write_atomic(path, save({"points": points}, metadata={"hyperdml": json.dumps(header)}))


def load_points(path: Path, space: Space) -> Tensor:
    """Read points of `save_points`.

    Args:
        path: the file.
        space: metric and curvature that the points must have been saved with.

    Returns:
        (N, d) points in the precision they were saved in.

    Raises:
        DataError: the file is missing, damaged, of another kind, or of another metric or curvature.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header: dict[str, Any] = json.loads((file.metadata() or {})["hyperdml"])
            kind, metric, c = header["format"], header["metric"], header["c"]
            points: Tensor = file.get_tensor("points")
            intact = _sha256(points) == header["sha256"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read the points of a search from {path}: {error!r}") from error
    if kind != _FORMAT:
        raise DataError(f"{path} has format {kind!r}, expected {_FORMAT!r}")
    if (metric, c) != (space.name, space.c):
        raise DataError(f"{path} was saved by a {_name(metric, c)} search, this one is {_name(space.name, space.c)}")
    if not intact:
        raise DataError(f"{path} is damaged: its points do not have the SHA-256 in its header")
    return points


def _name(metric: Any, c: Any) -> str:
    return f"{metric}" if c is None else f"{metric} (c={c})"


def _sha256(points: Tensor) -> str:
    return hashlib.sha256(points.view(torch.uint8).numpy().data).hexdigest()
