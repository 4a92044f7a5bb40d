"""The explorer as one self-contained HTML page: own scripts and style alone, no network, nothing a name can break."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from hyperdml.data.image_files import printable

FORMAT = "hyperdml.explorer/1"
"""Format of the data that the page reads."""

# one concept a file, in the order in which they need each other
_SCRIPTS = (
    "geometry",
    "model",
    "colours",
    "state",
    "view",
    "stamps",
    "points",
    "edges",
    "images",
    "marks",
    "stage",
    "motion",
    "pointer",
    "keyboard",
    "text",
    "tooltip",
    "details",
    "path",
    "legend",
    "search",
    "figures",
    "controls",
    "svg",
    "main",
)


def explorer_page(data: Mapping[str, Any]) -> str:
    """The page that shows a hierarchy: a Poincaré disk that can be moved, with its tree, its images and its scores.

    A Content-Security-Policy forbids the network and every script and style but the page's own, which are named by
    their SHA-256. The data stand in the page as JSON in which no character can end the element; the scripts set names
    as text only. Characters that cannot be printed are escaped, numbers that are not finite become null.

    Args:
        data: what `explorer_data` makes: title, names, trees, layouts, colours, neighbours, thumbnails and figures.

    Returns:
        The HTML document, to be written in UTF-8.

    Raises:
        ValueError: data of another format, without leaves, or with another number of names than leaves.
    """
    found = data.get("format")
    if found != FORMAT:
        raise ValueError(f"expected data of the format {FORMAT!r}, got {found!r}")
    leaves, names = data["leaves"], data["names"]
    if leaves < 1 or len(names) != leaves:
        raise ValueError(f"expected a name for each of one or more leaves, got {len(names)} names, {leaves} leaves")
    style, script = _asset("style.css"), _script()
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    text = json.dumps(_plain(data), separators=(",", ":"), allow_nan=False)
    parts = {
        "POLICY": policy,
        "TITLE": escape(printable(data["title"])),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", text),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def _plain(value: Any) -> Any:
    """The same without what JSON or a screen cannot take."""
    if isinstance(value, str):
        return value if value.isprintable() else printable(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@cache
def _script() -> str:
    """All scripts in one closure, so that they share their names with nobody."""
    code = "\n".join(_asset(f"{name}.js") for name in _SCRIPTS)
    return f'(() => {{\n"use strict";\n{code}}})();'


def _asset(name: str) -> str:
    return (files("hyperdml.viz.explorer") / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
