"""Unpacking an archive that somebody else made, or nothing of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from hyperdml.data.image_files import printable
from hyperdml.data.prepare.limits import DEFAULT, Limits, Meter
from hyperdml.data.prepare.member_names import MemberNames
from hyperdml.data.prepare.tar_members import tar_members
from hyperdml.data.prepare.zip_members import zip_members
from hyperdml.errors import DataError
from hyperdml.files import new_folder

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def extract_archive(
    archive: Path, target: Path, limits: Limits = DEFAULT, tick: Callable[[int], None] | None = None
) -> Path:
    """Unpack a ZIP archive or a tar (plain, gzip, bzip2, xz; the content decides, not the suffix) into a new folder.

    Everything is written into a folder beside the target, which gets the target's name when it is whole; after an
    error or an interrupt nothing is left. Only files and folders are taken: an archive with a link of any kind, a
    device, a name that leads elsewhere (absolute, "..", a drive), names that differ in case only, one name twice, or an
    encrypted file is refused as a whole. Modes, owners and times are not taken over. Archives within the archive stay
    packed.

    Args:
        archive: the file.
        target: the folder to make; its parent must be there.
        limits: of the bytes, of their number for each byte of the archive, of the entries and their depth; counted
            while the archive is unpacked, whatever its headers say.
        tick: told the number of the archive's bytes done since the last call.

    Returns:
        The target.

    Raises:
        DataError: there is no such archive, the target is there already, the archive is none of these kinds, damaged,
            cut off, above a limit, empty, or holds what is refused; the message says which member and why.
        OSError: the disk is full or the folder is not writable.
    """
    try:
        file = archive.open("rb")
    except OSError as error:
        raise DataError(f"cannot open the archive {printable(archive)}: {error.strerror}") from error
    with file, new_folder(target) as folder:
        size = os.fstat(file.fileno()).st_size
        meter = Meter(archive, size, limits)
        done = files = 0
        for path, pieces in _unpacked(file, archive, meter, MemberNames(limits.depth)):
            if pieces is None:
                (folder / path).mkdir(parents=True, exist_ok=True)
                continue
            files += 1
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            with (folder / path).open("xb") as out:
                for piece in pieces:
                    out.write(piece)
                    # a tar is read from the front; of a ZIP the place only ever grows where files follow their order
                    if tick is not None and file.tell() > done:
                        tick(file.tell() - done)
                        done = file.tell()
        if not files:
            raise meter.refused("holds no files")
        if tick is not None and size > done:
            tick(size - done)
    return target


def _unpacked(
    file: BinaryIO, archive: Path, meter: Meter, names: MemberNames
) -> Iterator[tuple[Path, Iterator[bytes] | None]]:
    """Relative path of every member that is safe, and the bytes of a file or None for a folder."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"<"):
        raise meter.refused("is a web page and no archive: what was downloaded is a message of the server")
    read = zip_members if start in _ZIP else tar_members
    for member in read(file, archive, meter):
        try:
            parts = names.parts(member.name, member.folder)
        except ValueError as error:
            raise meter.refused(f"holds {member.name!r}, which {error}") from error
        yield Path(*parts), None if member.folder else member.content
