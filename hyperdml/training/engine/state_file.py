"""Tensors and notes in one safetensors file, with a checksum over both, written atomically."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyperdml.errors import DataError
from hyperdml.files import write_atomic


def write_state(path: Path, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
    """Write a file of tensors and notes.

    Args:
        path: destination; its folder must exist.
        tensors: by name, on any device.
        notes: what JSON holds, beside them; numbers need not be finite.

    Raises:
        OSError: see `write_atomic`; an older file of that name is kept.
    """
    from safetensors.torch import save

    plain = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
    text = json.dumps(notes)
    write_atomic(path, save(plain, metadata={"hyperdml": text, "sha256": _checksum(plain, text)}))


def read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_state` wrote.

    Args:
        path: the file.

    Returns:
        (tensors on the CPU, notes).

    Raises:
        DataError: the file is missing, is no such file, or a byte of it changed.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise DataError(f"{path} is missing, or is not a file")
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        if meta["sha256"] != _checksum(tensors, meta["hyperdml"]):
            raise DataError(f"{path} is damaged: its checksum does not fit its content")
        return tensors, json.loads(meta["hyperdml"])
    except KeyError as error:
        raise DataError(f"{path} was not written by hyperdml: its head has no {error}") from error
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
