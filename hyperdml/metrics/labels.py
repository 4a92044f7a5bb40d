"""Labels and levels of a class tree as exact integers, checked once for every score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Labels = Tensor | np.ndarray | Sequence[int]
Levels = Tensor | np.ndarray


def point_labels(labels: Labels, points: Tensor, name: str) -> Tensor:
    """(N,) int64 on the points' device: integers stay exact, where float32 would merge 2^24 and 2^24 + 1."""
    if len(points) == 0:
        raise ValueError(f"there are no points to go with {name}")
    out = integers(labels, name)
    if out.ndim != 1 or len(out) != len(points):
        raise ValueError(f"{name} must hold one integer per point, ({len(points)},), got {tuple(out.shape)}")
    return out.to(points.device)


def point_levels(levels: Levels, points: Tensor) -> Tensor:
    """(N, L) int64 on the points' device: ids coarse to fine."""
    if len(points) == 0:
        raise ValueError("there are no points to go with levels")
    ids = integers(levels, "levels")
    if ids.ndim != 2 or len(ids) != len(points) or ids.shape[1] == 0:
        raise ValueError(f"levels must be ({len(points)}, L) ids, coarse to fine, got {tuple(ids.shape)}")
    return ids.to(points.device)


def nested_levels(levels: Levels, points: Tensor) -> Tensor:
    """`point_levels` that form a hierarchy: points that share an id share the ids of all coarser levels.

    Raises:
        ValueError: as `point_levels`; or an id occurs under two ids of the level above, as where every group numbers
            its classes from 0.
    """
    ids = point_levels(levels, points)
    for level in range(1, ids.shape[1]):
        pairs = ids[:, level - 1 : level + 1].unique(dim=0)
        below, times = pairs[:, 1].unique(return_counts=True)
        if (times > 1).any():
            twice = below[times > 1][0]
            above = pairs[pairs[:, 1] == twice, 0].tolist()
            raise ValueError(
                f"levels are not nested: id {int(twice)} of level {level} lies under ids {above[0]} and {above[1]} of "
                f"level {level - 1}; levels must run from coarse to fine, with ids that no two parents share"
            )
    return ids


def level_titles(names: Sequence[str] | None, count: int) -> list[str]:
    """The names of `count` levels: those given, or "level 0", "level 1", ...

    Raises:
        ValueError: not one name per level, or a name that occurs twice.
    """
    titles = [f"level {i}" for i in range(count)] if names is None else list(names)
    if len(titles) != count:
        raise ValueError(f"{len(titles)} level names for {count} levels")
    if len(set(titles)) != count:
        raise ValueError(f"level names must differ, got {titles}")
    return titles


def integers(values: Labels, name: str) -> Tensor:
    """Any integer array as an int64 tensor on the CPU; ValueError naming it for anything else."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, got {array.dtype}; number the classes first")
    return torch.from_numpy(array.astype(np.int64))


def count_among(labels: Tensor, among: Tensor) -> Tensor:
    """(Q,) int64: how often each of the (Q,) labels occurs in the (M,) labels `among`."""
    ordered = among.sort().values
    return torch.searchsorted(ordered, labels, right=True) - torch.searchsorted(ordered, labels)
