"""CIFAR-100: 60,000 pictures of 32 x 32 pixels, from its binary or its Python version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperdml.data.classification.cifar100_pickles import read_pickle
from hyperdml.data.classification.config import ClassificationDataConfig
from hyperdml.data.classification.splits import ClassificationSplits
from hyperdml.data.classification.validation import hold_out_tenth
from hyperdml.data.labelled_images import ArrayImages
from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.datasets import cifar100
from hyperdml.taxonomy.datasets.common import PART_HINT
from hyperdml.taxonomy.formats.text import read_lines

_PER_CLASS = {"train": 500, "test": 100}
_PIXELS = 3 * 32 * 32

# pixels (N, 3072), fine and coarse labels (N,) of a file
Part = tuple[np.ndarray, np.ndarray, np.ndarray]


def load_cifar100(config: ClassificationDataConfig) -> ClassificationSplits:
    """Read `cifar-100-binary` (train.bin, test.bin) or else `cifar-100-python` (train, test, meta).

    The taxonomy is that of `hyperdml.taxonomy.datasets.cifar100`; names and coarse labels of the files are held to it.

    Args:
        config: its root, complete, evaluate_on and split_seed count.

    Raises:
        DataError: a file is missing or broken, labels do not fit the taxonomy, or counts are not those of the release;
            the message says what differs.

    Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009.
    """
    taxonomy = cifar100()
    read = _version(Path(config.root or ""), taxonomy)
    train = _images(*read("train"), taxonomy, "train", config.complete)
    if config.evaluate_on == "validation":
        return hold_out_tenth(train, taxonomy, config.split_seed)
    return ClassificationSplits(train, _images(*read("test"), taxonomy, "test", config.complete), taxonomy)


def _version(root: Path, taxonomy: Taxonomy) -> Callable[[str], tuple[Path, Part]]:
    """What reads a part; the names of the classes have been checked."""
    binary, pickled = ("train.bin", "cifar-100-binary/train.bin"), ("train", "cifar-100-python/train")
    for name in binary:
        if (root / name).is_file():
            folder = (root / name).parent
            _check_names(folder / "fine_label_names.txt", _lines(folder / "fine_label_names.txt"), taxonomy.leaves)
            _check_names(folder / "coarse_label_names.txt", _lines(folder / "coarse_label_names.txt"), _tops(taxonomy))
            return lambda part: (folder / f"{part}.bin", _read_binary(folder / f"{part}.bin"))
    for name in pickled:
        if (root / name).is_file():
            place = (root / name).parent
            meta = read_pickle(place / "meta")
            for key, expected in (("fine_label_names", taxonomy.leaves), ("coarse_label_names", _tops(taxonomy))):
                names = [str(value, "utf-8", "replace") for value in _list(place / "meta", meta, key, bytes)]
                _check_names(place / "meta", names, expected)
            return lambda part: (place / part, _read_pickled(place / part))
    raise DataError(f"{root} holds no {', '.join(binary + pickled)}: it is no folder of CIFAR-100")


def _read_binary(path: Path) -> Part:
    """Records of a coarse label, a fine label and 3,072 pixels."""
    try:
        content = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    if len(content) % (_PIXELS + 2):
        raise DataError(f"{path} holds {len(content)} bytes, which is not a multiple of {_PIXELS + 2}: it is cut off")
    records = content.reshape(-1, _PIXELS + 2)
    return records[:, 2:], records[:, 1].astype(np.int64), records[:, 0].astype(np.int64)


def _read_pickled(path: Path) -> Part:
    found = read_pickle(path)
    pixels = found.get("data")
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != _PIXELS:
        raise DataError(f"{path}: 'data' must be an array of {_PIXELS} bytes an image")
    try:
        labels = [np.array(_list(path, found, key, int), dtype=np.int64) for key in ("fine_labels", "coarse_labels")]
    except OverflowError as error:
        raise DataError(f"{path}: a label is out of range: {error}") from error
    if any(len(column) != len(pixels) for column in labels):
        raise DataError(f"{path}: {len(pixels)} images, but {len(labels[0])} fine and {len(labels[1])} coarse labels")
    return pixels, labels[0], labels[1]


def _images(path: Path, part: Part, taxonomy: Taxonomy, name: str, complete: bool) -> ArrayImages:
    pixels, fine, coarse = part
    tops = _tops(taxonomy)
    for column, kind, count in ((fine, "fine", taxonomy.num_leaves), (coarse, "coarse", len(tops))):
        wrong = np.flatnonzero((column < 0) | (column >= count))
        if len(wrong):
            row = int(wrong[0])
            raise DataError(f"{path}: image {row} has the {kind} label {column[row]}, expected 0 .. {count - 1}")
    above = np.array([tops.index(taxonomy.names[up]) for up in taxonomy.parent[: taxonomy.num_leaves]])
    wrong = np.flatnonzero(above[fine] != coarse)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{path}: {len(wrong)} images have another coarse label than their class, the first is image {row}, "
            f"{taxonomy.leaves[fine[row]]!r} under {tops[coarse[row]]!r}, expected {tops[above[fine[row]]]!r}"
        )
    if complete:
        _check_counts(path, np.bincount(fine, minlength=taxonomy.num_leaves), _PER_CLASS[name], taxonomy)
    upright = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return ArrayImages(np.ascontiguousarray(upright), fine)


def _check_counts(path: Path, counts: np.ndarray, each: int, taxonomy: Taxonomy) -> None:
    wrong = np.flatnonzero(counts != each)
    if len(wrong):
        named = ", ".join(f"{taxonomy.leaves[leaf]!r} has {counts[leaf]}" for leaf in wrong[:5].tolist())
        raise DataError(
            f"{path} holds {counts.sum():,} images, CIFAR-100 has {each * len(counts):,} there, {each} of each class; "
            f"{len(wrong)} classes differ: {named}{' ...' if len(wrong) > 5 else ''}. "
            f"{PART_HINT}"
        )


def _tops(taxonomy: Taxonomy) -> list[str]:
    """Superclasses in the order of their labels, which is alphabetical."""
    return sorted(taxonomy.names[root] for root in taxonomy.roots)


def _lines(path: Path) -> list[str]:
    return [line.strip() for _, line in read_lines(path) if line.strip()]


def _list(path: Path, found: dict[str, Any], key: str, kind: type) -> list[Any]:
    values = found.get(key)
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        raise DataError(f"{path}: {key!r} must be a list of {kind.__name__}, got {type(values).__name__}")
    return values


def _check_names(path: Path, names: Sequence[str], expected: Sequence[str]) -> None:
    if list(names) != list(expected):
        label = next((k for k, pair in enumerate(zip(names, expected, strict=False)) if pair[0] != pair[1]), None)
        what = f"{len(names)} names" if label is None else f"label {label} is {names[label]!r}"
        meant = f"{len(expected)}" if label is None else f"{expected[label]!r}"
        raise DataError(f"{path}: {what}, expected {meant}")
