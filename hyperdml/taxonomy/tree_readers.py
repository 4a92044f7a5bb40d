"""The constructors of a taxonomy from data in which names have places: tables, nested data, Newick."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike

from hyperdml.taxonomy.building import build
from hyperdml.taxonomy.graph import Graph
from hyperdml.taxonomy.levels import LevelNames, read_levels
from hyperdml.taxonomy.lineages import Table, read_lineages
from hyperdml.taxonomy.nested import read_nested
from hyperdml.taxonomy.newick import read_newick
from hyperdml.taxonomy.structure import Structure


class TreeReaders(Structure):
    """Constructors; see `hyperdml.taxonomy.Taxonomy`.

    All that take `leaves`, `virtual_root` and `unary` treat them as `from_edges` does.
    """

    @classmethod
    def from_lineages(
        cls,
        rows: Table,
        ranks: Sequence[str] | None = None,
        leaves: Sequence[str] | None = None,
        *,
        missing: Collection[str] = (),
        homonyms: str = "error",
        virtual_root: bool | str = False,
        unary: str = "keep",
    ) -> Self:
        """Build from lineages: a row for each class or sample, a column for each rank, coarse to fine.

        Rows may end early, and cells may be missing: the next name in the row then lies directly under the one before.
        A row that ends at an inner node adds no leaf. The order of the leaves is that of the rows.

        Args:
            rows: sequences of names, or columns by rank.
            ranks: names of the ranks; for columns also which, and in which order. None for the columns as they are.
            leaves: see `from_edges`; the names as they are after `homonyms`.
            missing: texts that stand for no name, besides the empty one, None and NaN; as ("NA",).
            homonyms: what to do with a name at several places: "error", or call the nodes by "path"
                ("Plantae > Morus") or "level" ("genus: Morus"). If one of them is a leaf, it keeps the name.
            virtual_root: see `from_edges`.
            unary: see `from_edges`.

        Raises:
            ValueError: see `from_edges`; a cell is not a name, a row is too long or empty, a rank is not a column, the
                columns run from fine to coarse, or names stand at several places.

        Example:
            >>> from hyperdml.taxonomy import Taxonomy
            >>> rows = [("bird", "finch"), ("bird", "wren"), ("fish", None)]
            >>> Taxonomy.from_lineages(rows).names
            ('finch', 'wren', 'fish', 'bird')
        """
        graph = read_lineages(rows, ranks, missing, leaves is not None).graph(homonyms)
        return cls._built(graph, leaves, virtual_root, unary)

    @classmethod
    def from_pandas(cls, frame: Any, columns: Sequence[str] | None = None, **options: Any) -> Self:
        """Build from a data frame that is a lineage table.

        A frame of edges is `from_edges(frame[["parent", "child"]].to_numpy())`.

        Args:
            frame: anything with `columns` that gives a column by its name.
            columns: which, coarse to fine; None for all, in their order.
            **options: see `from_lineages`.

        Raises:
            ValueError: see `from_lineages`.
        """
        return cls.from_lineages({str(name): list(frame[name]) for name in frame.columns}, columns, **options)

    @classmethod
    def from_levels(
        cls,
        levels: ArrayLike,
        names: Sequence[LevelNames] | None = None,
        ranks: Sequence[str] | None = None,
        *,
        homonyms: str = "error",
        virtual_root: bool | str = False,
        unary: str = "keep",
    ) -> Self:
        """Build from integer ids by level, as data sets and `levels_array` hold them.

        Args:
            levels: (R, L) ids of classes or samples, coarse to fine; rows may repeat. The leaves are in the order of
                their ids.
            names: for each level the names by id, or None; an id without names is called "level 0: 3".
            ranks: names of the levels instead of "level 0", "level 1", ...
            homonyms: see `from_lineages`.
            virtual_root: see `from_edges`.
            unary: see `from_edges`.

        Raises:
            ValueError: see `from_edges`; the ids are not an integer matrix or not nested, an id has no name, or names
                stand at several places.
        """
        return cls._built(read_levels(levels, names, ranks).graph(homonyms), None, virtual_root, unary)

    @classmethod
    def from_nested(
        cls,
        data: object,
        leaves: Sequence[str] | None = None,
        *,
        homonyms: str = "error",
        virtual_root: bool | str = False,
        unary: str = "keep",
    ) -> Self:
        """Build from nested dictionaries and lists, as JSON holds them.

        A node is a string, ``{"name": ..., "children": ...}`` (further keys are not read), or an entry
        ``name: children`` of any other dictionary. Children are a node, a list of nodes, a dictionary, or None.

        Raises:
            ValueError: see `from_edges`; something else stands for a node, a list has no name, or names stand twice.

        Example:
            >>> from hyperdml.taxonomy import Taxonomy
            >>> Taxonomy.from_nested({"animal": {"bird": ["wren", "finch"], "trout": None}}).names
            ('wren', 'finch', 'trout', 'bird', 'animal')
        """
        return cls._built(read_nested(data).graph(homonyms), leaves, virtual_root, unary)

    @classmethod
    def from_newick(
        cls,
        text: str,
        leaves: Sequence[str] | None = None,
        *,
        homonyms: str = "error",
        unary: str = "keep",
    ) -> Self:
        """Build from one Newick tree, as ``((cat,dog)mammal,trout)animal;``.

        Lengths and comments are not read, underscores stay, inner nodes without a name become node1, node2, ...

        Raises:
            ValueError: see `from_edges`; the text is not one tree, with the character; or names stand twice.
        """
        return cls._built(read_newick(text).graph(homonyms), leaves, False, unary)

    @classmethod
    def _built(cls, graph: Graph, leaves: Sequence[str] | None, virtual_root: bool | str, unary: str) -> Self:
        return cls._of(build(graph, leaves, virtual_root, unary))

    @classmethod
    def _of(cls, found: Structure) -> Self:
        return cls(found.names, found.num_leaves, found.parents, found.collapsed)
