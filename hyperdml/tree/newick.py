"""Newick with lengths: the structure is read by `hyperdml.taxonomy`, lengths are added here."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from hyperdml.taxonomy.newick import _tokens, read_newick
from hyperdml.tree.assemble import assemble
from hyperdml.tree.shape import Floats, Shape

_PLAIN = re.compile(r"[A-Za-z0-9.+-]+")


def shape_of_newick(text: str, leaves: Sequence[str] | None = None) -> Shape:
    """Read one tree; see `Dendrogram.from_newick`.

    Raises:
        ValueError: the text is not one tree, an edge has a length and another has none, or a length is not one.
    """
    places = read_newick(text)
    above = np.array(places.above, dtype=np.int64)
    return assemble(places.names, above, lengths=_lengths(text, len(above)), leaves=leaves)


def _lengths(text: str, count: int) -> Floats | None:
    """(count,) length of the edge above every node in order of appearance, 0 at the root; None without any."""
    found: list[float | None] = [None] * count
    node, last, due = 0, 0, False
    opened: list[int] = []
    for at, sign, label in _tokens(text):  # `read_newick` has seen to it that brackets and colons fit
        if due:
            found[node] = _number(label, at)
        due = sign == ":"
        if sign == "(":
            opened.append(node)
        elif sign == ")":
            node = opened.pop()
        if sign is not None and sign in "(,":
            last += 1
            node = last
    below = found[1:]
    if not any(length is not None for length in below):
        return None
    if any(length is None for length in below):
        raise ValueError(f"Newick: {sum(length is None for length in below)} of {count - 1} edges have no length")
    return np.array([0.0, *(length for length in below if length is not None)])


def _number(text: str, at: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"Newick: the length {text!r} at character {at} is not a number") from None


def newick_of(tree: Shape) -> str:
    """One line that ends with ";": leaves by name or number, every edge with its length; see `Dendrogram.to_newick`."""
    rows, parents = tree.children, tree.parents
    above = np.append(tree.heights[parents[:-1]] - tree.heights[:-1], 0.0).tolist()
    out: list[str] = []
    # (node, False) is still to be opened, (node, True) has its children written
    stack = [(tree.root, False)]
    while stack:
        node, done = stack.pop()
        below = [] if done else rows.row(node).tolist()
        if below:
            out.append("(")
            stack.append((node, True))
            stack += [(child, False) for child in reversed(below)]
            continue
        name = "" if done else str(node) if tree.names is None else _quoted(tree.names[node])
        out.append(f"{name}:{above[node]!r}" if node != tree.root else name)
        out.append(")" if stack and stack[-1][1] else ",")
    out[-1] = ";"
    return "".join(out)


def _quoted(name: str) -> str:
    # some readers take underscores for blanks, others stumble over double quotes
    return name if _PLAIN.fullmatch(name) else "'" + name.replace("'", "''") + "'"
