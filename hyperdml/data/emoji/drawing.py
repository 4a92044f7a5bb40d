"""Draw every class of a set: read the packages, match the icons, rasterise them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from hyperdml.data.emoji.matching import match_icons
from hyperdml.data.emoji.packages import Files
from hyperdml.data.emoji.recipes import FLUENT, NOTO, OPENMOJI, TWEMOJI, Recipe, Vendor
from hyperdml.data.emoji.render import render_svg
from hyperdml.data.emoji.sources import (
    NAMES_PACKAGE,
    TAXONOMY_PACKAGE,
    Emoji,
    IconSet,
    read_emoji,
    read_iconify,
    read_openmoji,
)
from hyperdml.errors import DataError

Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and the steps in all."""

TRUSTED = (NOTO.name, FLUENT.name, TWEMOJI.name)
"""Vendors whose icon names follow the CLDR and are listed by code point, most trusted first."""


@dataclass(frozen=True)
class Drawings:
    """Drawings of a set, class-major and vendor-minor.

    Attributes:
        emoji: the classes, in Unicode's order.
        views: for each class the vendors that draw it, as ascending indices into the recipe's vendors.
        tiles: array (N, S, S, 3) uint8 RGB, N = sum of the lengths of `views`.
        repeated: number of drawings left out because another class has the very same picture.
    """

    emoji: tuple[Emoji, ...]
    views: tuple[tuple[int, ...], ...]
    tiles: np.ndarray
    repeated: int


def draw(recipe: Recipe, packages: Mapping[str, Files], size: int, progress: Progress) -> Drawings:
    """Rasterise all classes of a recipe that enough vendors draw.

    A picture that several classes share byte for byte is left out of all of them: no search could tell
    those classes apart. Classes that fall below the recipe's number of views by that are left out too.

    Args:
        recipe: vendors and the least number of drawings of a class.
        packages: files by package name, for `recipe.packages`.
        size: side of a tile in pixels.
        progress: told of each class.

    Raises:
        DataError: a package lacks a file, or no class is left, or two classes have one name.
    """
    try:
        emoji = read_emoji(packages[TAXONOMY_PACKAGE], packages[NAMES_PACKAGE])
        sets = {vendor.name: _read_set(vendor, packages) for vendor in recipe.vendors}
    except KeyError as error:
        raise DataError(f"a package of the emoji set lacks {error}") from error
    trusted = [sets[name].chars for name in TRUSTED if name in sets]
    matches = [match_icons(emoji, sets[vendor.name], trusted) for vendor in recipe.vendors]
    wanted = [i for i in range(len(emoji)) if sum(i in match for match in matches) >= recipe.min_views]
    pictures: dict[tuple[int, int], np.ndarray] = {}
    for done, index in enumerate(wanted):
        progress("draw", done, len(wanted))
        for vendor_id, (vendor, match) in enumerate(zip(recipe.vendors, matches, strict=True)):
            if index in match:
                svg = sets[vendor.name].svgs[match[index]]
                try:
                    pictures[index, vendor_id] = render_svg(svg, size)
                except DataError as error:
                    raise DataError(f"{vendor.name}, icon {match[index]!r}: {error}") from error
    progress("draw", len(wanted), len(wanted))
    repeated = repeated_pictures(pictures)
    vendor_ids = range(len(recipe.vendors))
    views = {i: tuple(v for v in vendor_ids if (i, v) in pictures and (i, v) not in repeated) for i in wanted}
    kept = [index for index in wanted if len(views[index]) >= recipe.min_views]
    if not kept:
        raise DataError(f"no emoji has {recipe.min_views} drawings")
    names = {emoji[index].name for index in kept}
    if len(names) < len(kept):
        raise DataError("two emoji of the set have the same name")
    return Drawings(
        emoji=tuple(emoji[index] for index in kept),
        views=tuple(views[index] for index in kept),
        tiles=np.stack([pictures[index, vendor_id] for index in kept for vendor_id in views[index]]),
        repeated=len(repeated),
    )


def repeated_pictures(pictures: Mapping[tuple[int, int], np.ndarray]) -> set[tuple[int, int]]:
    """Keys (class, vendor) of the pictures that occur, byte for byte, in more than one class."""
    owners = defaultdict(list)
    for key, picture in pictures.items():
        owners[hashlib.sha256(picture.tobytes()).digest()].append(key)
    return {key for keys in owners.values() if len({index for index, _ in keys}) > 1 for key in keys}


def _read_set(vendor: Vendor, packages: Mapping[str, Files]) -> IconSet:
    if vendor.package == OPENMOJI.package:
        return read_openmoji(packages[vendor.package])
    chars = packages[vendor.chars_package] if vendor.chars_package else None
    return read_iconify(packages[vendor.package], chars, vendor.newest)
