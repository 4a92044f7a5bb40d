"""Classes and their labels: which leaf is which class, which has samples, and the ids at every level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.names import suggestion
from hyperdml.taxonomy.structure import Structure

_SHOWN = 10


class Classes(Structure):
    """Questions about classes; see `hyperdml.taxonomy.Taxonomy`."""

    def levels_array(self) -> Ints:
        """Ids of every class at every level, coarse to fine, for scores by level; ids are nodes.

        Column l holds the ancestor at depth l. A leaf that is less deep than others stands for itself in the columns
        below it, so that the last column is 0, ..., C - 1 and tells all classes apart. The column of a single root,
        which all classes share, is left out.

        Returns:
            (C, L) int64, nested: classes that share an id share all coarser ids.

        Raises:
            ValueError: a node has several parents.
        """
        self._require_forest("levels_array")
        rows = self.ancestor_closure.rows(np.arange(self.num_leaves))
        out = np.repeat(np.arange(self.num_leaves)[:, None], self.depth + 1, 1)
        out[rows.row_of_values, self.depths[rows.values]] = rows.values
        return out[:, 1:] if len(self.roots) == 1 and self.depth else out

    def match(self, class_names: Sequence[str]) -> Ints:
        """The leaf of every class of a data set.

        Args:
            class_names: names, by label.

        Returns:
            (len(class_names),) int64: label to leaf.

        Raises:
            ValueError: names that are no leaves, with suggestions; or that stand twice.
        """
        wrong = [name for name in class_names if not 0 <= self._index.get(name, -1) < self.num_leaves]
        if wrong:
            lines = [f"\n- {name!r}{self._why_no_leaf(name)}" for name in wrong[:_SHOWN]]
            more = f"\n- and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            raise ValueError(
                f"{len(wrong)} of {len(class_names)} class names are no leaves of the taxonomy:{''.join(lines)}{more}"
            )
        seen: dict[str, int] = {}
        for label, name in enumerate(class_names):
            if seen.setdefault(name, label) != label:
                raise ValueError(f"classes {seen[name]} and {label} are both called {name!r}")
        return np.array([self._index[name] for name in class_names], dtype=np.int64)

    def unused(self, labels: ArrayLike) -> Ints:
        """Leaves without samples.

        Args:
            labels: (S,) leaf of every sample.

        Returns:
            int64 leaves, ascending, that are not among the labels.

        Raises:
            ValueError: a label is not a leaf.
        """
        found = self.nodes(np.asarray(labels))
        if found.size and found.max() >= self.num_leaves:
            raise ValueError(f"label {int(found.max())} is not one of the {self.num_leaves} leaves")
        return np.flatnonzero(np.bincount(found.ravel(), minlength=self.num_leaves) == 0)

    def _why_no_leaf(self, name: str) -> str:
        return " is an inner node" if name in self._index else suggestion(name, self.leaves)
