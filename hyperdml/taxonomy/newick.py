"""Newick, the bracket notation of trees: ``((cat,dog)mammal,trout)animal;``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.places import Places

_TOKEN = re.compile(
    r"\s+|\[[^\]]*\]"  # nothing: spaces and comments
    r"|(?P<sign>[(),:;])"
    r"|'(?P<quoted>(?:[^']|'')*)'"
    r"|(?P<plain>[^\s(),:;'\[\]]+(?: +[^\s(),:;'\[\]]+)*)"
)
_PLAIN = re.compile(r"[A-Za-z0-9.+-]+")


@dataclass
class Newick:
    """Nodes of one Newick tree in order of first appearance, the root first; see `parse_newick`.

    Attributes:
        names: name of every node, None where an inner node has none.
        above: node above it, -1 for the root.
        levels: edges between it and the root.
        lengths: what stands after its colon, with the character; None without a colon.
    """

    names: list[str | None] = field(default_factory=lambda: [None])
    above: list[int] = field(default_factory=lambda: [-1])
    levels: list[int] = field(default_factory=lambda: [0])
    lengths: list[tuple[int, str] | None] = field(default_factory=lambda: [None])

    def places(self) -> Places:
        """The tree with names for the inner nodes that have none: node1, node2, ... from the root on.

        Raises:
            ValueError: no node can have one of the names.
        """
        taken, number = set(self.names), 0
        places = Places()
        for name, up, depth in zip(self.names, self.above, self.levels, strict=True):
            while name is None:
                number += 1
                name = f"node{number}" if f"node{number}" not in taken else None
            places.add(name, up, f"level {depth}")
        return places


def read_newick(text: str) -> Places:
    """The tree of a Newick text, without lengths; see `Taxonomy.from_newick`.

    Raises:
        ValueError: the text is not one tree; the message tells the character.
    """
    return parse_newick(text).places()


def parse_newick(text: str) -> Newick:
    """All that a Newick text says.

    Raises:
        ValueError: the text is not one tree; the message tells the character.
    """
    if not isinstance(text, str):
        raise ValueError(f"Newick must be text, got a {type(text).__name__}")
    tree = Newick()
    names = tree.names
    node, closed, ended, length = 0, False, False, False
    opened: list[int] = []
    for at, sign, label in _tokens(text):
        if ended:
            raise ValueError(f"Newick text goes on after ';' at character {at}; one tree is expected")
        if sign is None:
            if not length and names[node] is not None:
                raise ValueError(f"Newick: two names {names[node]!r} and {label!r} at character {at}")
            if length:
                tree.lengths[node] = at, label
            else:
                names[node] = label
            length = False
            continue
        if length:
            raise ValueError(f"Newick: ':' without a length before character {at}")
        if sign == "(" and (closed or names[node] is not None):
            raise ValueError(f"Newick: ',' is missing before '(' at character {at}")
        if sign in "),;" and not closed and names[node] is None:
            raise ValueError(f"Newick: a leaf without a name before character {at}")
        if sign in "),":
            if not opened:
                raise ValueError(f"Newick: {sign!r} outside of brackets at character {at}")
            if sign == ")":
                node, closed = opened.pop(), True
        if sign in "(,":
            if sign == "(":
                opened.append(node)
            names.append(None)
            tree.above.append(opened[-1])
            tree.levels.append(len(opened))
            tree.lengths.append(None)
            node, closed = len(names) - 1, False
        length, ended = sign == ":", sign == ";"
    if opened:
        raise ValueError(f"Newick: {len(opened)} brackets are not closed")
    if not ended:
        raise ValueError("Newick text must end with ';'")
    return tree


def _tokens(text: str) -> list[tuple[int, str | None, str]]:
    """Signs and labels with the character at which they stand."""
    at, found = 0, []
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"Newick: unexpected {text[at]!r} at character {at}")
        if match["sign"]:
            found.append((at, match["sign"], ""))
        elif match["quoted"] is not None:
            found.append((at, None, match["quoted"].replace("''", "'")))
        elif match["plain"]:
            found.append((at, None, match["plain"]))
        at = match.end()
    return found


def write_newick(
    names: Sequence[str | None], children: Sequence[Ints], root: int, lengths: Sequence[float] | None = None
) -> str:
    """A tree as Newick text.

    Args:
        names: N names, None for none.
        children: children of every node, in the order in which they are to be written.
        root: the root.
        lengths: N lengths of the edges above the nodes, that of the root is not written; None for no lengths.

    Returns:
        One line that ends with ";".
    """
    out: list[str] = []
    # (node, False) is still to be opened, (node, True) has its children written
    stack = [(root, False)]
    while stack:
        node, done = stack.pop()
        if len(children[node]) and not done:
            out.append("(")
            stack.append((node, True))
            stack += [(child, False) for child in reversed(children[node].tolist())]
            continue
        name = names[node]
        length = "" if lengths is None or node == root else f":{lengths[node]!r}"
        out.append(("" if name is None else _quoted(name)) + length)
        out.append(")" if stack and stack[-1][1] else ",")
    out[-1] = ";"
    return "".join(out)


def _quoted(name: str) -> str:
    # some readers take underscores for blanks, others stumble over double quotes
    return name if _PLAIN.fullmatch(name) else "'" + name.replace("'", "''") + "'"
