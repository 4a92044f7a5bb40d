"""Dendrograms as JSON, with a version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hyperdml.errors import DataError
from hyperdml.geometry import curvature_of
from hyperdml.taxonomy.files import load_json
from hyperdml.tree.shape import Shape

FORMAT = "hyperdml.dendrogram/1"
_INNER = "inner_names"  # there only where inner nodes have names
_KEYS = ("format", "method", "c", "num_leaves", "parents", "heights", "names", "proxies", "points")


def to_dict(tree: Shape) -> dict[str, Any]:
    """Content of the file; see `Dendrogram.to_dict`."""
    return {
        "format": FORMAT,
        "method": tree.method,
        "c": tree.c,
        "num_leaves": tree.num_leaves,
        "parents": tree.parents.tolist(),
        "heights": tree.heights.tolist(),
        "names": None if tree.names is None else list(tree.names),
        "proxies": None if tree.proxies is None else tree.proxies.tolist(),
        "points": None if tree.points is None else tree.points.tolist(),
    } | ({} if tree.inner_names is None else {_INNER: list(tree.inner_names)})


def from_dict(data: object) -> Shape:
    """Read what `to_dict` made.

    Raises:
        ValueError: a key is missing, unknown or wrong; the message names it.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"expected an object, got a {type(data).__name__}")
    if data.get("format") != FORMAT:
        raise ValueError(f"format is {data.get('format')!r}, expected {FORMAT!r}")
    if set(data) - {_INNER} != set(_KEYS):
        unknown = (str(key) for key in data if key not in (*_KEYS, _INNER))
        wrong = [*(f"no {key}" for key in _KEYS if key not in data), *unknown]
        raise ValueError(f"the keys must be {', '.join(_KEYS)}; wrong here: {', '.join(wrong)}")
    if not isinstance(data["method"], str):
        raise ValueError(f"method must be a text, got {data['method']!r}")
    if type(data["num_leaves"]) is not int:
        raise ValueError(f"num_leaves must be a whole number, got {data['num_leaves']!r}")
    names, proxies, points, c = data["names"], data["proxies"], data["points"], data["c"]
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise ValueError("names must be a list of texts or null")
    inner = data.get(_INNER)
    if inner is not None and not (
        isinstance(inner, list) and all(name is None or isinstance(name, str) for name in inner)
    ):
        raise ValueError(f"{_INNER} must be a list of texts and nulls, or null")
    if c is not None and type(c) not in (int, float):
        raise ValueError(f"c must be a number or null, got {c!r}")
    found = None if points is None else torch.from_numpy(_numbers(points, "points", (int, float), 2))
    if found is not None and not found.isfinite().all():
        raise ValueError(f"points row {int((~found.isfinite().all(1)).nonzero()[0])} is not finite")
    return Shape(
        _numbers(data["parents"], "parents", (int,), 1),
        _numbers(data["heights"], "heights", (int, float), 1),
        data["num_leaves"],
        None if names is None else tuple(names),
        found,
        None if proxies is None else _numbers(proxies, "proxies", (int,), 1),
        None if c is None else curvature_of(float(c)),
        data["method"],
        None if inner is None else tuple(inner),
    )


def _numbers(values: object, key: str, kinds: tuple[type, ...], dimensions: int) -> Any:
    """Nested lists as an int64 or float64 array; only the kinds that are named, and no row of another length."""
    rows = values if dimensions == 2 else [values]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ValueError(f"{key} must be a list of {'lists of ' * (dimensions - 1)}numbers")
    for number, row in enumerate(rows):
        where = f"{key}[{number}]" if dimensions == 2 else key
        wrong = [value for value in row if type(value) not in kinds]
        if wrong:
            raise ValueError(f"{where} holds {wrong[0]!r}, expected {'whole ' * (len(kinds) == 1)}numbers")
        if len(row) != len(rows[0]):
            raise ValueError(f"{where} holds {len(row)} numbers, but the first row {len(rows[0])}")
    try:
        out = np.array(rows, dtype=np.int64 if len(kinds) == 1 else np.float64)
    except OverflowError:
        raise ValueError(f"{key} holds a number that is too large") from None
    return out if dimensions == 2 else out[0]


def json_bytes(tree: Shape) -> bytes:
    """Content of a JSON file."""
    return (json.dumps(to_dict(tree), ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def read_json(path: Path) -> Shape:
    """Read a JSON file; see `Dendrogram.from_json`.

    Raises:
        DataError: the file cannot be read, is not JSON or not a dendrogram; the message names the key.
    """
    data = load_json(path)
    try:
        return from_dict(data)
    except ValueError as error:
        raise DataError(f"{path} is not a dendrogram: {error}") from error
