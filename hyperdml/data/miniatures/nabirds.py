"""A miniature of NABirds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.miniatures.drawing import draw
from hyperdml.data.miniatures.writing import check_counts, new_release, write_jpeg, write_rows
from hyperdml.seeds import derive_seed

# as in the release: ids are sparse, names hold commas and brackets, and a species without forms has its group's name
NODES = {
    0: ("Birds", None),
    1: ("Ducks, Geese, and Swans", 0),
    5: ("Hawks, Kites, Eagles, and Allies", 0),
    8: ("Woodpeckers", 0),
    60: ("Common Eider", 1),
    61: ("Wood Duck", 1),
    71: ("Bald Eagle", 5),
    72: ("Osprey", 5),
    98: ("Downy Woodpecker", 8),
    295: ("Common Eider (Adult male)", 60),
    314: ("Common Eider (Female/juvenile)", 60),
    446: ("Bald Eagle (Adult, subadult)", 71),
    447: ("Bald Eagle (Immature, juvenile)", 71),
    817: ("Osprey", 72),
    851: ("Downy Woodpecker", 98),
    1010: ("Wood Duck (Breeding male)", 61),
}
"""Name and parent of every node, by its id."""


def make_nabirds(folder: Path, *, train_per_class: int = 12, test_per_class: int = 6, seed: int = 0) -> Path:
    """Write `nabirds` with pictures of seven classes, of different sizes, with boxes around the figures.

    Args:
        folder: where the release goes.
        train_per_class: training images of each class.
        test_per_class: test images of each class.
        seed: the same seed gives the same pictures.

    Returns:
        The folder `nabirds`.

    Raises:
        ValueError: a count is not positive.
        DataError: the release is there already.
    """
    check_counts(train_per_class=train_per_class, test_per_class=test_per_class)
    parents = {node: parent for node, (_, parent) in NODES.items() if parent is not None}
    leaves = [node for node in NODES if node not in parents.values()]
    rng = np.random.default_rng(derive_seed(seed, "nabirds"))
    table = []
    with new_release(Path(folder), "nabirds") as release:
        for label, leaf in enumerate(leaves):
            top = leaf
            while parents[top] != 0:
                top = parents[top]
            for k in range(train_per_class + test_per_class):
                code = rng.bytes(16).hex()
                path = f"{leaf:04d}/{code}.jpg"
                width, height = rng.integers(64, 120, 2).tolist()
                pixels, (left, upper, right, lower) = draw(rng, list(NODES).index(top), label, width, height)
                write_jpeg(release / "images" / path, pixels)
                image = "-".join((code[:8], code[8:12], code[12:16], code[16:20], code[20:]))
                box = (left, upper, right - left, lower - upper)
                table.append((image, path, leaf, int(k < train_per_class), (width, height), box))
        table.sort()
        write_rows(release / "images.txt", [(row[0], row[1]) for row in table])
        write_rows(release / "image_class_labels.txt", [(row[0], row[2]) for row in table])
        write_rows(release / "train_test_split.txt", [(row[0], row[3]) for row in table])
        write_rows(release / "sizes.txt", [(row[0], *row[4]) for row in table])
        write_rows(release / "bounding_boxes.txt", [(row[0], *row[5]) for row in table])
        write_rows(release / "classes.txt", [(node, name) for node, (name, _) in NODES.items()])
        write_rows(release / "hierarchy.txt", list(parents.items()))
    return Path(folder) / "nabirds"
