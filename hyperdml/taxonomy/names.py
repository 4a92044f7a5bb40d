"""Names of nodes: which are allowed, and how errors speak of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

# what neither a line of text, a terminal nor XML can hold
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def clean_name(name: object) -> str:
    """A name without the white space around it.

    Raises:
        ValueError: it is not a string, empty, or holds a control character; the message starts with "name".
    """
    if not isinstance(name, str):
        kind = type(name).__name__
        raise ValueError(f"name {name!r} is of type {kind}; names of nodes must be strings, as {str(name)!r}")
    out = str(name).strip()
    if not out:
        raise ValueError(f"name {name!r} is empty")
    if _UNWRITABLE.search(out):
        raise ValueError(f"name {name!r} holds a control character")
    return out


def is_nothing(value: object) -> bool:
    """Whether a value stands for no name: None, NaN, or what pandas has for it."""
    # NaN is not itself; pandas' own are known by the names of their types, so that pandas need not be there
    return (
        value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType")
    )


def listing(names: Iterable[object], limit: int = 5) -> str:
    """The names in quotes, the first few and how many more there are."""
    found = list(names)
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return ", ".join(repr(name) for name in found[:limit]) + more


def suggestion(name: str, names: Sequence[str]) -> str:
    """What may have been meant by a name that is not there, as the end of a message; empty if nothing is close."""
    lower = name.casefold()
    close = [other for other in names if other.casefold() == lower][:3]
    # the quadratic search is for names of like length only: taxonomies hold up to a hundred thousand
    near = [other for other in names if abs(len(other) - len(name)) <= 3] if not close else []
    close = close or difflib.get_close_matches(name, near, n=3, cutoff=0.7)
    return f", did you mean {' or '.join(repr(other) for other in close)}?" if close else ""
