"""Sizes and shape of a taxonomy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperdml.taxonomy.structure import Structure


@dataclass(frozen=True)
class Statistics:
    """What `statistics_of` counts.

    Attributes:
        kind: "tree", "forest" or "DAG".
        nodes: N.
        leaves: C.
        roots: nodes without parents.
        edges: pairs of parent and child.
        depth: edges of the longest path from a root to a leaf.
        nodes_by_level: number of nodes at each depth, by longest path from a root.
        leaves_by_level: of these, leaves.
        branching_mean: children of an inner node on average; 0 if there is none.
        branching_max: children of the node with most.
        widest: name of that node; empty if there are no edges.
        unary: nodes with a single child.
        joins: nodes with several parents.
        collapsed: nodes with a single child that were taken out.
    """

    kind: str
    nodes: int
    leaves: int
    roots: int
    edges: int
    depth: int
    nodes_by_level: tuple[int, ...]
    leaves_by_level: tuple[int, ...]
    branching_mean: float
    branching_max: int
    widest: str
    unary: int
    joins: int
    collapsed: int

    def __str__(self) -> str:
        levels = "  ".join(
            f"{level}: {nodes}" + (f" ({leaves} leaves)" if leaves else "")
            for level, (nodes, leaves) in enumerate(zip(self.nodes_by_level, self.leaves_by_level, strict=True))
        )
        most = f", most {self.branching_max} below {self.widest!r}" if self.widest else ""
        collapsed = f", {self.collapsed} were collapsed" if self.collapsed else ""
        lines = {
            self.kind: f"{self.nodes} nodes, {self.leaves} leaves, {self.roots} roots, depth {self.depth}",
            "levels": levels,
            "branching": f"{self.branching_mean:.2f} children of an inner node on average{most}",
            "chains": f"{self.unary} nodes with a single child{collapsed}",
            "joins": f"{self.joins} nodes with several parents",
        }
        return "\n".join(f"{name:<9}  {text}" for name, text in lines.items())


def statistics_of(taxonomy: Structure) -> Statistics:
    """Sizes and shape of a taxonomy.

    Example:
        >>> from hyperdml.taxonomy import Taxonomy
        >>> found = statistics_of(Taxonomy.from_nested({"animal": {"bird": ["wren", "finch"], "trout": None}}))
        >>> found.nodes_by_level, found.leaves_by_level, found.branching_mean
        ((1, 2, 2), (0, 1, 2), 2.0)
    """
    children, parents = taxonomy.children.counts, taxonomy.parents.counts
    inner = len(taxonomy) - taxonomy.num_leaves
    levels = taxonomy.depth + 1
    widest = int(children.argmax())
    return Statistics(
        kind="tree" if taxonomy.is_tree else "forest" if taxonomy.is_forest else "DAG",
        nodes=len(taxonomy),
        leaves=taxonomy.num_leaves,
        roots=len(taxonomy.roots),
        edges=int(children.sum()),
        depth=taxonomy.depth,
        nodes_by_level=tuple(np.bincount(taxonomy.depths, minlength=levels).tolist()),
        leaves_by_level=tuple(np.bincount(taxonomy.depths[: taxonomy.num_leaves], minlength=levels).tolist()),
        branching_mean=int(children.sum()) / inner if inner else 0.0,
        branching_max=int(children[widest]),
        widest=taxonomy.names[widest] if children[widest] else "",
        unary=int((children == 1).sum()),
        joins=int((parents > 1).sum()),
        collapsed=len(taxonomy.collapsed),
    )
