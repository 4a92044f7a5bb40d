"""In-Shop Clothes Retrieval: photographs of articles of clothing, as queries and as a gallery."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hyperdml.data.image_files import printable
from hyperdml.data.labelled_images import FileImages
from hyperdml.data.presence import check_counts, check_present
from hyperdml.data.retrieval.collection import TEST, TRAIN, Collection, prevailing
from hyperdml.data.retrieval.config import DataConfig
from hyperdml.data.retrieval.releases import find_release
from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets.common import rows
from hyperdml.taxonomy.names import listing

_LIST = "list_eval_partition.txt"
_LISTS = (_LIST, f"Eval/{_LIST}", f"Anno/{_LIST}", f"Eval/Eval/{_LIST}", f"Anno/Anno/{_LIST}")
_HEADER = ["image_name", "item_id", "evaluation_status"]
# where archives of the images were unpacked, with the "img" of their paths or without
_PLACES = ("Img", ".", "Img/img", "img", "Img/Img")
_COUNTS = {"train": 25_882, "query": 14_218, "gallery": 12_612}
_ITEMS = {"train": 3997, "query": 3985, "gallery": 3985}


def load_in_shop(config: DataConfig) -> Collection:
    """Images of `list_eval_partition.txt`; test images are queries or gallery, never both.

    The list may lie in the root, in `Eval` or `Anno`, the images in `Img/img`, `img`, `Img` or one folder deeper.
    Levels are gender, category and item, as the paths have them: an item whose images lie in several categories counts
    to the one with most of them, of equals to the first by name.

    Args:
        config: its root and complete count.

    Raises:
        DataError: the list is missing or broken, images are missing, counts are not those of the release, or a query of
            the whole release has no item in the gallery; the message names file and line.

    Source: Liu et al., DeepFashion, CVPR 2016.
    """
    folder = find_release(Path(config.root or ""), lambda one: _list_of(one) is not None, _LIST)
    path = _list_of(folder) or folder / _LIST
    table = _read(path)
    status = np.array(table.status)
    items, labels = np.unique(table.items, return_inverse=True)
    if config.complete:
        found = {part: table.status.count(part) for part in _COUNTS}
        of_part = {part: set(labels[status == part].tolist()) for part in _ITEMS}
        counts = {f"{part} images": (found[part], _COUNTS[part]) for part in _COUNTS}
        counts |= {f"{part} items": (len(of_part[part]), _ITEMS[part]) for part in _ITEMS}
        check_counts(path, "In-Shop", counts)
        alone = sorted(of_part["query"] - of_part["gallery"])
        if alone:
            raise DataError(
                f"{printable(path)}: queries whose item is not in the gallery: {listing(items[alone].tolist())}"
            )
    base = _base(folder, table.paths)
    check_present(folder, tuple(f"{base}{name}" for name in table.paths))
    images = FileImages(folder, tuple(f"{base}{name}" for name in table.paths), labels.astype(np.int64))
    levels, genders = _levels(table.categories, labels)
    return Collection(
        images,
        tuple(items.tolist()),
        levels,
        ("gender", "category", "item"),
        genders,
        np.where(status == "train", TRAIN, TEST),
        queries=status == "query",
        gallery=status == "gallery",
    )


@dataclass
class _Table:
    """Columns of the list; paths without their "img/"."""

    paths: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    categories: list[tuple[str, str]] = field(default_factory=list)


def _list_of(folder: Path) -> Path | None:
    return next((folder / name for name in _LISTS if (folder / name).is_file()), None)


def _read(path: Path) -> _Table:
    table, seen = _Table(), set()
    lines = ((line, cells[0].split()) for line, cells in rows(path, 1))
    first, second = next(lines, (1, [])), next(lines, (2, []))
    if len(first[1]) != 1 or not first[1][0].isdecimal() or second[1] != _HEADER:
        raise DataError(f"{path}: expected the number of images in line 1 and {' '.join(_HEADER)!r} in line 2")
    for line, words in lines:
        parts = words[0].split("/")
        if len(words) != 3 or len(parts) != 5 or parts[0] != "img" or "" in parts or parts[3] != words[1]:
            shown = " ".join(words)[:80]
            raise DataError(f"{path}, line {line}: expected img/GENDER/CATEGORY/ITEM/IMAGE ITEM STATUS, got {shown!r}")
        if words[2] not in _COUNTS:
            raise DataError(f"{path}, line {line}: status must be train, query or gallery, got {words[2][:40]!r}")
        if words[0] in seen:
            raise DataError(f"{path}, line {line}: {words[0]} is listed twice")
        seen.add(words[0])
        table.paths.append("/".join(parts[1:]))
        table.items.append(words[1])
        table.status.append(words[2])
        table.categories.append((parts[1], parts[2]))
    if len(seen) != int(first[1][0][:18]) or not seen:
        raise DataError(f"{path}: line 1 says {first[1][0][:18]} images, found {len(seen)}")
    return table


def _base(folder: Path, paths: list[str]) -> str:
    """What stands before the paths, with "/" at its end: where the first of their folders is."""
    gender = paths[0].partition("/")[0]
    for place in _PLACES:
        for inner in ("img", "."):
            base = (Path(place) / inner).as_posix()
            if (folder / base / gender).is_dir():
                return "" if base == "." else f"{base}/"
    large = next((one for one in ("Img/img_highres", "img_highres") if (folder / one).is_dir()), None)
    if large is not None:
        raise DataError(
            f"{printable(folder)}: found {large}, but the benchmark is on the small images: unpack img.zip to Img/img"
        )
    raise DataError(f"{printable(folder)} holds no images: looked for Img/img/{gender}, img/{gender} and Img/{gender}")


def _levels(categories: list[tuple[str, str]], labels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """(C, 3) ids of gender, category and item of every item, and the names of the genders."""
    known = {pair: k for k, pair in enumerate(sorted(set(categories)))}
    genders = {name: k for k, name in enumerate(sorted({gender for gender, _ in known}))}
    above = np.array([genders[gender] for gender, _ in known], dtype=np.int64)
    ids = prevailing(labels, np.array([known[pair] for pair in categories], dtype=np.int64))
    return np.stack([above[ids], ids, np.arange(len(ids))], axis=1), tuple(genders)
