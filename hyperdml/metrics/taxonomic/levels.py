"""Levels of a taxonomy: the depths at which a prediction is judged, and the nodes that stand for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyperdml.metrics.labels import level_titles
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints


@dataclass(frozen=True)
class TaxonomyLevels:
    """The levels at which classes are told apart, coarse to fine; see `taxonomy_levels`.

    Attributes:
        names: L names.
        first: depth of the coarsest; the others follow one by one down to the deepest leaves.
    """

    names: tuple[str, ...]
    first: int

    def index(self, level: int | str) -> int:
        """Which level this is.

        Args:
            level: its name, or its depth.

        Raises:
            ValueError: there is no such level.
        """
        place = level - self.first if isinstance(level, int) else -1
        if isinstance(level, str) and level in self.names:
            place = self.names.index(level)
        if not 0 <= place < len(self.names):
            known = ", ".join(f"{self.first + i} ({name!r})" for i, name in enumerate(self.names))
            raise ValueError(f"level must be a depth or a name among {known}; got {level!r}")
        return place

    def nodes(self, taxonomy: Taxonomy, level: int) -> Ints:
        """Nodes of the level-th level, ascending: those of its depth, and leaves that lie higher."""
        depth = self.first + level
        leaf = np.arange(len(taxonomy)) < taxonomy.num_leaves
        return np.flatnonzero((taxonomy.depths == depth) | (leaf & (taxonomy.depths < depth)))


def taxonomy_levels(taxonomy: Taxonomy, names: Sequence[str] | None = None) -> TaxonomyLevels:
    """Levels by depth, the longest path from a root; a single root, which all classes share, is left out.

    A leaf that ends above a level stands for itself there, as in `Taxonomy.levels_array`, so every level divides all
    leaves among its nodes and the last is the leaves. (In a DAG a leaf may lie below several nodes of a level.)

    Args:
        taxonomy: tree, forest or DAG.
        names: one a level, coarse to fine; "depth 1", "depth 2", ... without.

    Raises:
        ValueError: not one name a level, or a name that stands twice.

    Example:
        >>> taxonomy = Taxonomy.from_nested({"animal": {"bird": ["wren", "finch"], "eel": None}})
        >>> levels = taxonomy_levels(taxonomy)
        >>> levels.names, [taxonomy.names[node] for node in levels.nodes(taxonomy, 0)]
        (('depth 1', 'depth 2'), ['eel', 'bird'])
    """
    first = int(len(taxonomy.roots) == 1 and taxonomy.depth > 0)
    depths = range(first, taxonomy.depth + 1)
    titles = level_titles([f"depth {depth}" for depth in depths] if names is None else names, len(depths))
    return TaxonomyLevels(tuple(titles), first)
