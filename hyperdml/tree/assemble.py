"""From nodes in any order to a dendrogram: leaves first, then inner nodes by height."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hyperdml.metrics.trees.parent_array import children_first
from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.names import listing
from hyperdml.tree.shape import Floats, Shape


def assemble(
    labels: Sequence[str],
    above: Ints,
    *,
    heights: Floats | None = None,
    lengths: Floats | None = None,
    names: Sequence[str | None] | None = None,
    inner: Sequence[str | None] | None = None,
    leaves: Sequence[str] | None = None,
) -> Shape:
    """A dendrogram of labelled nodes that come in any order, as files have them.

    Args:
        labels: a label for every node.
        above: (M,) parent of every node, -1 for the root.
        heights: (M,) heights, of which those of leaves are not read.
        lengths: (M,) length of the edge above every node; a height then is the longest way down to a leaf. Without
            heights and lengths every edge has length 1.
        names: (M,) names, of which those of inner nodes are not read; None where leaves are called by their labels.
        inner: (M,) names, of which those of leaves are not read.
        leaves: names of all leaves, in the order of the embeddings. None: leaves that are labelled 0 to N - 1 are
            numbered so, and have only names that are given besides; others keep their order.

    Raises:
        ValueError: there is not one root, a cycle, a height below that of a child, a length that is negative or not
            finite, a leaf without a name beside others that have one, or the leaves are not those that are given.
    """
    if len(labels) == 0:
        raise ValueError("a tree needs a node")
    roots = np.flatnonzero(above < 0)
    if len(roots) > 1:
        raise ValueError(f"a tree has one root, but {len(roots)} nodes have no parent: {_listed(labels, roots)}")
    try:
        rounds = [part.numpy() for part in children_first(torch.from_numpy(above))]
    except ValueError as error:
        raise ValueError(f"{error} ({labels[int(str(error).split('node ')[1].split()[0])]!r})") from None
    childless = np.bincount(above[above >= 0], minlength=len(above)) == 0
    ends, branches = np.flatnonzero(childless), np.flatnonzero(~childless)
    if heights is None:
        heights = _longest_ways(above, rounds, np.ones(len(above)) if lengths is None else lengths, labels)
    heights = heights.copy()
    heights[ends] = 0.0
    _check_heights(labels, above, heights, branches)
    called = None if names is None else [names[node] for node in ends.tolist()]
    called = called if called is not None and any(name is not None for name in called) else None
    order, kept = _leaf_order([labels[node] for node in ends.tolist()], called, leaves)
    parents, heights, nodes = ordered(above, heights, ends[order], rounds)
    own = None if inner is None else tuple(inner[node] for node in nodes[len(ends) :].tolist())
    own = own if own is not None and any(name is not None for name in own) else None
    return Shape(parents, heights, len(ends), kept, inner_names=own)


def ordered(above: Ints, heights: Floats, ends: Ints, rounds: list[Ints]) -> tuple[Ints, Floats, Ints]:
    """Parents and heights in the order of a dendrogram, and the nodes in that order.

    Inner nodes are sorted by height, those of one height children first, then by their first leaf.

    Args:
        above: (M,) parent of every node, -1 for the root.
        heights: (M,) heights that do not fall towards the root, 0 at leaves.
        ends: (N,) the leaves in their order.
        rounds: of `children_first`.
    """
    level = np.zeros(len(above), dtype=np.int64)  # edges of the longest way down
    first = np.full(len(above), len(ends), dtype=np.int64)
    first[ends] = np.arange(len(ends))
    for nodes in rounds:
        up = nodes[above[nodes] >= 0]
        np.minimum.at(first, above[up], first[up])
        np.maximum.at(level, above[up], level[up] + 1)
    inner = np.ones(len(above), dtype=bool)
    inner[ends] = False
    nodes = np.lexsort((first, level, heights, inner))
    place = np.empty(len(above) + 1, dtype=np.int64)
    place[nodes], place[-1] = np.arange(len(above)), -1
    return place[above[nodes]], heights[nodes], nodes


def raised(above: Ints, heights: Floats, rounds: list[Ints]) -> Floats:
    """(M,) heights, each raised to the largest of its children's."""
    out = heights.copy()
    for nodes in rounds:
        up = nodes[above[nodes] >= 0]
        np.maximum.at(out, above[up], out[up])
    return out


def _longest_ways(above: Ints, rounds: list[Ints], lengths: Floats, labels: Sequence[str]) -> Floats:
    wrong = np.flatnonzero(~((lengths >= 0) & (lengths < np.inf)) & (above >= 0))
    if len(wrong):
        node = int(wrong[0])
        raise ValueError(f"the edge above {labels[node]!r} has length {lengths[node]}, expected 0 or more")
    out = np.zeros(len(above))
    for nodes in rounds:
        up = nodes[above[nodes] >= 0]
        np.maximum.at(out, above[up], out[up] + lengths[up])
    return out


def _leaf_order(
    labels: list[str], names: list[str | None] | None, leaves: Sequence[str] | None
) -> tuple[Ints, tuple[str, ...] | None]:
    """The order of the leaves, and their names in that order."""
    given = [name for name in names or [] if name is not None]
    if names is not None and len(given) < len(names):
        nameless = labels[names.index(None)]
        raise ValueError(f"leaf {nameless!r} has no name, but {len(given)} of {len(names)} leaves have")
    called = given or labels
    if leaves is not None:
        return _matched(called, leaves), tuple(leaves)
    index = {label: place for place, label in enumerate(labels)}
    numbers = [str(number) for number in range(len(labels))]
    if set(index) == set(numbers):
        order = np.array([index[number] for number in numbers], dtype=np.int64)
        return order, tuple(given[place] for place in order.tolist()) if given else None
    return np.arange(len(labels)), tuple(called)


def _matched(names: list[str], leaves: Sequence[str]) -> Ints:
    """Where in the names each of the leaves stands."""
    if isinstance(leaves, str):
        raise ValueError(f"leaves must be a list of names, got the string {leaves!r}")
    index = {name: place for place, name in enumerate(names)}
    if not len(index) == len(names) == len(leaves) or set(leaves) != set(index):
        missing, extra = sorted(set(leaves) - set(index)), sorted(set(index) - set(leaves))
        raise ValueError(
            f"leaves must name each of {len(names)} leaves once, got {len(leaves)} names"
            + (f"; not in the tree: {listing(missing)}" if missing else "")
            + (f"; not named: {listing(extra)}" if extra else "")
            + ("; leaves of the tree share names" if len(index) < len(names) else "")
        )
    return np.array([index[name] for name in leaves], dtype=np.int64)


def _check_heights(labels: Sequence[str], above: Ints, heights: Floats, inner: Ints) -> None:
    wrong = inner[~np.isfinite(heights[inner]) | (heights[inner] < 0)]
    if len(wrong):
        raise ValueError(f"the height of {labels[int(wrong[0])]!r} is {heights[wrong[0]]}, expected 0 or more")
    below = np.flatnonzero(above >= 0)
    falls = below[heights[below] > heights[above[below]]]
    if len(falls):
        node, up = int(falls[0]), int(above[falls[0]])
        raise ValueError(
            f"heights must not fall towards the root, but {labels[node]!r} has {heights[node]} and its parent "
            f"{labels[up]!r} {heights[up]}"
        )


def _listed(labels: Sequence[str], nodes: Ints) -> str:
    return listing(labels[node] for node in nodes.tolist())
