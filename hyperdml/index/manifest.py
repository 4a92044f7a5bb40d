"""The manifest of a stored index: what it is, and which files with which checksums belong to it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperdml.errors import DataError
from hyperdml.geometry import curvature_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MANIFEST = "manifest.json"
FORMAT = "hyperdml index"
VERSION = 1
METRICS = ("hyperbolic", "cosine", "euclidean")
DTYPES = ("float32", "float64")
SUFFIXES = {"points": ".safetensors", "ids": ".jsonl", "metadata": ".jsonl"}
"""The parts of an index and the endings of their files."""

_LARGEST = 1 << 20  # bytes; a manifest is far smaller, and nothing longer is read


@dataclass(frozen=True)
class StoredFile:
    """Name, size in bytes and SHA-256 of a file."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` says.

    Attributes:
        format: "hyperdml index".
        version: version of the format.
        metric: distance by which the index searches.
        c: curvature magnitude.
        count: number of items.
        dimension: of the points.
        dtype: "float32" or "float64".
        model: hash of the model that made the points, or None.
        approximate: settings of the inverted file, or None.
        info: facts about the index.
        files: points, ids and metadata.
    """

    format: str
    version: int
    metric: str
    c: float
    count: int
    dimension: int
    dtype: str
    model: str | None
    approximate: dict[str, Any] | None
    info: dict[str, Any]
    files: dict[str, StoredFile]


def file_name(part: str, digest: str) -> str:
    """Name of the file of a part with a SHA-256: new content gets a new name."""
    return f"{part}-{digest[:16]}{SUFFIXES[part]}"


def is_part(name: str) -> bool:
    """Whether a file name is one that `file_name` gives."""
    return any(re.fullmatch(rf"{part}-[0-9a-f]{{16}}\{suffix}", name) for part, suffix in SUFFIXES.items())


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of `manifest.json`, with a checksum of their own as the last entry."""
    body = asdict(manifest)
    body["sha256"] = hashlib.sha256(json.dumps(body, allow_nan=False).encode()).hexdigest()
    return (json.dumps(body, indent=1, allow_nan=False) + "\n").encode()


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest of an index.

    Args:
        folder: folder of the index.

    Returns:
        The manifest, and the SHA-256 of its file, by which one state of the folder is told from another.

    Raises:
        DataError: there is none, it is damaged, or it says what no index of this version would.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder} is not an index: {path} is missing")
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
        if len(raw) > _LARGEST:
            raise DataError(f"{path} is no manifest of an index: it is longer than {_LARGEST} bytes")
        body = json.loads(raw, parse_constant=refuse_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise DataError(f"{path} is not the manifest of an index: its format is not {FORMAT!r}")
    if type(body.get("version")) is int and body["version"] > VERSION:
        raise DataError(f"{path} was written by a newer hyperdml: version {body['version']}, this one reads {VERSION}")
    manifest = _checked(body, path)
    # every byte counts: what was not written by `encode_manifest`, or changed since, does not encode to itself
    if _encoded_or_none(manifest) != raw:
        raise DataError(f"{path} is damaged: its checksum does not fit its content")
    return manifest, hashlib.sha256(raw).hexdigest()


def _encoded_or_none(manifest: Manifest) -> bytes | None:
    try:
        return encode_manifest(manifest)
    except ValueError:  # a number too large for a float
        return None


def refuse_constant(constant: str) -> None:
    """Of `json.loads`: NaN and Infinity are not JSON."""
    raise ValueError(f"{constant} is not JSON")


@cache
def _adapter() -> TypeAdapter[Manifest]:
    from pydantic import TypeAdapter

    return TypeAdapter(Manifest)


def _checked(body: dict[str, Any], path: Path) -> Manifest:
    from pydantic import ValidationError

    info = body.get("info")
    if isinstance(info, dict):
        # any JSON will do; pydantic would refuse paths that are not UTF-8, which JSON holds as lone surrogates
        body = body | {"info": {}}
    try:
        manifest = _adapter().validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, d['loc']))}: {d['msg']}, got {d['input']!r:.80}" for d in error.errors()]
        raise DataError(f"{path} is not valid: {'; '.join(problems)}") from None
    for key, expected in {"version": [VERSION], "metric": METRICS, "dtype": DTYPES}.items():
        if getattr(manifest, key) not in expected:
            raise DataError(
                f"{path}: {key} is {getattr(manifest, key)!r:.80}, expected {' or '.join(map(str, expected))}"
            )
    try:
        curvature_of(manifest.c)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    if manifest.files.keys() != SUFFIXES.keys():
        raise DataError(f"{path}: files must be {', '.join(SUFFIXES)}, got {', '.join(manifest.files)}")
    for part, file in manifest.files.items():
        # the name follows from the checksum, so that no manifest can lead out of its folder
        if file.name != file_name(part, file.sha256):
            raise DataError(f"{path}: {part} lie in {file.name!r:.80}, expected {file_name(part, file.sha256)!r:.80}")
        if not is_part(file.name):
            raise DataError(f"{path}: {file.sha256!r:.80} is no SHA-256")
    return replace(manifest, info=info or {})
