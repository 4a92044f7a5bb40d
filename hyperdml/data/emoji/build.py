"""Draw an emoji set from the vendors' npm packages."""

from __future__ import annotations

import os
from pathlib import Path

from hyperdml.data.emoji.drawing import Progress, draw
from hyperdml.data.emoji.packages import PACKAGES, Files, fetch, read_members
from hyperdml.data.emoji.recipes import RECIPES, Variant
from hyperdml.data.emoji.writing import BuildReport, write_set

SIZES = range(8, 513)


def cache_folder() -> Path:
    """Folder of the user for what can be fetched or built again: below XDG_CACHE_HOME, else ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hyperdml"


def default_folder(variant: Variant) -> Path:
    """Where a set is built unless the user names a folder."""
    return cache_folder() / f"emoji-{variant}"


def build_emoji(
    out: Path,
    variant: Variant = "bundled",
    size: int = 64,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> BuildReport:
    """Fetch the packages, draw the set and write it to `out`; about a minute on one core.

    The same packages, renderer and encoder give the same bytes.

    Args:
        out: folder for the atlas pages and their index, made if need be.
        variant: 'bundled', the set that comes with the package, or 'large', seven vendors of which two
            are under share-alike licences: the result must not be redistributed under other terms.
        size: side of an image in pixels, 8..512.
        cache: folder that keeps the fetched packages; None for the user's cache.
        progress: called with ('fetch' | 'draw' | 'write', steps done, steps in all).

    Raises:
        ValueError: `variant` or `size` is not one of those allowed.
        EnvironmentProblem: npm is missing, a package cannot be fetched, or `out` cannot be written.
        DataError: a package does not hold what it should.
    """
    if variant not in RECIPES:
        raise ValueError(f"variant must be one of {', '.join(RECIPES)}, got {variant!r}")
    if size not in SIZES:
        raise ValueError(f"size must be in {SIZES.start}..{SIZES.stop - 1} pixels, got {size!r}")
    tell = progress or (lambda stage, done, total: None)
    recipe = RECIPES[variant]
    folder = cache_folder() / "packages" if cache is None else cache
    packages: dict[str, Files] = {}
    for done, name in enumerate(recipe.packages):
        tell("fetch", done, len(recipe.packages))
        packages[name] = read_members(fetch(PACKAGES[name], folder), _is_needed)
    tell("fetch", len(recipe.packages), len(recipe.packages))
    return write_set(draw(recipe, packages, size, tell), recipe, out, tell)


def _is_needed(path: str) -> bool:
    wanted = ("icons.json", "chars.json", "emoji.json", "en/data.json")
    return path in wanted or (path.startswith("color/svg/") and path.endswith(".svg"))
