"""Stanford Online Products: twelve super-classes of products."""

from __future__ import annotations

from pathlib import Path

from hyperdml.taxonomy.datasets.common import count_notes, find_file, finish, integer, rows
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.terms import Terms
from hyperdml.taxonomy.taxonomy import Taxonomy


def sop(folder: Path, *, complete: bool = True, virtual_root: bool | str = False) -> Taxonomy:
    """Super-classes and classes of Stanford Online Products.

    A super-class is called by its folder without "_final", a class by its `class_id`; label l is class l + 1. 12
    super-classes, 22,634 classes.

    Args:
        folder: with `Ebay_train.txt` and `Ebay_test.txt`, or the one above.
        complete: counts other than these are an error.
        virtual_root: see `Taxonomy.from_edges`.

    Raises:
        DataError: a file is missing or broken, or counts differ; the message names the line.

    Source: Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016.
    """
    return finish(lambda: sop_draft(Path(folder), Wanted()), folder, complete, virtual_root, "keep")


def sop_draft(folder: Path, wanted: Wanted) -> Draft:
    """What the tables (image_id, class_id, super_class_id, path) say."""
    train = find_file(folder, "Ebay_train.txt", "Stanford_Online_Products/Ebay_train.txt")
    terms = Terms()
    super_names: dict[int, str] = {}
    above: dict[int, int] = {}
    for file in (train, find_file(train.parent, "Ebay_test.txt")):
        for line, (_, class_id, super_id, path) in rows(file, 4, header=True):
            number, coarse = integer(file, line, class_id), integer(file, line, super_id)
            name = path.partition("/")[0].removesuffix("_final")
            if coarse not in super_names:
                super_names[coarse] = name
                terms.add(f"super-class {coarse}", name, line)
            elif super_names[coarse] != name:
                terms.fault(
                    line, f"super-class {coarse} is in {name!r}, before in {super_names[coarse]!r} ({file.name})"
                )
            if number not in above:
                above[number] = coarse
                terms.add(str(number), str(number), line)
                terms.link(f"super-class {coarse}", str(number), line)
            elif above[number] != coarse:
                terms.fault(line, f"class {number} is in super-classes {above[number]} and {coarse} ({file.name})")
    counts = {"super-classes": (len(super_names), 12), "classes": (len(above), 22634)}
    notes = count_notes("Stanford Online Products", counts)
    return terms.draft(wanted, notes, [str(number) for number in sorted(above)])
