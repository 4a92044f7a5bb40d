"""Embeddings on disk: one safetensors file with the points, the curvature, the names and a checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.errors import DataError
from hyperdml.files import write_atomic

EMBEDDINGS = "embeddings.safetensors"
"""Name of the file in a run folder."""

_FORMAT = "hyperdml.embeddings/1"
_OPTIONAL = ("root", "model", "model_folder", "image_size")
_TENSORS = ("points", "labels", "levels", "proxies", "ids")


@dataclass(frozen=True, eq=False)
class EmbeddingSet:
    """Points of the ball, and what is known about each.

    Attributes:
        points: (N, d) points of the ball of curvature -c.
        c: curvature magnitude.
        labels: (N,) int64 classes, or None.
        levels: (N, L) int64 ids, coarse to fine, or None.
        level_names: L names.
        class_names: names of the classes, by label.
        ids: N names that tell the items apart, as image paths below `root`; or None.
        root: folder that the ids are paths in, or None.
        proxies: (P, d) hierarchical proxies as points of the ball, or None.
        ks: the k of the run's Recall@k.
        model: hash of the model (`hyperdml.models.model_hash`), or None.
        model_folder: where the model was, or None.
        image_size: side in pixels of the images as the model saw them, or None.
    """

    points: Tensor
    c: float
    labels: Tensor | None = None
    levels: Tensor | None = None
    level_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    root: str | None = None
    proxies: Tensor | None = None
    ks: tuple[int, ...] = ()
    model: str | None = None
    model_folder: str | None = None
    image_size: int | None = None

    def __len__(self) -> int:
        return len(self.points)

    def class_of_items(self) -> list[str] | None:
        """The class of each item by name; None without labels or class names."""
        if self.labels is None or not self.class_names:
            return None
        return [self.class_names[label] for label in self.labels.tolist()]

    def save(self, path: Path) -> None:
        """Write the file, atomically.

        Args:
            path: destination; its folder must exist.

        Raises:
            OSError: see `write_atomic`.
        """
        from safetensors.torch import save

        found = {"points": self.points, "labels": self.labels, "levels": self.levels, "proxies": self.proxies}
        # copies: the labels may be a view of the levels, and safetensors refuses tensors that share memory
        tensors = {key: value.detach().cpu().clone().contiguous() for key, value in found.items() if value is not None}
        if self.ids is not None:
            tensors["ids"] = torch.frombuffer(bytearray(json.dumps(self.ids).encode()), dtype=torch.uint8)
        meta = {
            "format": _FORMAT,
            "c": repr(self.c),
            "ks": json.dumps(self.ks),
            "class_names": json.dumps(self.class_names),
            "level_names": json.dumps(self.level_names),
        }
        meta |= {key: json.dumps(getattr(self, key)) for key in _OPTIONAL if getattr(self, key) is not None}
        meta["sha256"] = _checksum(tensors, meta)
        write_atomic(path, save(tensors, metadata=meta))

    @classmethod
    def load(cls, path: Path) -> EmbeddingSet:
        """Read what `save` wrote.

        Args:
            path: the file, or a folder that holds `embeddings.safetensors`, as a run does.

        Raises:
            DataError: the file is missing, damaged or of another format.
        """
        from safetensors import SafetensorError, safe_open

        file = path / EMBEDDINGS if path.is_dir() else path
        if not file.is_file():
            of = f": {path} is not the folder of a finished run" if path.is_dir() or not path.suffix else ""
            raise DataError(f"{file} is missing{of}")
        try:
            with safe_open(file, framework="pt") as stored:
                meta = stored.metadata() or {}
                if meta.get("format") != _FORMAT:
                    raise DataError(f"{file} does not hold embeddings of this version: format is not {_FORMAT!r}")
                tensors = {key: stored.get_tensor(key) for key in _TENSORS if key in stored.keys()}  # noqa: SIM118
            if meta.pop("sha256") != _checksum(tensors, meta):
                raise DataError(f"{file} is damaged: its checksum does not fit its content")
            return cls._from(tensors, meta)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read {file}: {error}") from error

    @classmethod
    def _from(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> EmbeddingSet:
        optional = {key: json.loads(meta[key]) for key in _OPTIONAL if key in meta}
        return cls(
            points=tensors["points"],
            c=float(meta["c"]),
            labels=tensors.get("labels"),
            levels=tensors.get("levels"),
            level_names=tuple(json.loads(meta["level_names"])),
            class_names=tuple(json.loads(meta["class_names"])),
            ids=tuple(json.loads(tensors["ids"].numpy().tobytes())) if "ids" in tensors else None,
            proxies=tensors.get("proxies"),
            ks=tuple(json.loads(meta["ks"])),
            **optional,
        )


def _checksum(tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> str:
    """SHA-256 of the tensors and of the names and numbers beside them."""
    digest = hashlib.sha256(json.dumps(sorted(meta.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
