"""A miniature of FGVC-Aircraft."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.miniatures.drawing import draw
from hyperdml.data.miniatures.writing import check_counts, new_release, write_jpeg, write_rows
from hyperdml.seeds import derive_seed

# as in the release, families are often called like their only variant; names hold spaces, slashes and dashes
VARIANTS = (
    ("737-200", "Boeing 737", "Boeing"),
    ("737-300", "Boeing 737", "Boeing"),
    ("747-400", "Boeing 747", "Boeing"),
    ("Cessna 172", "Cessna 172", "Cessna"),
    ("Cessna 208", "Cessna 208", "Cessna"),
    ("DC-3", "DC-3", "Douglas Aircraft Company"),
    ("Eurofighter Typhoon", "Eurofighter Typhoon", "Eurofighter"),
    ("F/A-18", "F/A-18", "McDonnell Douglas"),
)
"""Variant, family and manufacturer of every class, in label order."""

_RANKS = ("variant", "family", "manufacturer")
_WIDTH, _HEIGHT, _BANNER = 96, 72, 20


def make_aircraft(folder: Path, *, per_part: int = 8, seed: int = 0) -> Path:
    """Write `fgvc-aircraft-2013b/data` with pictures of eight variants of five manufacturers.

    Every image has a black banner of 20 rows at its bottom, where the release names the photographer.

    Args:
        folder: where the release goes.
        per_part: images of each variant in each of train, val and test.
        seed: the same seed gives the same pictures.

    Returns:
        The folder `fgvc-aircraft-2013b`.

    Raises:
        ValueError: `per_part` is not positive.
        DataError: the release is there already.
    """
    check_counts(per_part=per_part)
    makers = sorted({row[2] for row in VARIANTS})
    rng = np.random.default_rng(derive_seed(seed, "aircraft"))
    numbers = rng.choice(np.arange(34_000, 2_300_000), 3 * per_part * len(VARIANTS), replace=False)
    ids = [f"{number:07d}" for number in numbers.tolist()]
    with new_release(Path(folder), "fgvc-aircraft-2013b") as release:
        data = release / "data"
        listed: dict[str, list[tuple[str, int]]] = {"train": [], "val": [], "test": []}
        boxes = []
        for row, image in enumerate(ids):
            label = row % len(VARIANTS)
            listed[("train", "val", "test")[row // len(VARIANTS) % 3]].append((image, label))
            pixels, (left, top, right, bottom) = draw(rng, makers.index(VARIANTS[label][2]), label, _WIDTH, _HEIGHT)
            banner = np.zeros((_BANNER, _WIDTH, 3), np.uint8)
            write_jpeg(data / "images" / f"{image}.jpg", np.concatenate([pixels, banner]))
            boxes.append((image, left + 1, top + 1, right, bottom))  # the release counts pixels from 1
        listed["trainval"] = listed["train"] + listed["val"]
        for part, images in listed.items():
            in_order = sorted(images, key=lambda pair: pair[1])
            for column, rank in enumerate(_RANKS):
                names = [(image, VARIANTS[label][column]) for image, label in in_order]
                write_rows(data / f"images_{rank}_{part}.txt", names)
        for column, plural in enumerate(("variants", "families", "manufacturers")):
            different = dict.fromkeys(row[column] for row in VARIANTS)
            write_rows(data / f"{plural}.txt", [(name,) for name in (different if column == 0 else sorted(different))])
        write_rows(data / "images_box.txt", boxes)
    return Path(folder) / "fgvc-aircraft-2013b"
