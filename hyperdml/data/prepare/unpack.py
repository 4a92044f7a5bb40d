"""Finding and unpacking the archives of a release where they lie, without overwriting anything."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperdml.data.image_files import printable
from hyperdml.data.prepare.archives import extract_archive
from hyperdml.data.prepare.known import KNOWN, KnownDataset
from hyperdml.errors import DataError

_SUFFIXES = (".zip", ".tgz", ".tar.gz", ".tar", ".tar.bz2", ".tar.xz")
_NOISE = "__MACOSX"  # what macOS adds to ZIP archives, of any data set
_DEPTH = 3  # folders below the root in which archives are looked for


@dataclass(frozen=True)
class ToUnpack:
    """An archive, and where it goes.

    Attributes:
        archive: the file.
        target: the folder that it unpacks to.
    """

    archive: Path
    target: Path


def plan(name: str, root: Path, archives: Sequence[Path] = ()) -> list[ToUnpack]:
    """Which archives of a data set are to be unpacked; those whose folder is there already are not.

    An archive in the root goes beside itself, one from elsewhere into the root.

    Args:
        name: of the data set.
        root: folder in which archives and files are looked for, three folders deep.
        archives: files that are named otherwise or lie elsewhere, one for each archive of the data set, in its order.

    Raises:
        DataError: the folder, an archive or a file of the download is missing; the message says what was looked for and
            where it comes from. Or there are more archives than the data set has.
    """
    known = KNOWN[name]
    if not known.archives:
        raise DataError(f"{known.title} comes in no archive: give its place to hyperdml datasets check")
    if not root.is_dir():
        raise DataError(f"no such folder: {printable(root)}")
    if len(archives) > len(known.archives):
        raise DataError(f"{known.title} comes in {len(known.archives)} archives, got {len(archives)}")
    there = list(_entries(root))
    for file in known.files:
        if not any(path.name == file and path.is_file() for path in there):
            raise _missing(known, root, file)
    found = []
    for place, group in enumerate(known.archives):
        if any(path.name in group and path.is_dir() for path in there):
            continue
        archive = archives[place] if place < len(archives) else _archive_of(there, group)
        if archive is None:
            raise _missing(known, root, f"archive {' or '.join(group)} ({', '.join(_SUFFIXES)})")
        if not archive.is_file():
            raise DataError(f"no such archive: {printable(archive)}")
        inside = archive.absolute().is_relative_to(root.absolute())
        stem = _stem(archive.name)
        target = (archive.parent if inside else root) / (stem if stem in group else group[0])
        found.append(ToUnpack(archive, target))
    return found


def unpack(job: ToUnpack, tick: Callable[[int], None] | None = None) -> None:
    """Unpack an archive, whole or not at all.

    What lies beside the folder in the archive is put beside it here, but for the notes of macOS.

    Args:
        job: from `plan`.
        tick: told the number of the archive's bytes done since the last call.

    Raises:
        DataError: see `extract_archive`; or the archive does not hold the folder, or something of its name is there
            already.
    """
    target = job.target
    if os.path.lexists(target):
        raise DataError(f"{printable(target)} is there already, and nothing is overwritten")
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", suffix=".part", dir=target.parent) as place:
        unpacked = extract_archive(job.archive, Path(place) / "all", tick=tick)
        names = sorted(entry.name for entry in unpacked.iterdir() if entry.name != _NOISE)
        if not (unpacked / target.name).is_dir():
            shown = ", ".join(map(printable, names[:5])) + (" ..." if len(names) > 5 else "")
            raise DataError(f"{printable(job.archive)} holds no folder {target.name}, but {shown}; nothing was kept")
        for name in names:
            if os.path.lexists(target.parent / name):
                raise DataError(f"{printable(target.parent / name)} is there already, and nothing is overwritten")
        for name in sorted(names, key=lambda name: name == target.name):  # the folder last: it says that all is there
            os.rename(unpacked / name, target.parent / name)


def unpackable(root: Path) -> list[str]:
    """Names of the data sets one of whose archives is in a folder."""
    there = list(_entries(root)) if root.is_dir() else []
    return [
        name for name, known in KNOWN.items() if any(_archive_of(there, group) is not None for group in known.archives)
    ]


def _entries(root: Path) -> Iterator[Path]:
    """Files and folders of the root, nearest first; hidden ones and links to folders are not entered."""
    level = [root]
    for _ in range(_DEPTH):
        below: list[Path] = []
        for folder in level:
            try:
                with os.scandir(folder) as listing:
                    entries = sorted(
                        (entry for entry in listing if not entry.name.startswith(".")), key=lambda entry: entry.name
                    )
            except OSError as error:
                raise DataError(f"cannot list the folder {printable(folder)}: {error.strerror}") from error
            yield from (Path(entry.path) for entry in entries)
            below += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        level = below


def _archive_of(there: Sequence[Path], group: Sequence[str]) -> Path | None:
    return next((path for path in there if _stem(path.name) in group and path.is_file()), None)


def _stem(name: str) -> str | None:
    """The name without the suffix of an archive; None of another file."""
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), None)
    return None if suffix is None else name[: -len(suffix)]


def _missing(known: KnownDataset, root: Path, what: str) -> DataError:
    return DataError(
        f"{printable(root)} holds no {what}, up to {_DEPTH} folders deep; {known.title} comes from {known.source}"
    )
