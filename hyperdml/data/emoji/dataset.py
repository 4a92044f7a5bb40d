"""The emoji data set: one class is one emoji of Unicode, one image is one vendor's drawing of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from hyperdml.data.emoji import atlas
from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy

INDEX_FILE = "emoji.json"
BUNDLED_FOLDER = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class EmojiDataset:
    """Images with their labels and the tree above them: root > groups > subgroups > emoji. Read-only.

    Attributes:
        images: array (N, S, S, 3) uint8, RGB on white.
        labels: array (N,) int64, class index 0..C-1.
        vendors: array (N,) int64, index into `vendor_names`.
        class_names: C unique CLDR names, such as 'cat face'.
        code_points: C sequences of hexadecimal code points joined by '-'.
        vendor_names: names of the vendors.
        groups: Unicode group of each class, C names.
        subgroups: Unicode subgroup of each class, C names.
    """

    images: np.ndarray
    labels: np.ndarray
    vendors: np.ndarray
    class_names: tuple[str, ...]
    code_points: tuple[str, ...]
    vendor_names: tuple[str, ...]
    groups: tuple[str, ...]
    subgroups: tuple[str, ...]

    level_names: ClassVar[tuple[str, str, str]] = ("group", "subgroup", "class")

    def __post_init__(self) -> None:
        for array in (self.images, self.labels, self.vendors):
            array.flags.writeable = False

    @property
    def levels(self) -> np.ndarray:
        """Label of each image at each level, array (N, 3) int64: group, subgroup, class; ids from 0.

        Ids follow the order of first appearance among the classes; a subgroup's id belongs to the pair
        (group, subgroup).
        """
        pairs = list(zip(self.groups, self.subgroups, strict=True))
        group_ids = {name: i for i, name in enumerate(dict.fromkeys(self.groups))}
        pair_ids = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        of_class = [(group_ids[pair[0]], pair_ids[pair], i) for i, pair in enumerate(pairs)]
        return np.array(of_class, dtype=np.int64).reshape(-1, 3)[self.labels]

    @property
    def taxonomy(self) -> Taxonomy:
        """The tree of the classes in label order; an inner node that shares its name is called by its path."""
        rows = zip(self.groups, self.subgroups, self.class_names, strict=True)
        ranks = ("group", "subgroup", "class")
        return Taxonomy.from_lineages(rows, ranks, self.class_names, homonyms="path", virtual_root=True)

    def select(self, classes: np.ndarray) -> EmojiDataset:
        """The data set of some classes, in their old order, with labels numbered anew from 0.

        Args:
            classes: class indices, integers; order and repeats do not matter.

        Raises:
            ValueError: `classes` is empty, not of integers or out of range.
        """
        wanted = np.asarray(classes)
        if wanted.ndim != 1 or not wanted.size or not np.issubdtype(wanted.dtype, np.integer):
            raise ValueError(f"classes must be a non-empty list of integers, got {classes!r}")
        kept = np.unique(wanted)
        if kept[0] < 0 or kept[-1] >= len(self.class_names):
            raise ValueError(f"classes must lie in 0..{len(self.class_names) - 1}, got {kept[0]}..{kept[-1]}")
        rows = np.isin(self.labels, kept)
        return replace(
            self,
            images=self.images[rows],
            labels=np.searchsorted(kept, self.labels[rows]).astype(np.int64),
            vendors=self.vendors[rows],
            class_names=tuple(self.class_names[i] for i in kept),
            code_points=tuple(self.code_points[i] for i in kept),
            groups=tuple(self.groups[i] for i in kept),
            subgroups=tuple(self.subgroups[i] for i in kept),
        )


def load_emoji(subset: Literal["all", "tiny"] = "all", folder: Path | None = None) -> EmojiDataset:
    """Load an emoji set, by default the one that comes with the package.

    Args:
        subset: all classes, or the set's 120 classes meant for tests.
        folder: folder that `build_emoji` wrote; None for the bundled set.

    Raises:
        ValueError: `subset` is neither 'all' nor 'tiny'.
        DataError: a file is missing or broken, or is not the one whose SHA-256 is on record.
    """
    if subset not in ("all", "tiny"):
        raise ValueError(f"subset must be 'all' or 'tiny', got {subset!r}")
    dataset, tiny = _bundled() if folder is None else _load(Path(folder))
    if subset == "all":
        return dataset
    if not tiny.size:
        raise DataError(f"{Path(folder or BUNDLED_FOLDER) / INDEX_FILE} names no tiny subset")
    return dataset.select(tiny)


@cache
def _bundled() -> tuple[EmojiDataset, np.ndarray]:
    """The bundled set, decoded once a process: it cannot be changed, and comparisons load it for every run."""
    return _load(BUNDLED_FOLDER)


def _load(folder: Path) -> tuple[EmojiDataset, np.ndarray]:
    """A set, and the classes of its tiny subset."""
    index_path = folder / INDEX_FILE
    try:
        index = json.loads(_read(index_path))
        return _assemble(index, folder), np.array(index["tiny"], dtype=np.int64)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise DataError(f"{index_path} is not an index of an emoji set: {error!r}") from error


def _assemble(index: Mapping[str, Any], folder: Path) -> EmojiDataset:
    classes = index["classes"]
    views = [one["vendors"] for one in classes]
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), [len(view) for view in views])
    images = np.concatenate([_read_page(page, folder, index["tile"]) for page in index["pages"]])
    if len(images) != len(labels):
        raise ValueError(f"the pages hold {len(images)} images, the classes {len(labels)}")
    return EmojiDataset(
        images=images,
        labels=labels,
        vendors=np.array([vendor for view in views for vendor in view], dtype=np.int64),
        class_names=tuple(one["name"] for one in classes),
        code_points=tuple(one["code_points"] for one in classes),
        vendor_names=tuple(vendor["name"] for vendor in index["vendors"]),
        groups=tuple(one["group"] for one in classes),
        subgroups=tuple(one["subgroup"] for one in classes),
    )


def _read_page(page: Mapping[str, Any], folder: Path, tile: int) -> np.ndarray:
    path = folder / Path(page["file"]).name  # an index cannot point outside its folder
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != page["sha256"]:
        raise DataError(f"{path} has SHA-256 {found}, expected {page['sha256']}")
    try:
        return atlas.unpack(atlas.decode(content), page["images"], tile)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
