"""What an index holds, checked: points, their ids, a JSON object per item, and how they are to be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hyperdml.neighbors.ivf import IVF

Id: TypeAlias = str | int

_LARGEST_INFO = 1 << 16  # characters; it lies in the manifest


@dataclass(frozen=True, eq=False)
class IndexContent:
    """Everything about an index that is stored; what it needs to search is made from this.

    Attributes:
        points: (N, d) points on the CPU, float32 or float64.
        ids: N different strings, or N different integers.
        metadata: N JSON objects as text, each on one line: what a search returns is what a stored index returns.
        c: curvature magnitude.
        metric: "hyperbolic", "cosine" or "euclidean".
        model: hash of the model that made the points, or None.
        info: facts about the whole index, JSON values by name.
        approximate: settings of the inverted file, or None for exact search.
    """

    points: Tensor
    ids: tuple[Id, ...]
    metadata: tuple[str, ...]
    c: float
    metric: str
    model: str | None
    info: Mapping[str, Any]
    approximate: IVF | None


def own_points(points: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """A copy of (N, d) points on the CPU, which later changes by the caller do not reach.

    Args:
        points: points of any floating-point type.
        dtype: precision to keep; by default float64 of float64, and float32 of everything else.

    Raises:
        ValueError: not an (N, d) matrix of floating-point numbers.
    """
    points = torch.as_tensor(points)
    if points.ndim != 2 or points.shape[1] == 0 or not points.dtype.is_floating_point:
        raise ValueError(f"points must be (N, d) floating-point numbers, got {tuple(points.shape)} of {points.dtype}")
    if dtype is None:
        dtype = torch.float64 if points.dtype == torch.float64 else torch.float32
    return points.detach().to("cpu", dtype, copy=True).contiguous()


def as_ids(ids: Iterable[Id] | Tensor, count: int | None = None) -> tuple[Id, ...]:
    """Different strings, or different integers of 64 bits.

    Args:
        ids: strings, integers, or an integer array.
        count: how many there have to be; None takes any number.

    Raises:
        ValueError: another number of ids, a type that ids cannot have, both types at once, or an id twice.
    """
    if isinstance(ids, str):
        raise ValueError(f"ids must be a sequence of ids, got the one string {ids!r}")
    plain: Any = ids
    found: tuple[Id, ...] = tuple(plain.tolist() if hasattr(plain, "tolist") else plain)
    if count is not None and len(found) != count:
        raise ValueError(f"there are {count} points and {len(found)} ids")
    kinds = {type(name) for name in found}
    if not (kinds <= {str} or kinds <= {int}):
        odd = next(name for name in found if type(name) not in (str, int) or type(name) is not type(found[0]))
        raise ValueError(f"ids must be all strings or all integers, got {odd!r} beside {found[0]!r}")
    if kinds == {int} and not -(2**63) <= min(found) <= max(found) < 2**63:  # type: ignore[operator]
        raise ValueError("integer ids must fit into 64 bits")
    if len(set(found)) < len(found):
        seen: set[Id] = set()
        twice = next(name for name in found if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"id {twice!r} occurs twice")
    return found


def as_metadata(metadata: Sequence[Mapping[str, Any]] | None, count: int) -> tuple[str, ...]:
    """One line of JSON per item.

    Args:
        metadata: a mapping per item with string keys and JSON values, or None for none at all.
        count: number of items.

    Raises:
        ValueError: another number of mappings, or one that JSON cannot hold; the message names the item.
    """
    if metadata is None:
        return ("{}",) * count
    if len(metadata) != count:
        raise ValueError(f"there are {count} points and {len(metadata)} mappings of metadata")
    return tuple(_object(entry, f"metadata of item {number}") for number, entry in enumerate(metadata))


def as_info(info: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of the facts about an index, as JSON gives them back.

    Raises:
        ValueError: not a mapping that JSON can hold, or longer than 65,536 characters.
    """
    text = _object(info or {}, "info")
    if len(text) > _LARGEST_INFO:
        raise ValueError(f"info is for a few facts, at most {_LARGEST_INFO} characters of JSON, got {len(text)}")
    plain: dict[str, Any] = json.loads(text)
    return plain


def as_model(model: str | None) -> str | None:
    """The hash of a model, as a manifest can hold it.

    Raises:
        ValueError: neither None nor a string that UTF-8 can hold.
    """
    if model is not None and not (isinstance(model, str) and model.isprintable()):
        raise ValueError(f"model must be the hash of a model as a string, got {model!r}")
    return model


def _object(value: Mapping[str, Any], name: str) -> str:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{name} must be a mapping with string keys, got {value!r}")
    try:
        return json.dumps(dict(value), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} cannot be written as JSON: {error}") from None
