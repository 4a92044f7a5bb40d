"""OBO, the format of biological ontologies: terms with ids, names and is_a lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.terms import Terms
from hyperdml.taxonomy.formats.text import read_lines
from hyperdml.taxonomy.names import listing

_COMMENT = re.compile(r"(?<!\\) !.*")
_ESCAPED = re.compile(r"\\(.)")

Tags = list[tuple[int, str, str]]


def read_obo(path: Path, wanted: Wanted) -> Draft:
    """Terms and their is_a lines; other relations, typedefs and instances are not read.

    Obsolete terms are left out. An is_a line may name a term by an alternative id; one to a term that is not in the
    file, as extracts have them, makes a node that is called by the id.

    Source: OBO Flat File Format 1.4.
    """
    terms = Terms()
    links: list[tuple[str, str, int]] = []
    other_ids: dict[str, str] = {}
    gone: set[str] = set()
    for line, tags in _stanzas(path):
        values = {tag: value for _, tag, value in tags}
        term = values.get("id", "")
        if not term:
            terms.fault(line, "a term without an id")
        elif values.get("is_obsolete", "").lower() == "true":
            gone.add(term)
        else:
            terms.add(term, values.get("name") or term, line)
            other_ids.update((value, term) for _, tag, value in tags if tag == "alt_id")
            links += [(value, term, number) for number, tag, value in tags if tag == "is_a"]
    left, outside = [], []
    for above, below, line in links:
        parent = above if above in terms else other_ids.get(above, above)
        if parent in gone:
            left.append(f"{below} is_a {parent} (line {line})")
            continue
        if parent not in terms:
            outside.append(parent)
            terms.add(parent, parent, line)
        terms.link(parent, below, line)
    return terms.draft(wanted, list(_notes(gone, left, outside)))


def _notes(gone: Iterable[str], left: list[str], outside: list[str]) -> Iterator[Finding]:
    if gone:
        yield Finding("info", "left out", f"{len(list(gone))} obsolete terms are left out: {listing(sorted(gone))}")
    if left:
        yield Finding("warning", "left out", f"is_a lines to obsolete terms are left out: {listing(left)}")
    if outside:
        message = f"{len(outside)} terms that is_a lines name are not in the file: {listing(outside)}"
        yield Finding("warning", "names", message)


def _stanzas(path: Path) -> Iterator[tuple[int, Tags]]:
    """Tags of every term with their lines, and the line of its header."""
    start: int | None = None
    tags: Tags = []
    for number, line in read_lines(path):
        text = line.strip()
        if text.startswith("["):
            if start is not None:
                yield start, tags
            start, tags = (number, []) if text.startswith("[Term]") else (None, [])
        elif start is not None and ":" in text and not text.startswith("!"):
            tag, _, value = text.partition(":")
            value = _COMMENT.sub("", value)
            if tag in ("is_a", "id", "alt_id"):
                value = value.partition("{")[0]  # qualifiers
            tags.append((number, tag, _ESCAPED.sub(r"\1", value).strip()))
    if start is not None:
        yield start, tags
