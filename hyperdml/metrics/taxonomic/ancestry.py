"""Which node lies above which, for many pairs of nodes at once."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.csr import Ints


class Shared(NamedTuple):
    """Common ancestors of pairs of nodes, a node being its own.

    Attributes:
        pair: (S,) which pair each belongs to, ascending.
        one: (S,) where it stands in `ancestor_closure.values`, in the row of the pair's first node.
        other: (S,) the same in the row of its second.
    """

    pair: Ints
    one: Ints
    other: Ints


class Ancestry:
    """The pairs of node and ancestor of a taxonomy as sorted numbers, in which pairs are looked up.

    Args:
        taxonomy: tree, forest or DAG.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._closure, self._nodes = taxonomy.ancestor_closure, len(taxonomy)
        self._keys = self._closure.row_of_values * self._nodes + self._closure.values

    def at_or_above(self, upper: Ints, lower: Ints) -> NDArray[np.bool_]:
        """Whether the one node is the other or one of its ancestors.

        Args:
            upper: nodes; -1 stands for a root above everything.
            lower: nodes, of a shape that broadcasts.
        """
        upper, lower = np.broadcast_arrays(upper, lower)
        return self._find(lower, np.maximum(upper, 0))[1] | (upper < 0)

    def shared(self, one: Ints, other: Ints) -> Shared:
        """All common ancestors of pairs.

        Args:
            one: (n,) nodes.
            other: (n,) nodes.
        """
        rows = self._closure.rows(one)
        pair = rows.row_of_values
        place, found = self._find(other[pair], rows.values)
        # places of the first rows, one after the other
        starts = self._closure.offsets[one] - rows.offsets[:-1]
        own = np.arange(len(pair)) + starts[pair]
        return Shared(pair[found], own[found], place[found])

    def _find(self, node: Ints, ancestor: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Where pairs of node and ancestor stand in the closure, and whether they do."""
        wanted = node * self._nodes + ancestor
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        return place, self._keys[place] == wanted


@lru_cache(maxsize=8)
def ancestry(taxonomy: Taxonomy) -> Ancestry:
    """The ancestry of a taxonomy, made once."""
    return Ancestry(taxonomy)
