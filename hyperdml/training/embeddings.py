"""Embeddings of the test images on disk: safetensors with the curvature and all names beside them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.data import ImageData
from hyperdml.errors import DataError
from hyperdml.files import write_atomic

_FILE = "embeddings.safetensors"


@dataclass(frozen=True, eq=False)
class StoredEmbeddings:
    """What an arm left of the test classes.

    Attributes:
        points: (N, d) points of the ball.
        labels: (N,) classes.
        levels: (N, L) ids, coarse to fine.
        level_names: L names.
        class_names: names of the classes.
        proxies: (P, d) hierarchical proxies as points of the ball, or None.
        c: curvature magnitude.
        ks: the k of the run's Recall@k.
    """

    points: Tensor
    labels: Tensor
    levels: Tensor
    level_names: tuple[str, ...]
    class_names: tuple[str, ...]
    proxies: Tensor | None
    c: float
    ks: tuple[int, ...]


def write_embeddings(
    folder: Path, points: Tensor, data: ImageData, proxies: Tensor | None, c: float, ks: tuple[int, ...]
) -> None:
    """Write `embeddings.safetensors` into a folder.

    Args:
        folder: existing folder.
        points: (N, d) points of the ball.
        data: the images that were embedded.
        proxies: (P, d) points of the ball, or None.
        c: curvature magnitude.
        ks: the k of the run's Recall@k.
    """
    from safetensors.torch import save

    tensors = {"points": points, "labels": torch.from_numpy(data.labels), "levels": torch.from_numpy(data.levels)}
    if proxies is not None:
        tensors["proxies"] = proxies.detach().cpu()
    meta = {
        "c": repr(c),
        "ks": json.dumps(ks),
        "class_names": json.dumps(data.class_names),
        "level_names": json.dumps(data.level_names),
    }
    write_atomic(folder / _FILE, save({key: value.contiguous() for key, value in tensors.items()}, metadata=meta))


def read_embeddings(folder: Path) -> StoredEmbeddings:
    """Read what `write_embeddings` wrote.

    Args:
        folder: run folder, or the `control` folder in it.

    Raises:
        DataError: the file is missing or damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / _FILE
    if not path.is_file():
        raise DataError(f"{path} is missing: {folder} is not the folder of a finished run")
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
        return StoredEmbeddings(
            points=tensors["points"],
            labels=tensors["labels"],
            levels=tensors["levels"],
            level_names=tuple(json.loads(meta["level_names"])),
            class_names=tuple(json.loads(meta["class_names"])),
            proxies=tensors.get("proxies"),
            c=float(meta["c"]),
            ks=tuple(json.loads(meta["ks"])),
        )
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
