"""How the masses of all nodes are added up: a spanning forest, and what it leaves out where nodes share descendants."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hyperdml.taxonomy import CSR, Taxonomy
from hyperdml.taxonomy.csr import Ints


class Level(NamedTuple):
    """Parents of one height, `start` to `end`, and their edges, `first` to `last`, in the list of edges."""

    start: int
    end: int
    first: int
    last: int


class Edges(NamedTuple):
    """Edges sorted by parent, level by level; the last level is the virtual root N above all roots.

    Attributes:
        child: (E,) lower end of every edge.
        place: (E,) parent of every edge, counted from the first of its level.
        levels: heights 1, 2, ... and the virtual root.
    """

    child: Ints
    place: Ints
    levels: tuple[Level, ...]


class Plan(NamedTuple):
    """Rows of the table that `hyperdml.hace.sweeps` fills: N nodes, the virtual root, one for every cover.

    Attributes:
        edges: of the spanning forest.
        covers: V rows, the nodes whose spanning subtrees make up the descendants of a node, where these are several.
        row: (N,) row with the mass at or below a node: its own, or N + 1 + i for the i-th cover.
    """

    edges: Edges
    covers: CSR
    row: Ints


def make_plan(taxonomy: Taxonomy) -> Plan:
    """Plan of a tree, a forest or a DAG.

    In a forest the mass below a node is the sum over its children. Where a node has several parents it would be
    counted several times further up. There the first parent is taken for a spanning forest, and the descendants of
    every node are a disjoint union of spanning subtrees: those of the descendants whose parent is no descendant. Most
    nodes have one such subtree, their own; the others keep the list (a tree cover as in Agrawal, Borgida and Jagadish,
    SIGMOD 1989). All sums are sums of positive terms that are counted once, so nothing cancels.
    """
    count = len(taxonomy)
    parent = np.full(count, count, dtype=np.int64)
    has = taxonomy.parents.counts > 0
    # the parent of least height: parents above it then reach the node through it, without an entry of their own
    parent[has] = taxonomy.parents.values[taxonomy.parents.offsets[:-1][has]]
    row = np.arange(count)
    covers = CSR(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    if not taxonomy.is_forest:
        found = _covers(taxonomy, parent)
        several = np.flatnonzero(found.counts > 1)
        covers = found.rows(several)
        row[several] = count + 1 + np.arange(len(several))
    return Plan(levelled_edges(taxonomy, np.arange(count), parent), covers, row)


def graph_edges(taxonomy: Taxonomy) -> Edges:
    """All edges of a taxonomy and those from the virtual root to its roots."""
    child = np.concatenate([taxonomy.parents.row_of_values, taxonomy.roots])
    return levelled_edges(taxonomy, child, np.r_[taxonomy.parents.values, np.full(len(taxonomy.roots), len(taxonomy))])


def levelled_edges(taxonomy: Taxonomy, child: Ints, parent: Ints) -> Edges:
    """Sort edges by parent and cut them by its height.

    Args:
        taxonomy: gives the heights.
        child: (E,) lower ends.
        parent: (E,) upper ends, N for the virtual root.
    """
    order = np.argsort(parent, kind="stable")
    child, parent = child[order], parent[order]
    first_of_height = np.flatnonzero(np.diff(taxonomy.heights)) + 1
    bounds = [*first_of_height.tolist(), len(taxonomy), len(taxonomy) + 1]
    cuts = np.searchsorted(parent, bounds).tolist()
    levels = tuple(map(Level, bounds[:-1], bounds[1:], cuts[:-1], cuts[1:]))
    starts = np.repeat(bounds[:-1], np.diff(cuts))
    return Edges(child, parent - starts, levels)


def _covers(taxonomy: Taxonomy, parent: Ints) -> CSR:
    """For every node the descendants, itself included, whose spanning parent is not among them."""
    closure, count = taxonomy.descendant_closure, len(taxonomy)
    ancestor = closure.row_of_values
    # pairs (ancestor, descendant) as numbers, ascending; no pair has the virtual root N as its descendant
    pairs = ancestor * (count + 1) + closure.values
    wanted = ancestor * (count + 1) + parent[closure.values]
    at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    top = pairs[at] != wanted
    return CSR.from_pairs(ancestor[top], closure.values[top], count)
