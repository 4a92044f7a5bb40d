"""What the npm packages say: the emoji of Unicode with their place in the taxonomy, and vendors' drawings."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperdml.data.emoji.packages import Files

TAXONOMY_PACKAGE = "emoji-datasource"
NAMES_PACKAGE = "emojibase-data"
OPENMOJI_PACKAGE = "openmoji"
MAX_ALIASES = 5


@dataclass(frozen=True)
class Emoji:
    """One emoji of Unicode.

    Attributes:
        code_points: hexadecimal code points joined by '-', upper case, with variation selectors.
        name: English short name of the Unicode CLDR, such as 'cat face'.
        unicode_name: older character name of the Unicode standard, such as 'CAT FACE'; may be empty.
        group: top level of the Unicode taxonomy, such as 'Animals & Nature'.
        subgroup: second level, such as 'animal-mammal'.
        added_in: version of Unicode's emoji standard that first had it, such as 0.6 or 13.0.
    """

    code_points: str
    name: str
    unicode_name: str
    group: str
    subgroup: str
    added_in: float

    @property
    def key(self) -> str:
        """Code points in the form that sets are matched by."""
        return code_point_key(self.code_points)


@dataclass(frozen=True)
class IconSet:
    """Drawings of one vendor.

    Attributes:
        svgs: SVG text by icon name.
        aliases: icon name by other name; only aliases that rename, none that flip or turn.
        chars: icon name by code-point key; empty where the vendor gives only names.
        newest: last version of Unicode's emoji standard that the set can know; what came later is no class
            of it, whatever its icons are called ('window' of 2015 is not the window of 2020).
    """

    svgs: Mapping[str, str]
    aliases: Mapping[str, str]
    chars: Mapping[str, str]
    newest: float = math.inf

    def resolve(self, name: str) -> str | None:
        """Name of the icon that `name` stands for after aliases, or None."""
        for _ in range(MAX_ALIASES):
            if name in self.svgs or name not in self.aliases:
                break
            name = self.aliases[name]
        return name if name in self.svgs else None


def code_point_key(code_points: str) -> str:
    """Lower case, no zero padding and no variation selector: vendors disagree about all three."""
    return "-".join(part.lstrip("0") for part in code_points.lower().split("-") if part != "fe0f")


def slug(text: str) -> str:
    """Icon name that a CLDR or Unicode name becomes: 'Côte d’Ivoire & co' gives 'cote-divoire-and-co'."""
    plain = unicodedata.normalize("NFKD", text.replace("&", "and")).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")


def read_emoji(taxonomy: Files, names: Files) -> list[Emoji]:
    """The emoji that can be a class, in Unicode's order.

    Flags are left out (most vendors draw none), and so are families and the man and woman sequences, for
    which several vendors repeat the neutral drawing.

    Args:
        taxonomy: files of emoji-datasource, with `emoji.json`.
        names: files of emojibase-data, with `en/data.json`.
    """
    labels = {code_point_key(entry["hexcode"]): entry["label"] for entry in json.loads(names["en/data.json"])}
    entries = sorted(json.loads(taxonomy["emoji.json"]), key=lambda entry: entry["sort_order"])
    return [
        Emoji(
            code_points=entry["unified"],
            name=labels[code_point_key(entry["unified"])],
            unicode_name=entry["name"] or "",
            group=entry["category"],
            subgroup=entry["subcategory"],
            added_in=float(entry["added_in"]),
        )
        for entry in entries
        if entry["category"] not in ("Component", "Flags")
        and entry["subcategory"] != "family"
        and not entry["unified"].endswith(("2640-FE0F", "2642-FE0F"))
    ]


def read_iconify(files: Files, chars: Files | None = None, newest: float = math.inf) -> IconSet:
    """Read an Iconify set: `icons.json`, and `chars.json` of its own package or of a sister set's.

    Args:
        files: files of the package that holds the drawings.
        chars: files of another finish of the same family, where only that one lists code points.
        newest: as in `IconSet`.
    """
    icons = json.loads(files["icons.json"])
    listed = json.loads((files if chars is None else chars)["chars.json"])
    return IconSet(
        svgs={name: _iconify_svg(icon, icons) for name, icon in icons["icons"].items()},
        aliases={
            name: alias["parent"]
            for name, alias in icons.get("aliases", {}).items()
            if set(alias) <= {"parent", "hidden"}
        },
        chars={code_point_key(code): name for code, name in listed.items()},
        newest=newest,
    )


def read_openmoji(files: Files) -> IconSet:
    """Read OpenMoji's colour drawings, one SVG file for each sequence of code points."""
    svgs = {
        path.rpartition("/")[2].removesuffix(".svg"): content.decode()
        for path, content in files.items()
        if path.startswith("color/svg/")
    }
    return IconSet(svgs=svgs, aliases={}, chars={code_point_key(name): name for name in svgs})


def _iconify_svg(icon: Mapping[str, Any], icons: Mapping[str, Any]) -> str:
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}" color="#222">'
        f"{icon['body']}</svg>"
    )
