"""A miniature of Stanford Online Products."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.miniatures.drawing import draw
from hyperdml.data.miniatures.writing import check_counts, new_release, write_jpeg, write_rows
from hyperdml.seeds import derive_seed

# fmt: off
SUPER_CLASSES = (
    "bicycle", "cabinet", "chair", "coffee_maker", "fan", "kettle",
    "lamp", "mug", "sofa", "stapler", "table", "toaster",
)
# fmt: on
"""Names of the super-classes, by their ids from 1."""


def make_sop(folder: Path, *, train_classes: int = 4, test_classes: int = 4, per_class: int = 6, seed: int = 0) -> Path:
    """Write `Stanford_Online_Products` with pictures of some classes, two or more to a super-class.

    Args:
        folder: where the release goes.
        train_classes: training classes; their ids are 1, 2, ...
        test_classes: test classes; their ids go on from there.
        per_class: images of each class.
        seed: the same seed gives the same pictures.

    Returns:
        The folder `Stanford_Online_Products`.

    Raises:
        ValueError: a count is not positive.
        DataError: the release is there already.
    """
    check_counts(train_classes=train_classes, test_classes=test_classes, per_class=per_class)
    rng = np.random.default_rng(derive_seed(seed, "sop"))
    image = first = 0
    with new_release(Path(folder), "Stanford_Online_Products") as release:
        for part, count in (("train", train_classes), ("test", test_classes)):
            table: list[tuple[object, ...]] = [("image_id", "class_id", "super_class_id", "path")]
            for k in range(count):
                coarse = min(k // 2, k * len(SUPER_CLASSES) // count)  # classes of a super-class come together
                article = rng.integers(110_000_000_000, 400_000_000_000)
                for view in range(per_class):
                    width, height = rng.integers(64, 120, 2).tolist()
                    path = f"{SUPER_CLASSES[coarse]}_final/{article}_{view}.JPG"
                    write_jpeg(release / path, draw(rng, coarse, first + k, width, height)[0])
                    image += 1
                    table.append((image, first + k + 1, coarse + 1, path))
            first += count
            write_rows(release / f"Ebay_{part}.txt", table)
    return Path(folder) / "Stanford_Online_Products"
