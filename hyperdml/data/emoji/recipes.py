"""What the sets are made of: vendors, the package of each, and how the atlas is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hyperdml.data.emoji.sources import NAMES_PACKAGE, OPENMOJI_PACKAGE, TAXONOMY_PACKAGE

Variant = Literal["bundled", "large"]


@dataclass(frozen=True)
class Vendor:
    """One design family, in one finish: another finish of the same drawings would make retrieval trivial.

    Attributes:
        name: name in the data set.
        package: npm package with the drawings.
        licence: SPDX name of the licence of the artwork.
        chars_package: package of a sister finish that lists the code points, where `package` does not.
        newest: last version of Unicode's emoji standard that the set covers.
    """

    name: str
    package: str
    licence: str
    chars_package: str | None = None
    newest: float = math.inf


@dataclass(frozen=True)
class Recipe:
    """One set: who draws it, how many drawings make a class, and the WebP quality (None: lossless)."""

    vendors: tuple[Vendor, ...]
    min_views: int
    quality: int | None

    @property
    def packages(self) -> tuple[str, ...]:
        """Names of all packages that the set is built from."""
        names = [TAXONOMY_PACKAGE, NAMES_PACKAGE]
        for vendor in self.vendors:
            names.append(vendor.package)
            if vendor.chars_package:
                names.append(vendor.chars_package)
        return tuple(names)


NOTO = Vendor("noto", "@iconify-json/noto", "Apache-2.0")
NOTO_V1 = Vendor("noto-v1", "@iconify-json/noto-v1", "Apache-2.0", newest=4.0)
TWEMOJI = Vendor("twemoji", "@iconify-json/twemoji", "CC-BY-4.0")
OPENMOJI = Vendor("openmoji", OPENMOJI_PACKAGE, "CC-BY-SA-4.0")
FLUENT = Vendor("fluent", "@iconify-json/fluent-emoji", "MIT", "@iconify-json/fluent-emoji-flat")
EMOJIONE_V1 = Vendor("emojione-v1", "@iconify-json/emojione-v1", "CC-BY-SA-4.0", newest=4.0)
EMOJIONE_V2 = Vendor("emojione-v2", "@iconify-json/emojione", "CC-BY-4.0", newest=4.0)

RECIPES: dict[Variant, Recipe] = {
    # only vendors whose licence lets the atlas travel with the package; lossless would be 13.8 MB, this is 7.9
    "bundled": Recipe((NOTO, NOTO_V1, TWEMOJI, FLUENT, EMOJIONE_V2), min_views=5, quality=100),
    "large": Recipe((NOTO, NOTO_V1, TWEMOJI, OPENMOJI, FLUENT, EMOJIONE_V1, EMOJIONE_V2), min_views=4, quality=None),
}
