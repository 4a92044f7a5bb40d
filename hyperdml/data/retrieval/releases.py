"""Finding the folder of a release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hyperdml.data.folders import folders_within
from hyperdml.data.image_files import printable
from hyperdml.errors import DataError
from hyperdml.taxonomy.names import listing


def find_release(root: Path, fits: Callable[[Path], bool], wanted: str) -> Path:
    """The folder of a release: `root`, or the one folder in it that fits, or the one further down.

    Args:
        root: what the user named.
        fits: whether a folder is that of the release.
        wanted: what makes it so, in words.

    Raises:
        DataError: there is no such folder, none fits, or several that are equally near do.
    """
    if not root.is_dir():
        raise DataError(f"data.root: no such folder: {printable(root)}")
    inside: list[Path] = []
    for folders in folders_within(root):
        inside = inside or [folder for folder in folders if folder != root]
        try:
            found = [folder for folder in folders if fits(folder)]
        except OSError as error:
            raise DataError(f"cannot list the folder {printable(error.filename or root)}: {error.strerror}") from error
        if len(found) == 1:
            return found[0]
        if found:
            names = listing(printable(folder.relative_to(root)) for folder in found)
            raise DataError(f"{printable(root)} holds several folders with {wanted}: {names}; name one of them")
    names = listing(printable(folder.name) for folder in inside) or "no folders"
    raise DataError(f"{printable(root)} holds no {wanted}, nor does a folder in it; in it are: {names}")
