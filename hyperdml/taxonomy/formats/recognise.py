"""Which format a file or a folder has: by its name, then by how it begins."""

from __future__ import annotations

import re
from pathlib import Path

from hyperdml.errors import DataError
from hyperdml.taxonomy.formats.tables import is_lineages, table_rows
from hyperdml.taxonomy.formats.text import read_start

_SUFFIXES = {
    ".obo": "obo",
    ".nwk": "newick",
    ".newick": "newick",
    ".tre": "newick",
    ".tree": "newick",
    ".graphml": "graphml",
}
_FILES = {"nodes.dmp": "ncbi", "names.dmp": "ncbi", "data.noun": "wordnet", "data.verb": "wordnet"}
# a file that tells a folder's format, in the folder itself or where the releases have it
_FOLDERS = {
    "ncbi": ("nodes.dmp",),
    "wordnet": ("data.noun", "dict/data.noun"),
    "nabirds": ("hierarchy.txt", "nabirds/hierarchy.txt"),
    "fgvc_aircraft": ("variants.txt", "data/variants.txt", "fgvc-aircraft-2013b/data/variants.txt"),
    "cars": ("cars_meta.mat", "devkit/cars_meta.mat", "cars_annos.mat"),
    "sop": ("Ebay_train.txt", "Stanford_Online_Products/Ebay_train.txt"),
    "in_shop": ("list_eval_partition.txt", "Eval/list_eval_partition.txt"),
}
_SYNSET = re.compile(r"\d{8} \d\d [nv] [0-9a-f]{2} ")


def recognise(path: Path) -> str:
    """Name of the format of a file or folder, one of `hyperdml.taxonomy.formats.reading.FORMATS`; "json" for any JSON.

    Raises:
        DataError: the path does not exist or cannot be read, or a folder is none of those that are known.
    """
    if path.is_dir():
        for name, files in _FOLDERS.items():
            if any((path / file).is_file() for file in files):
                return name
        known = ", ".join(f"{files[0]} ({name})" for name, files in _FOLDERS.items())
        raise DataError(f"{path} holds none of the files by which a folder is known: {known}")
    start = read_start(path)
    by_name = _FILES.get(path.name) or _SUFFIXES.get(path.suffix.lower())
    if by_name is not None:
        return by_name
    text = start.lstrip()
    if path.suffix.lower() not in (".csv", ".tsv"):
        if path.suffix.lower() == ".json" or text.startswith(("{", "[{", '["')):
            return "json"
        found = _by_text(text, start)
        if found is not None:
            return found
    header = next((cells for _, cells in table_rows(path)), [])
    return "lineages" if is_lineages(header) else "edges"


def _by_text(text: str, start: str) -> str | None:
    lines = [line for line in start.split("\n") if line.strip()]
    if text.startswith(("<?xml", "<graphml")):
        return "graphml"
    if text.startswith(("format-version:", "[Term]")):
        return "obo"
    if text.startswith("("):
        return "newick"
    if any(_SYNSET.match(line) for line in lines[:40] if not line.startswith("  ")):
        return "wordnet"
    if text.startswith("# Google_Product_Taxonomy") or any(" > " in line for line in lines):
        return "google"
    return None
