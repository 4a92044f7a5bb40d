"""A miniature of In-Shop Clothes Retrieval."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.miniatures.drawing import draw
from hyperdml.data.miniatures.writing import check_counts, new_release, write_jpeg
from hyperdml.seeds import derive_seed

CATEGORIES = ("MEN/Denim", "MEN/Tees_Tanks", "WOMEN/Blouses_Shirts", "WOMEN/Denim", "WOMEN/Dresses")
"""Folders of the items, in turn."""

_VIEWS = ("1_front", "2_side", "3_back", "4_full", "7_additional")


def make_in_shop(
    folder: Path,
    *,
    nested: bool = True,
    train_classes: int = 4,
    test_classes: int = 4,
    per_class: int = 6,
    seed: int = 0,
) -> Path:
    """Write In-Shop with pictures of some items; half of the images of a test item are queries, half gallery.

    Args:
        folder: where the release goes.
        nested: `In-shop Clothes Retrieval Benchmark` with `Eval/list_eval_partition.txt` and `Img/img`, as it comes;
            else `Inshop_Clothes` with the list and `img` in it.
        train_classes: items to train on.
        test_classes: items of queries and gallery.
        per_class: images of each item, at least 2.
        seed: the same seed gives the same pictures.

    Returns:
        The folder of the release; both layouts hold the same pictures.

    Raises:
        ValueError: a count is too small.
        DataError: the release is there already.
    """
    check_counts(train_classes=train_classes, test_classes=test_classes)
    check_counts(least=2, per_class=per_class)
    rng = np.random.default_rng(derive_seed(seed, "in-shop"))
    numbers = np.sort(rng.choice(np.arange(1, 8000), train_classes + test_classes, replace=False))
    trained = set(rng.permutation(len(numbers))[:train_classes].tolist())
    lines = []
    called = "In-shop Clothes Retrieval Benchmark" if nested else "Inshop_Clothes"
    with new_release(Path(folder), called) as release:
        for label, number in enumerate(numbers.tolist()):
            category, item = CATEGORIES[label % len(CATEGORIES)], f"id_{number:08d}"
            for k in range(per_class):
                path = f"img/{category}/{item}/{k // len(_VIEWS) + 1:02d}_{_VIEWS[k % len(_VIEWS)]}.jpg"
                pixels = draw(rng, label % len(CATEGORIES), label, 64, 64)[0]  # the release has 256 x 256 pixels
                write_jpeg(release / "Img" / path if nested else release / path, pixels)
                status = "train" if label in trained else ("query", "gallery")[k % 2]
                lines.append(f"{path:<70} {item} {status}")
        place = release / "Eval" if nested else release
        place.mkdir(exist_ok=True)
        text = "\n".join([str(len(lines)), "image_name item_id evaluation_status", *lines])
        (place / "list_eval_partition.txt").write_text(f"{text}\n", encoding="utf-8")
    return Path(folder) / called
