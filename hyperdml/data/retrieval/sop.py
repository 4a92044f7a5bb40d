"""Stanford Online Products: photographs of articles for sale."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.labelled_images import FileImages
from hyperdml.data.presence import check_counts, check_present
from hyperdml.data.retrieval.collection import TEST, TRAIN, ClassLevels, Collection
from hyperdml.data.retrieval.config import DataConfig
from hyperdml.data.retrieval.releases import find_release
from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets import sop
from hyperdml.taxonomy.datasets.common import find_file, integer, rows

_HEADER = ["image_id", "class_id", "super_class_id", "path"]
_LISTS = ("Ebay_train.txt", "Ebay_test.txt")
_COUNTS = {"training images": 59_551, "test images": 60_502, "training classes": 11_318, "test classes": 11_316}


def load_sop(config: DataConfig) -> Collection:
    """Images of `Ebay_train.txt` and `Ebay_test.txt`, classes below their super-classes.

    Classes are called by their `class_id`, super-classes by their folders without "_final".

    Args:
        config: its root and complete count.

    Raises:
        DataError: a list is missing or broken, an image is listed twice, images are missing, or counts are not those of
            the release; the message names file and line.

    Source: Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016.
    """
    folder = find_release(
        Path(config.root or ""), lambda one: any((one / name).is_file() for name in _LISTS), " or ".join(_LISTS)
    )
    found: dict[str, int] = {}
    parts: list[int] = []
    ids: set[int] = set()
    for name, part in zip(_LISTS, (TRAIN, TEST), strict=True):
        _read(find_file(folder, name), found, ids)
        parts += [part] * (len(found) - len(parts))
    part_of = np.array(parts, dtype=np.int64)
    numbers = np.fromiter(found.values(), dtype=np.int64, count=len(found))
    if config.complete:
        sizes = [int((part_of == part).sum()) for part in (TRAIN, TEST)]
        sizes += [len(np.unique(numbers[part_of == part])) for part in (TRAIN, TEST)]
        counts = {what: (size, _COUNTS[what]) for what, size in zip(_COUNTS, sizes, strict=True)}
        check_counts(folder, "Stanford Online Products", counts)
    taxonomy = sop(folder, complete=config.complete)  # its leaves are the ids in ascending order
    levels = ClassLevels.of(taxonomy, ["super-class"])
    labels = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
    check_present(folder, list(found))
    images = FileImages(folder, tuple(found), labels)
    return Collection(images, taxonomy.leaves, levels.ids, levels.names, levels.coarse_names, part_of)


def _read(path: Path, found: dict[str, int], ids: set[int]) -> None:
    """Add path and class of every image of a list to `found`, and its id to `ids`."""
    lines = rows(path, 4)
    line, cells = next(lines, (1, []))
    if cells != _HEADER:
        raise DataError(f"{path}, line {line}: expected the header {' '.join(_HEADER)}, got {' '.join(cells)[:80]!r}")
    for line, (image, number, _, name) in lines:
        image_id = integer(path, line, image)
        if image_id in ids or name in found:
            what = f"image {image_id}" if image_id in ids else name
            raise DataError(f"{path}, line {line}: {what} is listed twice")
        ids.add(image_id)
        found[name] = integer(path, line, number)
