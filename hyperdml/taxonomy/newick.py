"""Newick, the bracket notation of trees: ``((cat,dog)mammal,trout)animal;``."""

from __future__ import annotations

import re

from hyperdml.taxonomy.csr import Ints
from hyperdml.taxonomy.places import Places

_TOKEN = re.compile(
    r"\s+|\[[^\]]*\]"  # nothing: spaces and comments
    r"|(?P<sign>[(),:;])"
    r"|'(?P<quoted>(?:[^']|'')*)'"
    r"|(?P<plain>[^\s(),:;'\[\]]+(?: +[^\s(),:;'\[\]]+)*)"
)
_NEEDS_QUOTES = re.compile(r"[\s(),:;'\[\]]")


def read_newick(text: str) -> Places:
    """The tree of a Newick text; see `Taxonomy.from_newick`.

    Raises:
        ValueError: the text is not one tree; the message tells the character.
    """
    if not isinstance(text, str):
        raise ValueError(f"Newick must be text, got a {type(text).__name__}")
    names: list[str | None] = [None]
    above, level = [-1], [0]
    node, closed, ended, length = 0, False, False, False
    opened: list[int] = []
    for at, sign, label in _tokens(text):
        if ended:
            raise ValueError(f"Newick text goes on after ';' at character {at}; one tree is expected")
        if sign is None:
            if not length and names[node] is not None:
                raise ValueError(f"Newick: two names {names[node]!r} and {label!r} at character {at}")
            if not length:
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
            above.append(opened[-1])
            level.append(len(opened))
            node, closed = len(names) - 1, False
        length, ended = sign == ":", sign == ";"
    if opened:
        raise ValueError(f"Newick: {len(opened)} brackets are not closed")
    if not ended:
        raise ValueError("Newick text must end with ';'")
    return _places(names, above, level)


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


def _places(names: list[str | None], above: list[int], level: list[int]) -> Places:
    """The tree with names for the inner nodes that have none: node1, node2, ... from the root on."""
    taken, number = set(names), 0
    places = Places()
    for name, up, depth in zip(names, above, level, strict=True):
        while name is None:
            number += 1
            name = f"node{number}" if f"node{number}" not in taken else None
        places.add(name, up, f"level {depth}")
    return places


def write_newick(names: tuple[str, ...], children: list[Ints], root: int) -> str:
    """A tree as Newick text, without lengths.

    Args:
        names: N names.
        children: children of every node, in the order in which they are to be written.
        root: the root.

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
        out.append("'" + name.replace("'", "''") + "'" if _NEEDS_QUOTES.search(name) else name)
        out.append(",")
        if stack and stack[-1][1]:
            out[-1] = ")"
    out[-1] = ";"
    return "".join(out)
