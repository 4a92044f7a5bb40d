"""WordNet's database files (`data.noun`, `data.verb`): synsets with hypernym pointers."""

from __future__ import annotations

from pathlib import Path

from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.terms import Terms
from hyperdml.taxonomy.formats.text import read_lines

FILE = "data.noun"


def read_wordnet(path: Path, wanted: Wanted) -> Draft:
    """Synsets under their first word, with the pointers @ (hypernym) and @i (instance of).

    Ids are those of ImageNet: the letter of the part of speech and the eight digits of the offset, as n02084071; they
    hold for one version of WordNet.

    Args:
        path: the file, or a folder with `data.noun` or `dict/data.noun`.
        wanted: see `Wanted`.

    Source: wndb(5WN), the manual page of the format.
    """
    if path.is_dir():
        path = next((file for file in (path / FILE, path / "dict" / FILE) if file.is_file()), path / FILE)
    terms = Terms()
    for number, line in read_lines(path):
        if line.startswith("  ") or not line.strip():  # the licence
            continue
        try:
            synset, word, above = _synset(line)
        except (ValueError, IndexError):
            terms.fault(number, f"not a synset of WordNet: {line[:60]!r}")
            continue
        terms.add(synset, word, number)
        for up in above:
            terms.link(up, synset, number)
    return terms.draft(wanted)


def _synset(line: str) -> tuple[str, str, list[str]]:
    """Id, first word and hypernyms: offset, file, type, words (hexadecimal count), pointers (decimal count)."""
    cells = line.partition(" | ")[0].split()
    offset, kind, words = cells[0], cells[2], int(cells[3], 16)
    if not (len(offset) == 8 and offset.isdecimal() and kind in "nv" and words):
        raise ValueError("not a synset")
    start = 4 + 2 * words
    pointers = [cells[start + 1 + 4 * i : start + 5 + 4 * i] for i in range(int(cells[start]))]
    above = [f"{pos}{up}" for sign, up, pos, _ in pointers if sign in ("@", "@i")]
    return f"{kind}{offset}", cells[4].replace("_", " "), above
