"""Taxonomies in files: JSON with a hash, and the table of edges that is written."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hyperdml.errors import DataError
from hyperdml.taxonomy.csr import CSR
from hyperdml.taxonomy.formats.text import read_text
from hyperdml.taxonomy.names import clean_name, listing
from hyperdml.taxonomy.order import node_order
from hyperdml.taxonomy.structure import Structure

FORMAT = "hyperdml.taxonomy/1"
_TYPES: dict[str, type] = {
    "format": str,
    "hash": str,
    "num_leaves": int,
    "names": list,
    "parents": list,
    "collapsed": dict,
}


def to_dict(taxonomy: Structure) -> dict[str, Any]:
    """Content of the JSON file; see `Taxonomy.to_dict`."""
    return {
        "format": FORMAT,
        "hash": taxonomy.hash,
        "num_leaves": taxonomy.num_leaves,
        "names": list(taxonomy.names),
        "parents": taxonomy.parent_lists(),
        "collapsed": dict(taxonomy.collapsed),
    }


def from_dict(data: object) -> Structure:
    """Read what `to_dict` made.

    Raises:
        ValueError: a key is missing, unknown or of the wrong type, or the content is not a taxonomy in its order or
            does not fit its hash; the message names the key.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"expected an object, got a {type(data).__name__}")
    if data.get("format") != FORMAT:
        raise ValueError(f"format is {data.get('format')!r}, expected {FORMAT!r}")
    if set(data) != set(_TYPES):
        wrong = [*(f"no {key}" for key in _TYPES if key not in data), *(str(key) for key in data if key not in _TYPES)]
        raise ValueError(f"the keys must be {', '.join(_TYPES)}; wrong here: {', '.join(wrong)}")
    for key, kind in _TYPES.items():
        if not isinstance(data[key], kind) or isinstance(data[key], bool):
            raise ValueError(f"{key} must be a {kind.__name__}, got {data[key]!r}")
    names, leaves = data["names"], data["num_leaves"]
    for place, name in enumerate(names):
        if not isinstance(name, str) or clean_name(name) != name:
            raise ValueError(f"names[{place}] is {name!r}, which no node is called")
    if not names or len(set(names)) < len(names):
        raise ValueError("names must be one or more, all different")
    parents = _parents(data["parents"], len(names))
    ends = np.flatnonzero(np.bincount(parents.values, minlength=len(names)) == 0)
    if not np.array_equal(ends, np.arange(leaves)):
        raise ValueError(f"num_leaves is {leaves}, but the nodes without children are not the first {leaves}")
    if not np.array_equal(node_order(names, parents, ends), np.arange(len(names))):
        raise ValueError("names are not in the order of a taxonomy")
    gone, there = data["collapsed"], set(names)
    wrong = [name for name, kept in gone.items() if name in there or not isinstance(kept, str) or kept not in there]
    if wrong:
        raise ValueError(f"collapsed must map names that are gone to nodes; wrong at {listing(wrong)}")
    out = Structure(tuple(names), leaves, parents, gone)
    if out.hash != data["hash"]:
        raise ValueError(f"hash is {data['hash']!r}, but the content has {out.hash!r}: it was changed or is damaged")
    return out


def _parents(rows: list[Any], count: int) -> CSR:
    if len(rows) != count:
        raise ValueError(f"parents must have one entry for each of {count} names, got {len(rows)}")
    for node, row in enumerate(rows):
        valid = isinstance(row, list) and all(type(up) is int and node < up < count for up in row)
        if not valid or sorted(set(row)) != row:
            raise ValueError(f"parents[{node}] is {row!r}, expected ascending nodes from {node + 1} to {count - 1}")
    sizes = np.array([len(row) for row in rows], dtype=np.int64)
    values = np.array([up for row in rows for up in row], dtype=np.int64)
    return CSR.from_pairs(np.repeat(np.arange(count), sizes), values, count)


def read_json(path: Path) -> Structure:
    """Read a JSON file; see `Taxonomy.from_json`."""
    data = load_json(path)
    try:
        return from_dict(data)
    except ValueError as error:
        raise DataError(f"{path} is not a taxonomy: {error}") from error


def load_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        DataError: the file cannot be read, is not JSON, or is nested too deeply for Python's reader.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    except RecursionError as error:
        raise DataError(f"{path} is nested too deeply for JSON; write it as a table of edges") from error


def json_bytes(taxonomy: Structure) -> bytes:
    """Content of a JSON file."""
    return (json.dumps(to_dict(taxonomy), ensure_ascii=False) + "\n").encode()


def edges_csv_bytes(taxonomy: Structure) -> bytes:
    """Content of a table of edges: children in the order of the nodes, so that it can be read back in this order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("parent", "child"))
    for name, row in zip(taxonomy.names, taxonomy.parent_lists(), strict=True):
        writer.writerows((taxonomy.names[up], name) for up in row)
        if not row:
            writer.writerow(("", name))
    return text.getvalue().encode()
