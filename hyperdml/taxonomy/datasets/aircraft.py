"""FGVC-Aircraft: manufacturer, family and variant, joined from its label files."""

from __future__ import annotations

from pathlib import Path

from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets.common import count_notes, find_file, finish, rows
from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.placed import placed
from hyperdml.taxonomy.formats.text import read_lines
from hyperdml.taxonomy.lineages import read_lineages
from hyperdml.taxonomy.names import listing
from hyperdml.taxonomy.taxonomy import Taxonomy

_RANKS = ("manufacturer", "family", "variant")
_SPLITS = ("train", "val", "trainval", "test")


def fgvc_aircraft(
    folder: Path, *, complete: bool = True, virtual_root: bool | str = True, unary: str = "keep"
) -> Taxonomy:
    """Manufacturers, families and variants of FGVC-Aircraft; labels follow `variants.txt`.

    The release has no parents: they are read off the images, each of which has a label of every level. Where a variant
    is called as its family, the variant keeps the name and the family is called "family: DC-3". 100 variants, 70
    families, 30 manufacturers and the root are 201 nodes; the README of the release counts 102 variants and 41
    manufacturers, which its files do not hold.

    Args:
        folder: of the release, or its `data`.
        complete: counts other than these are an error.
        virtual_root: see `Taxonomy.from_edges`; as published there is one.
        unary: see `Taxonomy.from_edges`. Many families have a single variant.

    Raises:
        DataError: a file is missing or broken, images lack a label, or counts differ; the message names them.

    Source: Maji et al., Fine-Grained Visual Classification of Aircraft, 2013.
    """
    return finish(lambda: aircraft_draft(Path(folder), Wanted()), folder, complete, virtual_root, unary)


def aircraft_draft(folder: Path, wanted: Wanted) -> Draft:
    """What the label files say."""
    listed = find_file(folder, "variants.txt", "data/variants.txt", "fgvc-aircraft-2013b/data/variants.txt")
    variants = [line.strip() for _, line in read_lines(listed) if line.strip()]
    faults: list[str] = []
    of_level = [_labels(listed.parent, rank, faults) for rank in _RANKS]
    for rank, labels in zip(_RANKS, of_level, strict=True):
        lacking = [image for image in of_level[-1] if image not in labels]
        more = [image for image in labels if image not in of_level[-1]]
        if lacking or more:
            faults.append(f"images without a {rank}: {listing(lacking)}; only with one: {listing(more)}")
    paths = _one_each(
        [
            tuple(labels[image] for labels in of_level)
            for image in of_level[-1]
            if all(image in labels for labels in of_level)
        ],
        faults,
    )
    known = {path[-1] for path in paths}
    unknown = [name for name in known if name not in set(variants)]
    if unknown:
        faults.append(f"variants of images that are not in {listed.name}: {listing(sorted(unknown))}")
    unused = [name for name in variants if name not in known]
    notes = count_notes(
        "FGVC-Aircraft",
        {
            "variants": (len(known), 100),
            "families": (len({path[:2] for path in paths}), 70),
            "manufacturers": (len({path[0] for path in paths}), 30),
        },
    )
    if unused:
        notes.append(Finding("warning", "left out", f"variants without images are left out: {listing(unused)}"))
    order = {name: label for label, name in enumerate(variants)}
    lines = sorted(paths, key=lambda path: order.get(path[-1], len(order)))
    return placed(read_lineages(lines, _RANKS, (), True), wanted, faults, notes, homonyms="level")


def _one_each(paths: list[tuple[str, ...]], faults: list[str]) -> list[tuple[str, ...]]:
    """The different paths; a family of two manufacturers or a variant of two families is a fault and left out."""
    above: dict[tuple[int, str], str] = {}
    kept = []
    for path in dict.fromkeys(paths):
        right = True
        for level, plural in ((1, "manufacturers"), (2, "families")):
            first = above.setdefault((level, path[level]), path[level - 1])
            if first != path[level - 1]:
                faults.append(f"{_RANKS[level]} {path[level]!r} is of {plural} {first!r} and {path[level - 1]!r}")
                right = False
        if right:
            kept.append(path)
    return kept


def _labels(folder: Path, rank: str, faults: list[str]) -> dict[str, str]:
    """Label of every image at one level."""
    labels: dict[str, str] = {}
    files = [folder / f"images_{rank}_{split}.txt" for split in _SPLITS]
    there = [file for file in files if file.is_file()]
    if not there:
        raise DataError(f"{folder} holds no {' or '.join(file.name for file in files)}")
    for file in there:
        for line, (image, label) in rows(file, 2):
            if labels.setdefault(image, label) != label:
                faults.append(f"{file.name}, line {line}: image {image} is {label!r}, elsewhere {labels[image]!r}")
    return labels
