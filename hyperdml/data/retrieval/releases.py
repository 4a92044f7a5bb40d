"""What the four releases share: finding their folder, and holding them to their counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hyperdml.data.image_files import printable
from hyperdml.errors import DataError
from hyperdml.taxonomy.names import listing


def find_release(root: Path, fits: Callable[[Path], bool], wanted: str) -> Path:
    """The folder of a release: `root`, or the one folder in it that fits.

    Args:
        root: what the user named.
        fits: whether a folder is that of the release.
        wanted: what makes it so, in words.

    Raises:
        DataError: there is no such folder, none fits, or several in `root` do.
    """
    if not root.is_dir():
        raise DataError(f"data.root: no such folder: {printable(root)}")
    try:
        if fits(root):
            return root
        inside = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        found = [entry for entry in inside if fits(entry)]
    except OSError as error:
        raise DataError(f"cannot list the folder {printable(error.filename or root)}: {error.strerror}") from error
    if not found:
        names = listing(printable(entry.name) for entry in inside) or "no folders"
        raise DataError(f"{printable(root)} holds no {wanted}, nor does a folder in it; in it are: {names}")
    if len(found) > 1:
        names = listing(printable(entry.name) for entry in found)
        raise DataError(f"{printable(root)} holds several folders with {wanted}: {names}; name one of them")
    return found[0]


def check_counts(where: Path, title: str, counts: Mapping[str, tuple[int, int]]) -> None:
    """Hold a release to the counts that it has when it is whole.

    Args:
        where: its folder or list.
        title: its name.
        counts: what is counted: how many there are, how many there should be.

    Raises:
        DataError: counts differ; the message names each.
    """
    wrong = [f"{expected:,} {what}, found {found:,}" for what, (found, expected) in counts.items() if found != expected]
    if wrong:
        raise DataError(
            f"{printable(where)}: {title} has {'; '.join(wrong)}. "
            "Give data.complete=false to read a part of the data set"
        )
