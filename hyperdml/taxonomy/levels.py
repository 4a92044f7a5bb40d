"""Integer ids by level, coarse to fine, as the data sets hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from hyperdml.taxonomy.places import Places

LevelNames = Sequence[str] | Mapping[int, str] | None


def read_levels(levels: ArrayLike, names: Sequence[LevelNames] | None, ranks: Sequence[str] | None) -> Places:
    """The tree that rows of ids span; see `Taxonomy.from_levels`.

    Raises:
        ValueError: the ids are not an integer matrix or not nested, or an id has no name.
    """
    ids = np.asarray(levels)
    if ids.ndim != 2 or 0 in ids.shape or ids.dtype.kind not in "iu":
        raise ValueError(f"levels must be (R, L) integers, coarse to fine, got {ids.dtype} of shape {ids.shape}")
    depth = ids.shape[1]
    for what, given in (("names", names), ("ranks", ranks)):
        if given is not None and len(given) != depth:
            raise ValueError(f"{what} must have one entry for each of {depth} levels, got {len(given)}")
    titles = [f"level {level}" for level in range(depth)] if ranks is None else [str(rank) for rank in ranks]
    places, known = Places(), np.full(len(ids), -1, dtype=np.int64)
    for level in range(depth):
        values, first, group = np.unique(ids[:, level], return_index=True, return_inverse=True)
        wrong = np.flatnonzero(known != known[first][group])
        if len(wrong):
            row = int(wrong[0])
            one, other = ids[first[group[row]], level - 1], ids[row, level - 1]
            raise ValueError(
                f"levels are not nested: id {ids[row, level]} of {titles[level]!r} lies under ids {one} and {other} of "
                f"{titles[level - 1]!r}; levels must run from coarse to fine, with ids that no two parents share"
            )
        table = None if names is None else names[level]
        above = known[first].tolist()
        added = [
            places.add(_name(int(value), table, titles[level]), up, titles[level])
            for value, up in zip(values, above, strict=True)
        ]
        known = np.array(added, dtype=np.int64)[group]
    return places


def _name(value: int, table: LevelNames, title: str) -> str:
    if table is None:
        return f"{title}: {value}"
    if isinstance(table, Mapping) and value in table:
        return table[value]
    if not isinstance(table, Mapping) and 0 <= value < len(table):
        return table[value]
    raise ValueError(f"id {value} of {title!r} has no name: {len(table)} names are given")
