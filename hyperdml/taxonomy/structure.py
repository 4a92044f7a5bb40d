"""The nodes and edges of a taxonomy, and what follows from them directly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from hyperdml.taxonomy.closure import closure
from hyperdml.taxonomy.csr import CSR, Ints
from hyperdml.taxonomy.names import suggestion
from hyperdml.taxonomy.order import longest_paths


@dataclass(frozen=True, eq=False, repr=False)
class Structure:
    """Names, parents and arrays; see `hyperdml.taxonomy.Taxonomy`, whose constructors check what they are given."""

    names: tuple[str, ...]
    num_leaves: int
    parents: CSR
    collapsed: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "collapsed", MappingProxyType(dict(self.collapsed)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.names, self.num_leaves, self.parents, dict(self.collapsed))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __eq__(self, other: object) -> bool:
        return self.hash == other.hash if isinstance(other, Structure) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hash)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        kind = "tree" if self.is_tree else "forest" if self.is_forest else "DAG"
        return f"Taxonomy({len(self)} nodes, {self.num_leaves} leaves, {kind}, depth {self.depth}, {self.hash[:8]})"

    @property
    def num_nodes(self) -> int:
        """N, leaves and inner nodes."""
        return len(self.names)

    @property
    def leaves(self) -> tuple[str, ...]:
        """Names of the leaves, the first C of `names`, in label order."""
        return self.names[: self.num_leaves]

    @cached_property
    def hash(self) -> str:
        """Hexadecimal SHA-256 of the names in their order and the edges; equal taxonomies have equal hashes.

        It is taken of the JSON text ``{"names": [...], "parents": [[...], ...]}`` without spaces, in UTF-8.
        """
        content = {"names": self.names, "parents": self.parent_lists()}
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def parent_lists(self) -> list[list[int]]:
        """Parents of every node as lists of node indices, ascending."""
        ends, values = self.parents.offsets.tolist(), self.parents.values.tolist()
        return [values[ends[node] : ends[node + 1]] for node in range(len(self))]

    @cached_property
    def children(self) -> CSR:
        """Children of every node, ascending."""
        return self.parents.transposed(len(self))

    @cached_property
    def roots(self) -> Ints:
        """Nodes without parents, ascending."""
        return _fixed(np.flatnonzero(self.parents.counts == 0))

    @property
    def is_forest(self) -> bool:
        """No node has several parents; every tree is a forest."""
        return bool((self.parents.counts <= 1).all())

    @property
    def is_tree(self) -> bool:
        """A forest with one root."""
        return self.is_forest and len(self.roots) == 1

    @cached_property
    def parent(self) -> Ints:
        """(N,) the parent of every node, -1 for roots.

        Raises:
            ValueError: a node has several parents.
        """
        self._require_forest("parent")
        out = np.full(len(self), -1, dtype=np.int64)
        out[self.parents.row_of_values] = self.parents.values
        return _fixed(out)

    @cached_property
    def depths(self) -> Ints:
        """(N,) level of every node: edges of the longest path from a root, 0 for roots."""
        return _fixed(longest_paths(self.children, self.parents.counts))

    @cached_property
    def heights(self) -> Ints:
        """(N,) edges of the longest path down to a leaf, 0 for leaves; ascending in the order of the nodes."""
        return _fixed(longest_paths(self.parents, self.children.counts))

    @property
    def depth(self) -> int:
        """Edges of the longest path from a root to a leaf."""
        return int(self.heights[-1])

    @cached_property
    def _closure(self) -> tuple[CSR, Ints]:
        rows, steps = closure(self.parents, self.depths, np.ones(len(self), dtype=bool))
        return rows, _fixed(steps)

    @property
    def ancestor_closure(self) -> CSR:
        """Each node and its ancestors, ascending: in a forest the path from the node to its root."""
        return self._closure[0]

    @property
    def ancestor_distances(self) -> Ints:
        """(V,) edges of the shortest path up to each value of `ancestor_closure`, 0 for the node itself."""
        return self._closure[1]

    @cached_property
    def descendant_closure(self) -> CSR:
        """Each node and its descendants, ascending: the rows of the reachability matrix R[ancestor, descendant]."""
        return self.ancestor_closure.transposed(len(self))

    @cached_property
    def leaf_closure(self) -> CSR:
        """The leaves below every node, ascending; a leaf is below itself."""
        # not from the ancestors: in deep trees these are many more pairs
        return closure(self.children, self.heights, self.heights == 0)[0]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: node for node, name in enumerate(self.names)}

    def node_index(self, name: str) -> int:
        """Index of a node.

        Raises:
            ValueError: there is no node of this name.
        """
        if name not in self._index:
            raise ValueError(f"{name!r} is not a node of the taxonomy{suggestion(name, self.names)}")
        return self._index[name]

    def nodes(self, nodes: int | str | Sequence[int] | Sequence[str] | np.ndarray) -> Ints:
        """Nodes as int64 indices, of any shape; the labels of classes are nodes too.

        Args:
            nodes: a name, an index, or an array or list of either; tensors on the CPU are read as arrays.

        Raises:
            ValueError: an index is not an integer from 0 to N - 1, or a name is not there.
        """
        found = np.asarray(nodes)
        if found.dtype.kind == "U":
            found = np.array([self.node_index(name) for name in found.ravel().tolist()]).reshape(found.shape)
        if found.size == 0:
            return np.zeros(found.shape, dtype=np.int64)
        if found.dtype.kind not in "iu":
            raise ValueError(f"nodes must be names or integers, got {found.dtype} values")
        wrong = (found < 0) | (found >= len(self))
        if wrong.any():
            raise ValueError(f"node {int(found[wrong][0])} is not one of 0 to {len(self) - 1}")
        return found.astype(np.int64)

    def _require_forest(self, what: str) -> None:
        several = np.flatnonzero(self.parents.counts > 1)
        if len(several):
            name, count = self.names[several[0]], len(self.parents.row(int(several[0])))
            raise ValueError(f"{what} needs a tree or a forest, but {name!r} has {count} parents")


def _fixed(array: Ints) -> Ints:
    array.flags.writeable = False
    return array
