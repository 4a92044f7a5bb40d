"""Parts of an unfinished embedding on disk, so that a killed process loses half a minute and no more.

The folder holds `state.json`, which says what is being embedded and lists the shards with their SHA-256, and the
shards, `rows-START-STOP.safetensors`. A shard is on disk before `state.json` names it, and a shard without a name there
does not count, so a crash at any moment leaves a folder that can be taken up.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hyperdml.data.image_files import Broken, printable
from hyperdml.errors import ConfigError, DataError
from hyperdml.files import remove_leftovers, sha256, write_atomic

_FORMAT = "hyperdml.embedding_parts/1"
_STATE, _LOCK, _SHARDS = "state.json", ".lock", "rows-*.safetensors"
_IMAGES, _SECONDS = 1000, 30.0  # a shard is written when so many images or so much time have passed
_TENSORS = ("points", "rows", "replaced", "states")


@dataclass(frozen=True, eq=False)
class Part:
    """Points of the images at positions start .. stop - 1 of the list.

    Attributes:
        start, stop: the positions.
        points: (n, d) float32 points.
        rows: (n,) int64 positions of the images that have points.
        replaced: (r,) int64 positions of the white images among them.
        broken: position and reason of images that could not be read.
        states: (stop - start, 2) int64 `file_state` of every image.
    """

    start: int
    stop: int
    points: Tensor
    rows: Tensor
    replaced: Tensor
    broken: tuple[tuple[int, str], ...]
    states: Tensor


def join_parts(parts: Sequence[Part]) -> Part:
    """One part of several that follow each other."""
    points, rows, replaced, states = (torch.cat([getattr(part, name) for part in parts]) for name in _TENSORS)
    broken = tuple(entry for part in parts for entry in part.broken)
    return Part(parts[0].start, parts[-1].stop, points, rows, replaced, broken, states)


def file_state(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change in ns, to notice that a file became another; -1 if it is missing."""
    try:
        info = path.stat()
    except OSError:
        return -1, -1
    return info.st_size, info.st_mtime_ns


@contextmanager
def open_shards(
    folder: Path, job: Mapping[str, str | int | float], paths: Sequence[Path], broken: Broken
) -> Iterator[EmbedShards]:
    """The shards in a folder, for this process alone; what is not yet written is written at the end, come what may.

    Args:
        folder: created if missing.
        job: model, size and so on: what decides about the points beside the images.
        paths: all images.
        broken: policy for images that cannot be read.

    Raises:
        ConfigError: see `embed_images`.
        DataError: see `embed_images`.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    shards: EmbedShards | None = None
    foreign = sorted(path.name for path in folder.iterdir() if not _is_ours(path))
    if foreign:
        raise ConfigError(f"{folder} is not for parts of an embedding: it holds {foreign[0]}")
    try:
        with FileLock(folder / _LOCK, timeout=0):
            remove_leftovers(folder)
            shards = EmbedShards(folder, job, paths, broken)
            try:
                yield shards
            finally:
                shards.flush()
    except Timeout:
        raise ConfigError(f"another process is embedding into {folder}") from None
    finally:
        if shards is not None and not shards.kept:
            discard(folder)  # nothing to take up, so nothing that the next attempt could be at odds with


def discard(folder: Path) -> None:
    """Remove the shards and their folder; call it when the final result is safe.

    Args:
        folder: the `resume` of `embed_images`; files of others in it stay, and the folder with them.
    """
    for path in [folder / _STATE, *folder.glob(_SHARDS), folder / _LOCK]:
        path.unlink(missing_ok=True)
    with suppress(OSError):  # not empty, or never made
        folder.rmdir()


class EmbedShards:
    """Shards of one embedding; use `open_shards`.

    Attributes:
        parts: what the folder held at the start, in order.
    """

    def __init__(
        self, folder: Path, job: Mapping[str, str | int | float], paths: Sequence[Path], broken: Broken
    ) -> None:
        self._folder, self._broken = folder, broken
        names = hashlib.sha256(b"\0".join(os.fsencode(path) for path in paths)).hexdigest()
        self._job = {**job, "images": len(paths), "paths": names}
        self._shards: list[dict[str, str]] = []
        self._pending: list[Part] = []
        self._written = time.monotonic()
        self.parts: list[Part] = []
        if (folder / _STATE).is_file():
            self._take_up(paths)
        named = {shard["file"] for shard in self._shards}
        for path in folder.glob(_SHARDS):
            if path.name not in named:
                path.unlink()
        self._write_state()

    @property
    def kept(self) -> int:
        """Number of shards on disk."""
        return len(self._shards)

    def add(self, part: Part) -> None:
        """Take the next part; every 1,000 images or 30 seconds write a shard.

        Raises:
            OSError: the disk does not take it.
        """
        self._pending.append(part)
        images = part.stop - self._pending[0].start
        if images >= _IMAGES or time.monotonic() - self._written >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was added since the last shard.

        Raises:
            OSError: the disk does not take it.
        """
        from safetensors.torch import save

        if not self._pending:
            return
        part = join_parts(self._pending)
        path = self._folder / f"rows-{part.start:09d}-{part.stop:09d}.safetensors"
        meta = {"start": part.start, "stop": part.stop, "broken": part.broken, "policy": self._broken}
        tensors = {name: getattr(part, name).contiguous() for name in _TENSORS}
        write_atomic(path, save(tensors, metadata={"hyperdml": json.dumps(meta)}))
        entry = {"file": path.name, "sha256": sha256(path)}
        if entry not in self._shards:  # as it is when the write of the state was interrupted
            self._shards.append(entry)
        self._write_state()
        self._pending = []
        self._written = time.monotonic()

    def _write_state(self) -> None:
        state = {"format": _FORMAT, "job": self._job, "shards": self._shards}
        write_atomic(self._folder / _STATE, json.dumps(state, indent=1).encode() + b"\n")

    def _take_up(self, paths: Sequence[Path]) -> None:
        path = self._folder / _STATE
        try:
            state = json.loads(path.read_text())
            stored, shards = dict(state["job"]), [(entry["file"], entry["sha256"]) for entry in state["shards"]]
            if state["format"] != _FORMAT:
                raise ValueError(f"format is {state['format']!r}, expected {_FORMAT!r}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"cannot read {path}: {error!r}; {self._again()}") from error
        if not shards:
            return
        changed = [
            _change(key, stored.get(key), self._job.get(key)) for key in sorted(stored.keys() | self._job.keys())
        ]
        if any(changed):
            raise ConfigError(
                f"{self._folder} holds parts of another embedding: {', '.join(filter(None, changed))}; {self._again()}"
            )
        for name, checksum in shards:
            self.parts.append(self._load(self._folder / Path(name).name, checksum, paths))
            self._shards.append({"file": name, "sha256": checksum})

    def _load(self, path: Path, checksum: str, paths: Sequence[Path]) -> Part:
        from safetensors import safe_open

        try:
            if sha256(path) != checksum:
                raise ValueError(f"its SHA-256 is not the one in {_STATE}")
            with safe_open(path, framework="pt") as file:
                meta: dict[str, Any] = json.loads(file.metadata()["hyperdml"])
                tensors = {name: file.get_tensor(name) for name in _TENSORS}
        except Exception as error:  # safetensors raises its own types for damaged files
            raise DataError(f"{path} is damaged: {error}; {self._again()}") from error
        broken = tuple((row, reason) for row, reason in meta["broken"])
        if broken and meta["policy"] != self._broken:
            raise ConfigError(
                f"{self._folder} was begun with broken={meta['policy']!r} and has met {len(broken)} broken images; "
                f"it cannot go on with broken={self._broken!r}; {self._again()}"
            )
        part = Part(meta["start"], meta["stop"], broken=broken, **tensors)
        if part.start != (self.parts[-1].stop if self.parts else 0):
            raise DataError(f"{path} does not follow the shard before it in {_STATE}; {self._again()}")
        for image, state in zip(paths[part.start : part.stop], part.states.tolist(), strict=True):
            if file_state(image) != tuple(state):
                raise DataError(f"{printable(image)} changed since it was embedded into {path}; {self._again()}")
        return part

    def _again(self) -> str:
        return f"remove {self._folder} to begin anew"


def _is_ours(path: Path) -> bool:
    return path.name in (_STATE, _LOCK) or path.match(_SHARDS) or path.match(".*.part")


def _change(key: str, before: str | float | None, now: str | float | None) -> str:
    if before == now:
        return ""
    return f"{key} changed" if key in ("model", "paths") else f"{key} was {before}, is {now}"
