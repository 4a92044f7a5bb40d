"""Write an emoji set to a folder: atlas pages and the index that says what is on them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from hyperdml.data.emoji import atlas
from hyperdml.data.emoji.dataset import INDEX_FILE
from hyperdml.data.emoji.drawing import Drawings, Progress
from hyperdml.data.emoji.packages import PACKAGES
from hyperdml.data.emoji.recipes import Recipe
from hyperdml.data.emoji.sources import Emoji
from hyperdml.errors import EnvironmentProblem

TINY_GROUPS = ("Animals & Nature", "Food & Drink", "Travel & Places", "Objects")
TINY_SUBGROUPS = 3
TINY_CLASSES = 10


@dataclass(frozen=True)
class BuildReport:
    """What `build_emoji` wrote.

    Attributes:
        classes: number of classes.
        images: number of images.
        groups: number of Unicode groups.
        subgroups: number of Unicode subgroups.
        per_vendor: number of images by vendor.
        repeated: number of drawings left out because several classes had the very same picture.
        path: folder of the set, for `load_emoji(folder=path)`.
        sha256: SHA-256 of the atlas (of its pages one after another where there are several).
    """

    classes: int
    images: int
    groups: int
    subgroups: int
    per_vendor: dict[str, int]
    repeated: int
    path: Path
    sha256: str


def write_set(drawings: Drawings, recipe: Recipe, out: Path, progress: Progress) -> BuildReport:
    """Write atlas pages and index to `out`; the index comes last, so a broken run leaves no mixed set.

    Raises:
        EnvironmentProblem: the folder cannot be written.
    """
    tile = drawings.tiles.shape[1]
    grids = atlas.grid(len(drawings.tiles), tile)
    encoded: list[bytes] = []
    pages, start = [], 0
    for number, (count, rows, columns) in enumerate(grids):
        progress("write", number, len(grids))
        file = "emoji.webp" if len(grids) == 1 else f"emoji-{number}.webp"
        content = atlas.encode(atlas.pack(drawings.tiles[start : start + count], rows, columns), recipe.quality)
        encoded.append(content)
        digest = hashlib.sha256(content).hexdigest()
        pages.append({"file": file, "sha256": digest, "images": count, "rows": rows, "columns": columns})
        start += count
    index = {
        "tile": tile,
        "image_order": "class-major, vendor-minor, row by row",
        "pages": pages,
        "quality": "lossless" if recipe.quality is None else recipe.quality,
        "packages": {name: PACKAGES[name].version for name in recipe.packages},
        "tools": {name: version(name) for name in ("resvg_py", "pillow")},
        "vendors": [{"name": v.name, "package": v.package, "licence": v.licence} for v in recipe.vendors],
        "tiny": tiny_classes(drawings.emoji),
        "classes": [
            {
                "name": one.name,
                "code_points": one.code_points,
                "group": one.group,
                "subgroup": one.subgroup,
                "vendors": list(views),
            }
            for one, views in zip(drawings.emoji, drawings.views, strict=True)
        ],
    }
    contents = {str(page["file"]): content for page, content in zip(pages, encoded, strict=True)}
    contents[INDEX_FILE] = json.dumps(index, ensure_ascii=False).encode() + b"\n"
    try:
        _replace_files(contents, out)
    except OSError as error:
        raise EnvironmentProblem(f"{out} cannot be written: {error.strerror}") from error
    progress("write", len(grids), len(grids))
    counts = Counter(recipe.vendors[vendor_id].name for views in drawings.views for vendor_id in views)
    return BuildReport(
        classes=len(drawings.emoji),
        images=len(drawings.tiles),
        groups=len({one.group for one in drawings.emoji}),
        subgroups=len({(one.group, one.subgroup) for one in drawings.emoji}),
        per_vendor={vendor.name: counts[vendor.name] for vendor in recipe.vendors},
        repeated=drawings.repeated,
        path=out,
        sha256=hashlib.sha256(b"".join(encoded)).hexdigest(),
    )


def tiny_classes(emoji: Sequence[Emoji], seed: int = 0) -> list[int]:
    """Sorted indices of a small, even subset: 4 groups, their 3 largest subgroups, 10 classes of each."""
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    for group in TINY_GROUPS:
        sizes = Counter(one.subgroup for one in emoji if one.group == group)
        for subgroup, _ in sizes.most_common(TINY_SUBGROUPS):
            members = [i for i, one in enumerate(emoji) if (one.group, one.subgroup) == (group, subgroup)]
            chosen.extend(int(i) for i in rng.permutation(members)[:TINY_CLASSES])
    return sorted(chosen)


def _replace_files(contents: dict[str, bytes], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".writing-") as scratch:
        for name, content in contents.items():
            (Path(scratch) / name).write_bytes(content)
        for name in contents:
            os.replace(Path(scratch) / name, out / name)
