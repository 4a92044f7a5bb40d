"""Groups that the images of a set fall into: its classes, and the levels above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hyperdml.data import EmbeddingSet
from hyperdml.errors import ConfigError, DataError
from hyperdml.metrics.labels import level_titles, nested_levels


@dataclass(frozen=True, eq=False)
class Groups:
    """A partition of the images.

    Attributes:
        level: what the groups are: the name of a level, or "class".
        ids: (N,) int64 group of each image, from 0; no group is empty.
        names: a name for each group.
    """

    level: str
    ids: np.ndarray
    names: tuple[str, ...]


def class_groups(embeddings: EmbeddingSet) -> Groups:
    """The images by class.

    Raises:
        DataError: there are no labels.
    """
    if embeddings.labels is None:
        raise DataError("these embeddings have no labels: what class an image is of is not known")
    values, ids = np.unique(embeddings.labels.cpu().numpy(), return_inverse=True)
    names = embeddings.class_names
    return Groups("class", ids, tuple(names[value] if names else f"class {value}" for value in values.tolist()))


def levels_above(embeddings: EmbeddingSet) -> list[str]:
    """Names of the levels above the class, coarse to fine: those that put several classes into one of several groups.

    Raises:
        DataError: there are no labels, or the levels are not nested.
    """
    classes = len(class_groups(embeddings).names)
    names, ids = _levels(embeddings)
    return [name for name, column in zip(names, ids.T, strict=True) if 1 < len(np.unique(column)) < classes]


def super_groups(embeddings: EmbeddingSet, level: str | None = None, coarse_names: Sequence[str] = ()) -> Groups | None:
    """The images by a level above the class.

    Args:
        embeddings: with labels and levels.
        level: name of the level; by default the coarsest.
        coarse_names: names of the ids of the coarsest level; ids of others have none but their number.

    Returns:
        The groups; None if no level was asked for and there is none.

    Raises:
        ConfigError: there is no level of this name above the class.
        DataError: see `levels_above`.
    """
    above = levels_above(embeddings)
    if level is None and not above:
        return None
    if level is not None and level not in above:
        there = f"there are: {', '.join(above)}" if above else "there are none"
        raise ConfigError(f"there is no level {level!r} above the classes; {there}")
    wanted = level or above[0]
    names, ids = _levels(embeddings)
    column = names.index(wanted)
    values, groups = np.unique(ids[:, column], return_inverse=True)
    known = coarse_names if column == 0 else ()
    titles = (known[value] if 0 <= value < len(known) else f"{wanted} {value}" for value in values.tolist())
    return Groups(wanted, groups, tuple(titles))


def _levels(embeddings: EmbeddingSet) -> tuple[list[str], np.ndarray]:
    """Names of the levels and (N, L) ids, in which every class lies in one group; nothing where they are not known."""
    if embeddings.levels is None or embeddings.labels is None:
        return [], np.empty((len(embeddings), 0), np.int64)
    try:
        names = level_titles(embeddings.level_names or None, embeddings.levels.shape[1])
        with_class = torch.cat([embeddings.levels.cpu(), embeddings.labels.cpu()[:, None]], 1)
        ids = nested_levels(with_class, embeddings.points.cpu())[:, :-1].numpy()
    except ValueError as error:
        raise DataError(f"the levels of these embeddings cannot be used: {error}") from error
    return names, ids
