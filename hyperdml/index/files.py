"""A stored index: a folder that at every moment holds one whole index, the old or the new.

`points-H.safetensors`, `ids-H.jsonl` and `metadata-H.jsonl`, each named after its SHA-256, are on disk before
`manifest.json`, which names them, is replaced by a rename; what no manifest names any more is removed afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from hashlib import sha256 as sha256_of
from pathlib import Path
from typing import Any

from torch import Tensor

from hyperdml.errors import ConfigError, DataError
from hyperdml.files import sha256, write_atomic
from hyperdml.index.content import IndexContent, as_ids, as_info
from hyperdml.index.folder import is_index, only_writer, refuse_foreign, sweep
from hyperdml.index.manifest import (
    FORMAT,
    MANIFEST,
    VERSION,
    Manifest,
    StoredFile,
    encode_manifest,
    file_name,
    read_manifest,
    refuse_constant,
)
from hyperdml.neighbors.ivf import IVF

_DTYPES = {"F32": "float32", "F64": "float64"}


def write_index(folder: Path, content: IndexContent, expected: str | None, replace: bool) -> str:
    """Store an index.

    Args:
        folder: a new or empty folder, or the folder of an index.
        content: what to store.
        expected: the state of the folder that `content` was made from, as `read_index` and `write_index` return it;
            None if it was not made from an index in this folder.
        replace: replace whatever index is there.

    Returns:
        The new state of the folder.

    Raises:
        ConfigError: the folder holds something else, or an index in another state than `expected`, or another
            process is writing.
        DataError: the folder is a file, or the manifest there is damaged.
        OSError: the disk does not take it; the index that was there is kept.
    """
    refuse_foreign(folder)
    parts = {
        "points": _points_file(content),
        "ids": _lines(map(json.dumps, content.ids)),
        "metadata": _lines(content.metadata),
    }
    files = {part: _described(part, data) for part, data in parts.items()}
    manifest = encode_manifest(_manifest(content, files))
    state = sha256_of(manifest).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        present = read_manifest(folder)[1] if is_index(folder) else None
        if present not in (None, expected, state) and not replace:
            raise ConfigError(
                f"{folder} holds an index that this one does not come from, or that was changed since it was loaded; "
                "load it and change that, choose another folder, or replace it"
            )
        try:
            for part, data in parts.items():
                write_atomic(folder / files[part].name, data)
            write_atomic(folder / MANIFEST, manifest)
        finally:
            sweep(folder)
    return state


def read_index(folder: Path, check: Callable[[IndexContent], object]) -> tuple[IndexContent, str]:
    """Read what `write_index` stored; beside a writer, the old index or the new one.

    Args:
        folder: folder of an index.
        check: called with the content, to raise ValueError for points or settings that no index can have.

    Returns:
        The content, and the state of the folder.

    Raises:
        DataError: the folder holds no index, or a file of it is missing, damaged or not what the manifest says.
    """
    while True:
        manifest, state = read_manifest(folder)
        try:
            content = _read(folder, manifest)
            try:
                check(content)
            except ValueError as error:
                raise DataError(f"{folder / manifest.files['points'].name}: {error}") from error
            return content, state
        except DataError:
            # a writer may have put another index in place and removed the files of this one meanwhile
            if read_manifest(folder)[1] == state:
                raise


def _read(folder: Path, manifest: Manifest) -> IndexContent:
    paths = {part: _intact(folder / file.name, file) for part, file in manifest.files.items()}
    ids, _ = _parse_lines(paths["ids"], manifest.count)
    values, lines = _parse_lines(paths["metadata"], manifest.count)
    if not all(isinstance(value, dict) for value in values):
        line = next(number for number, value in enumerate(values, 1) if not isinstance(value, dict))
        raise DataError(f"{paths['metadata']}, line {line} is not a JSON object")
    try:
        return IndexContent(
            points=_read_points(paths["points"], manifest),
            ids=as_ids(ids, manifest.count),
            metadata=tuple(lines),
            c=manifest.c,
            metric=manifest.metric,
            model=manifest.model,
            info=as_info(manifest.info),
            approximate=_settings(manifest.approximate),
        )
    except ValueError as error:
        raise DataError(f"the index in {folder} is not valid: {error}") from error


def _settings(stored: dict[str, Any] | None) -> IVF | None:
    if stored is None:
        return None
    try:
        if not all(value is None or type(value) is int for value in stored.values()):
            raise ValueError(f"integers are expected, got {stored!r:.80}")
        return IVF(**stored)
    except (TypeError, ValueError) as error:
        raise ValueError(f"approximate: {error}") from None


def _manifest(content: IndexContent, files: dict[str, StoredFile]) -> Manifest:
    return Manifest(
        format=FORMAT,
        version=VERSION,
        metric=content.metric,
        c=content.c,
        count=len(content.points),
        dimension=content.points.shape[1],
        dtype=str(content.points.dtype).removeprefix("torch."),
        model=content.model,
        approximate=None if content.approximate is None else asdict(content.approximate),
        info=dict(content.info),
        files=files,
    )


def _points_file(content: IndexContent) -> bytes:
    from safetensors.torch import save

    # one entry, since safetensors writes several in any order, and equal indexes are to have equal files
    return save({"points": content.points}, metadata={"hyperdml": _description(content)})


def _description(of: IndexContent | Manifest) -> str:
    """What the points say about themselves, so that they cannot be taken for points of another ball."""
    return json.dumps({"c": of.c, "metric": of.metric})


def _lines(lines: Any) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _described(part: str, data: bytes) -> StoredFile:
    digest = sha256_of(data).hexdigest()
    return StoredFile(file_name(part, digest), len(data), digest)


def _intact(path: Path, file: StoredFile) -> Path:
    """The path of a file whose size and checksum are those of the manifest."""
    try:
        if not path.is_file():
            raise DataError(f"{path} is missing")
        size = path.stat().st_size
        if size != file.bytes:
            raise DataError(f"{path} is damaged: it has {size} bytes, {MANIFEST} says {file.bytes}")
        if sha256(path) != file.sha256:
            raise DataError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}") from error
    return path


def _read_points(path: Path, manifest: Manifest) -> Tensor:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            described = file.metadata() or {}
            stored = file.get_slice("points")
            shape, dtype = tuple(stored.get_shape()), _DTYPES.get(stored.get_dtype(), stored.get_dtype())
            if (shape, dtype) != ((manifest.count, manifest.dimension), manifest.dtype):
                raise DataError(
                    f"{path} holds points {shape} of {dtype}, {MANIFEST} says "
                    f"{(manifest.count, manifest.dimension)} of {manifest.dtype}"
                )
            if described.get("hyperdml") != _description(manifest):
                raise DataError(
                    f"{path} says {described.get('hyperdml')!r:.80}, {MANIFEST} says {_description(manifest)!r}"
                )
            points: Tensor = file.get_tensor("points")
    except (OSError, SafetensorError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    return points


def _parse_lines(path: Path, count: int) -> tuple[list[Any], list[str]]:
    """Values and texts of a file with one JSON value a line; parsed as one list, which takes half the time."""
    try:
        text = path.read_text(encoding="utf-8")
        lines = text.split("\n")
        if lines.pop() or len(lines) != count:
            raise DataError(f"{path} has {len(lines)} whole lines, {MANIFEST} says {count} items")
        values = json.loads(f"[{','.join(lines)}]", parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        line = text.count("\n", 0, max(0, error.pos - 1)) + 1
        raise DataError(f"{path}, line {line} is not JSON: {error.msg}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if len(values) != count:
        raise DataError(f"{path} has {len(values)} values on {count} lines")
    return values, lines
