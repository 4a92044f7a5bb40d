"""A miniature of CUB-200-2011."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.miniatures.drawing import draw
from hyperdml.data.miniatures.writing import check_counts, new_release, write_jpeg, write_rows
from hyperdml.seeds import derive_seed

TRAINED = (
    "001.Black_footed_Albatross",
    "002.Laysan_Albatross",
    "003.Sooty_Albatross",
    "004.Groove_billed_Ani",
    "005.Crested_Auklet",
    "006.Least_Auklet",
    "007.Parakeet_Auklet",
    "008.Rhinoceros_Auklet",
)
"""Names of classes from the training half of the release."""
TESTED = (
    "101.White_Pelican",
    "102.Western_Wood_Pewee",
    "103.Sayornis",
    "104.American_Pipit",
    "105.Whip_poor_Will",
    "106.Horned_Puffin",
    "107.Common_Raven",
    "108.White_necked_Raven",
)
"""Names of classes from the test half."""


def make_cub(folder: Path, *, train_classes: int = 4, test_classes: int = 4, per_class: int = 6, seed: int = 0) -> Path:
    """Write `CUB_200_2011` with pictures of some of its classes, of different sizes.

    As in the archive, the folder of the images holds `._` files of a Macintosh, which are no images.

    Args:
        folder: where the release goes.
        train_classes: classes of the training half, up to 8.
        test_classes: classes of the test half, up to 8.
        per_class: images of each class.
        seed: the same seed gives the same pictures.

    Returns:
        The folder `CUB_200_2011`.

    Raises:
        ValueError: a count is out of range.
        DataError: the release is there already.
    """
    check_counts(most=8, train_classes=train_classes, test_classes=test_classes)
    check_counts(per_class=per_class)
    classes = TRAINED[:train_classes] + TESTED[:test_classes]
    rng = np.random.default_rng(derive_seed(seed, "cub"))
    table = []
    with new_release(Path(folder), "CUB_200_2011") as release:
        for label, name in enumerate(classes):
            for k in range(per_class):
                width, height = rng.integers(64, 120, 2).tolist()
                pixels, (left, top, right, bottom) = draw(rng, label, label, width, height)
                path = f"{name}/{name[4:]}_{k + 1:04d}_{rng.integers(700_000, 800_000)}.jpg"
                write_jpeg(release / "images" / path, pixels)
                table.append((path, int(name[:3]), int(rng.integers(2)), (left, top, right - left, bottom - top)))
        (release / "images" / classes[0] / f"._{classes[0][4:]}_0001.jpg").write_bytes(b"\x00\x05\x16\x07")
        (release / "images" / f"._{classes[0]}").write_bytes(b"\x00\x05\x16\x07")
        ids = range(1, len(table) + 1)
        write_rows(release / "images.txt", [(i, row[0]) for i, row in zip(ids, table, strict=True)])
        write_rows(release / "image_class_labels.txt", [(i, row[1]) for i, row in zip(ids, table, strict=True)])
        write_rows(release / "train_test_split.txt", [(i, row[2]) for i, row in zip(ids, table, strict=True)])
        boxes = [(i, *(f"{side}.0" for side in row[3])) for i, row in zip(ids, table, strict=True)]
        write_rows(release / "bounding_boxes.txt", boxes)
        write_rows(release / "classes.txt", [(int(name[:3]), name) for name in classes])
    return Path(folder) / "CUB_200_2011"
