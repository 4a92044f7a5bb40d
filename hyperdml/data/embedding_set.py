"""Embeddings on disk: one safetensors file with the points, the curvature, the names and a checksum."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.data.query_gallery import check_masks, search_rows
from hyperdml.errors import DataError
from hyperdml.files import write_atomic
from hyperdml.geometry import curvature_of

EMBEDDINGS = "embeddings.safetensors"
"""Name of the file in a run folder."""

_FORMAT = "hyperdml.embeddings/1"
_OPTIONAL = ("root", "model", "model_folder", "image_size")
_TENSORS = ("points", "labels", "levels", "proxies", "queries", "gallery", "ids")


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
        queries: (N,) bool, which items ask, or None, which with `gallery` means leave-one-out: every item asks and is
            searched, and is left out of its own neighbours.
        gallery: (N,) bool, which items are searched.

    Raises:
        ValueError: points that are no (N, d) floating-point numbers, c not positive, other numbers of labels, levels,
            level names or ids, a label without a class name where there are any, an id twice, or masks that make no
            search (`hyperdml.data.query_gallery.check_masks`).
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
    queries: Tensor | None = None
    gallery: Tensor | None = None

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or not self.points.dtype.is_floating_point:
            raise ValueError(
                f"points must be (N, d) floating-point numbers, got {tuple(self.points.shape)} of {self.points.dtype}"
            )
        curvature_of(self.c)
        for name, found, ndim in (("labels", self.labels, 1), ("levels", self.levels, 2)):
            if found is not None and (found.ndim != ndim or len(found) != len(self)):
                raise ValueError(f"{name} must have one row per point, got {tuple(found.shape)} for {len(self)} points")
        if self.level_names and self.levels is not None and len(self.level_names) != self.levels.shape[1]:
            raise ValueError(f"there are {self.levels.shape[1]} levels and {len(self.level_names)} names of levels")
        if self.class_names and self.labels is not None:
            nameless = (self.labels < 0) | (self.labels >= len(self.class_names))
            if nameless.any():
                row = int(nameless.nonzero()[0])
                raise ValueError(
                    f"label {int(self.labels[row])} of row {row} is none of the {len(self.class_names)} class names"
                )
        if self.ids is not None:
            if len(self.ids) != len(self):
                raise ValueError(f"there are {len(self)} points and {len(self.ids)} ids")
            if len(set(self.ids)) < len(self):
                twice = next(name for name, times in Counter(self.ids).items() if times > 1)
                raise ValueError(f"id {twice!r} occurs twice")
        masks = [None if mask is None else mask.cpu() for mask in (self.queries, self.gallery)]
        check_masks(masks[0], masks[1], len(self))

    def __len__(self) -> int:
        return len(self.points)

    def class_of_items(self) -> list[str] | None:
        """The class of each item by name; None without labels or class names."""
        if self.labels is None or not self.class_names:
            return None
        return [self.class_names[label] for label in self.labels.tolist()]

    def select(self, rows: Tensor) -> EmbeddingSet:
        """Some items, in this order, as a set without masks; proxies and what holds for all items stay.

        Args:
            rows: (M,) int64 positions.
        """
        kept = rows.cpu().tolist()
        return replace(
            self,
            points=self.points[rows.to(self.points.device)],
            labels=None if self.labels is None else self.labels[rows.to(self.labels.device)],
            levels=None if self.levels is None else self.levels[rows.to(self.levels.device)],
            ids=None if self.ids is None else tuple(self.ids[row] for row in kept),
            queries=None,
            gallery=None,
        )

    def search_sets(self) -> tuple[EmbeddingSet, EmbeddingSet, bool] | None:
        """Queries, gallery, and whether the first items of the gallery are the queries; None for leave-one-out.

        What asks and is searched too is left out of its own neighbours (`ref_includes_query` of `hyperdml.metrics`).
        """
        if self.queries is None or self.gallery is None:
            return None
        rows = search_rows(self.queries.cpu(), self.gallery.cpu())
        queries, gallery = (self.select(torch.from_numpy(part)) for part in (rows.queries, rows.gallery))
        return queries, gallery, rows.includes_queries

    def save(self, path: Path) -> None:
        """Write the file, atomically.

        Args:
            path: destination; its folder must exist.

        Raises:
            OSError: see `write_atomic`.
        """
        from safetensors.torch import save

        found = {name: getattr(self, name) for name in _TENSORS if name != "ids"}
        # copies: the labels may be a view of the levels, and safetensors refuses tensors that share memory
        tensors = {key: value.detach().cpu().clone().contiguous() for key, value in found.items() if value is not None}
        if self.ids is not None:
            tensors["ids"] = torch.frombuffer(bytearray(json.dumps(self.ids).encode()), dtype=torch.uint8)
        meta = {
            "format": _FORMAT,
            "c": repr(float(self.c)),  # NumPy's own floats say more than their digits
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
            queries=tensors.get("queries"),
            gallery=tensors.get("gallery"),
            **optional,
        )


def _checksum(tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> str:
    """SHA-256 of the tensors and of the names and numbers beside them."""
    digest = hashlib.sha256(json.dumps(sorted(meta.items())).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()
