"""Newick with lengths and names of inner nodes; the notation itself is `hyperdml.taxonomy.newick`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperdml.taxonomy.newick import parse_newick, write_newick
from hyperdml.tree.assemble import assemble
from hyperdml.tree.shape import Floats, Shape


def shape_of_newick(text: str, leaves: Sequence[str] | None = None) -> Shape:
    """Read one tree; see `Dendrogram.from_newick`.

    Raises:
        ValueError: the text is not one tree, an edge has a length and another has none, or a length is not one.
    """
    found = parse_newick(text)
    above = np.array(found.above, dtype=np.int64)
    return assemble(found.places().names, above, lengths=_lengths(found.lengths), inner=found.names, leaves=leaves)


def _lengths(found: Sequence[tuple[int, str] | None]) -> Floats | None:
    """(M,) length of the edge above every node, 0 at the root, which is first; None without any."""
    below = [None if length is None else _number(*length) for length in found[1:]]
    if all(length is None for length in below):
        return None
    if any(length is None for length in below):
        raise ValueError(f"Newick: {sum(length is None for length in below)} of {len(below)} edges have no length")
    return np.array([0.0, *(length for length in below if length is not None)])


def _number(at: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"Newick: the length {text!r} at character {at} is not a number") from None


def newick_of(tree: Shape) -> str:
    """One line that ends with ";": leaves by name or number, every edge with its length; see `Dendrogram.to_newick`."""
    above = np.append(tree.heights[tree.parents[:-1]] - tree.heights[:-1], 0.0).tolist()
    leaves = [str(leaf) for leaf in range(tree.num_leaves)] if tree.names is None else tree.names
    inner = tree.inner_names or (None,) * (tree.num_nodes - tree.num_leaves)
    children = [tree.children.row(node) for node in range(tree.num_nodes)]
    return write_newick([*leaves, *inner], children, tree.root, above)
