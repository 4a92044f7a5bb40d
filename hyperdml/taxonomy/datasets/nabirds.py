"""NABirds: birds of North America with their groups."""

from __future__ import annotations

from pathlib import Path

from hyperdml.taxonomy.datasets.common import count_notes, find_file, finish, integer, rows
from hyperdml.taxonomy.findings import Finding
from hyperdml.taxonomy.formats.draft import Draft, Wanted
from hyperdml.taxonomy.formats.terms import Terms
from hyperdml.taxonomy.names import listing
from hyperdml.taxonomy.taxonomy import Taxonomy


def nabirds(folder: Path, *, complete: bool = True, names: str = "names", unary: str = "keep") -> Taxonomy:
    """The tree of NABirds: 1,011 nodes below node 0, "Birds", 555 of them leaves.

    Labels follow the ascending ids of the leaves. The ids themselves, which the label files hold, are sparse: with
    names="ids" the leaves are called by them, so that `match` or `node_index` turns an id into a label.

    Args:
        folder: of the release.
        complete: counts other than these are an error.
        names: "names" of the nodes, those that share one with their ids behind it, or "ids".
        unary: see `Taxonomy.from_edges`. 282 nodes have a single child.

    Raises:
        DataError: a file is missing or broken, or counts differ; the message names the line.

    Source: Van Horn et al., Building a Bird Recognition App and Large Scale Dataset With Citizen Scientists, CVPR 2015.
    """
    if names not in ("names", "ids"):
        raise ValueError(f"names must be 'names' or 'ids', got {names!r}")
    return finish(lambda: nabirds_draft(Path(folder), Wanted(names)), folder, complete, False, unary)


def nabirds_draft(folder: Path, wanted: Wanted) -> Draft:
    """What the files say: `hierarchy.txt` (child, parent), `classes.txt` and `image_class_labels.txt`."""
    tree = find_file(folder, "hierarchy.txt", "nabirds/hierarchy.txt")
    called = find_file(tree.parent, "classes.txt")
    labelled = find_file(tree.parent, "image_class_labels.txt")
    terms, nodes = Terms(called.name, tree.name), []
    for line, (node, name) in rows(called, 2):
        nodes.append(integer(called, line, node))
        terms.add(str(nodes[-1]), name, line)
    inner: set[int] = set()
    for line, (child, parent) in rows(tree, 2):
        inner.add(integer(tree, line, parent))
        terms.link(str(int(parent)), str(integer(tree, line, child)), line)
    used = {integer(labelled, line, label) for line, (_, label) in rows(labelled, 2)}
    leaves = sorted(node for node in dict.fromkeys(nodes) if node not in inner)
    notes = count_notes("NABirds", {"nodes": (len(set(nodes)), 1011), "leaves": (len(leaves), 555)})
    unused, wrong = sorted(set(leaves) - used), sorted(used - set(leaves))
    if unused:
        notes.append(Finding("warning", "left out", f"{len(unused)} leaves have no images: {listing(unused)}"))
    if wrong:
        terms.faults.append(f"labels in {labelled.name} that are no leaves: {listing(wrong)}")
    return terms.draft(wanted, notes, [str(leaf) for leaf in leaves])
