"""What a ZIP archive holds."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hyperdml.data.prepare.limits import Meter
from hyperdml.data.prepare.members import CHUNK, Member, damage_reported

_ENCRYPTED = 0x1
_FOLDER_OF_DOS = 0x10


def zip_members(file: BinaryIO, archive: Path, meter: Meter) -> Iterator[Member]:
    """Files and folders of a ZIP archive, in the order of its directory.

    What the directory says about sizes is only used to refuse early; bytes are counted as they are unpacked.

    Args:
        file: the archive, open.
        archive: for messages.
        meter: counts entries and bytes.

    Raises:
        DataError: the archive is damaged, above its limits, protected with a password, or holds what is neither a file
            nor a folder.
    """
    with damage_reported(archive):
        package = zipfile.ZipFile(file)
    with package:
        entries = package.infolist()
        meter.add_entries(len(entries))
        meter.allow(sum(entry.file_size for entry in entries))
        for entry in entries:
            name = repr(entry.orig_filename)
            if entry.flag_bits & _ENCRYPTED:
                raise meter.refused(
                    f"is protected with a password ({name} is); unpack it with the password that its owners give out, "
                    "for example with 7z or unzip"
                )
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                what = "a link" if kind == stat.S_IFLNK else "no file"
                raise meter.refused(f"holds {name}, which is {what}; only files and folders are taken")
            folder = entry.orig_filename.endswith("/")
            if folder != (kind == stat.S_IFDIR) and kind:
                raise meter.refused(f"holds {name}, which says that it is a file and a folder")
            yield Member(entry.orig_filename, folder, _content(package, entry, archive, meter))


def _content(package: zipfile.ZipFile, entry: zipfile.ZipInfo, archive: Path, meter: Meter) -> Iterator[bytes]:
    """The bytes of a file; its checksum is compared at the end."""
    with damage_reported(archive):
        unpacked = package.open(entry)
    with unpacked:
        while True:
            with damage_reported(archive):
                piece = unpacked.read(CHUNK)
            if not piece:
                return
            meter.add(len(piece))
            yield piece
