"""`hyperdml datasets check`, `scan` and `prepare`: data sets that somebody downloaded."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hyperdml.cli.output import Json, print_json
from hyperdml.errors import ConfigError, DataError

if TYPE_CHECKING:
    from hyperdml.cli.progress import RunProgress
    from hyperdml.data.prepare.contents import Contents
    from hyperdml.data.scan import ScanReport

Name = Annotated[str | None, Parameter(name="--name")]
"""What `data.name` would be; None to recognise it."""

_SHOWN = 20
_PARTS = ("train", "val", "valid", "validation", "test")


def check_dataset(
    root: Path,
    /,
    *,
    name: Name = None,
    partial: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Load a data set as training would and print its counts; say what differs if it is not the whole release.

    Image files are looked for, but not opened: see hyperdml datasets scan. Ends with exit code 3 if anything is missing
    or differs.

    hyperdml datasets check CUB_200_2011

    Args:
        root: folder of the release, or the one that holds it; a folder of images; or a CSV file.
        name: which data set it is (hyperdml datasets list), if it is not recognised.
        partial: take a part of a release too.
        json: print one JSON object.
    """
    _show(_load(root, name, not partial), root, json)


def scan_dataset(root: Path, /, *, name: Name = None, workers: int | None = None, json: Json = False) -> None:
    """Decode every image of a data set or folder, and list those that cannot be read.

    Ends with exit code 3 if there are any. Images that are read but are unusual are counted: stored turned, other modes
    than RGB, a side below 32 pixels, several frames, a suffix of another format, the same file in another part.

    hyperdml datasets scan photos

    Args:
        root: folder of a release, any folder of images, or a CSV file.
        name: which data set it is (hyperdml datasets list), if it is not recognised.
        workers: processes that decode; 0 decodes without any. By default as many as there are processors, fewer for
            less than 2,000 images each.
        json: print one JSON object with all findings; at most 20 are listed without.
    """
    from rich.console import Console

    from hyperdml.cli.progress import RunProgress
    from hyperdml.data.prepare.known import recognise
    from hyperdml.data.scan import scan_images

    if workers is not None and workers < 0:
        raise ConfigError(f"--workers must be 0 or more, got {workers}")
    name = name or recognise(root)
    if name is None:
        folder, parts = _images_of(root)
    else:
        contents = _load(root, name, complete=False)
        folder, parts = contents.paths()
        if not parts:
            raise DataError(
                f"the images of {name} are in arrays, not in files: hyperdml datasets check {root} reads all"
            )
    total = sum(map(len, parts.values()))
    count = min(os.cpu_count() or 1, total // 2000) if workers is None else workers  # starting one takes seconds
    progress = RunProgress(Console(soft_wrap=True, stderr=json))
    progress.start("decode", total)
    try:
        report = scan_images(folder, parts, count, lambda done: progress.advance(done, {}))
    finally:
        progress.close()
    _show_scan(report, json)
    if report.broken:
        raise DataError(f"{len(report.broken):,} of {total:,} images cannot be read")


def prepare_dataset(
    root: Path,
    /,
    *,
    name: Name = None,
    archive: Annotated[list[Path] | None, Parameter(negative="")] = None,
    partial: Annotated[bool, Parameter(negative="")] = False,
    json: Json = False,
) -> None:
    """Unpack the archives of a release where they lie, and check what is there then.

    Nothing is overwritten: an archive whose folder is there is left alone. An archive with links, with names that lead
    elsewhere or with far more in it than images have is refused as a whole.

    hyperdml datasets prepare downloads

    Args:
        root: folder with the archives, as they were downloaded.
        name: which data set it is (hyperdml datasets list), if it is not recognised by its archives.
        archive: archive that has another name or lies elsewhere; what it holds is put into root.
        partial: take a part of a release too.
        json: print one JSON object.
    """
    from rich.console import Console

    from hyperdml.cli.progress import RunProgress
    from hyperdml.data.prepare.known import recognise, recognised
    from hyperdml.data.prepare.unpack import plan, unpack, unpackable

    if name is None:
        found = unpackable(root)
        if len(found) > 1:
            raise ConfigError(f"{root} holds archives of several data sets ({', '.join(found)}); give --name")
        name = found[0] if found else recognise(root)
    name = _named(root, name)
    progress = RunProgress(Console(soft_wrap=True, stderr=json))
    # a release that was unpacked by hand may be laid out in another way than its archives are
    unpacked = not archive and name in recognised(root) and name not in unpackable(root)
    jobs = [] if unpacked else plan(name, root, archive or ())
    if not jobs:
        progress.message("nothing to unpack")
    for job in jobs:
        progress.start(f"unpack {job.archive.name} (MB)", max(1, job.archive.stat().st_size >> 20))
        try:
            unpack(job, _in_megabytes(progress))
        finally:
            progress.close()
        progress.message(f"{job.archive} unpacked to {job.target}")
    _show(_load(root, name, not partial), root, json)


def _named(root: Path, name: str | None) -> str:
    """The name, if there is such a data set."""
    from hyperdml.data.prepare.known import KNOWN

    known = ", ".join(KNOWN)
    if not root.exists():
        raise DataError(f"no such file or folder: {root}")
    if name is None:
        raise ConfigError(f"no data set is recognised in {root} or in its folders; give --name, one of {known}")
    if name not in KNOWN:
        raise ConfigError(f"--name must be one of {known}, got {name!r}")
    return name


def _load(root: Path, name: str | None, complete: bool) -> Contents:
    from hyperdml.data.prepare.contents import load_contents
    from hyperdml.data.prepare.known import recognise

    return load_contents(_named(root, name or recognise(root)), root, complete)


def _images_of(root: Path) -> tuple[Path, dict[str, tuple[str, ...]]]:
    """The folder and all of its images, those in folders called after parts as these parts."""
    from hyperdml.data.image_files import list_images

    folder = root.parent if root.is_file() else root
    parts: dict[str, list[str]] = {}
    for path in list_images(root):
        inside = path.relative_to(folder)
        part = inside.parts[0] if inside.parts[0] in _PARTS else "all"
        parts.setdefault(part, []).append(inside.as_posix())
    return folder, {part: tuple(paths) for part, paths in parts.items()}


def _in_megabytes(progress: RunProgress) -> Callable[[int], None]:
    """Moves the bar by whole megabytes."""
    left = 0

    def tick(count: int) -> None:
        nonlocal left
        whole, left = divmod(left + count, 2**20)
        if whole:
            progress.advance(whole, {})

    return tick


def _show(contents: Contents, root: Path, json: bool) -> None:
    """Print counts."""
    from hyperdml.data.image_files import printable
    from hyperdml.data.prepare.known import KNOWN

    if json:
        parts = {part: asdict(counts) for part, counts in contents.parts.items()}
        print_json({"name": contents.name, "root": str(root), "parts": parts, "levels": contents.levels})
        return
    print(f"{printable(root)}: {KNOWN[contents.name].title} (data.name={contents.name})")
    for part, counts in contents.parts.items():
        masks = "" if counts.queries is None else f", {counts.queries:,} queries, {counts.gallery:,} in the gallery"
        print(f"{part:<10} {counts.images:>8,} images {counts.classes:>7,} classes{masks}")
    print("levels     " + " > ".join(f"{count:,} {level}" for level, count in contents.levels.items()))


def _show_scan(report: ScanReport, json: bool) -> None:
    """Print what a scan found."""
    from hyperdml.data.image_files import printable

    if json:
        record: dict[str, Any] = {"root": str(report.root), "images": report.images}
        for title, findings, counts in (
            ("broken", report.broken, report.broken_by_kind()),
            ("warnings", report.warnings, report.warnings_by_kind()),
        ):
            record |= {title: [asdict(finding) for finding in findings], f"{title}_by_kind": counts}
        print_json(record)
        return
    sizes = ", ".join(f"{count:,} {part}" for part, count in report.images.items())
    print(f"{printable(report.root)}: {sum(report.images.values()):,} images ({sizes})")
    for finding in report.broken[:_SHOWN]:
        print(f"broken: {printable(finding.path)}: {printable(finding.text)}")
    if len(report.broken) > _SHOWN:
        print(f"broken: and {len(report.broken) - _SHOWN:,} more; --json lists all")
    for kind, count in report.broken_by_kind().items():
        print(f"broken in all: {count:>7,} {printable(kind)}")
    for kind, count in report.warnings_by_kind().items():
        first = next(finding for finding in report.warnings if finding.kind == kind)
        print(f"unusual:       {count:>7,} {kind}, as {printable(first.path)}: {first.text}")
    if not report.broken and not report.warnings:
        print("nothing found")
