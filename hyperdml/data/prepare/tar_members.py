"""What a tar archive holds, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from hyperdml.data.prepare.limits import Meter
from hyperdml.data.prepare.members import CHUNK, Member, damage_reported

_COMPRESSED: tuple[tuple[bytes, Callable[[BinaryIO], BinaryIO]], ...] = (
    (b"\x1f\x8b", lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file))),
    (b"BZh", lambda file: cast(BinaryIO, bz2.BZ2File(file))),
    (b"\xfd7zXZ\x00", lambda file: cast(BinaryIO, lzma.LZMAFile(file, format=lzma.FORMAT_XZ))),  # noqa: SIM115 - closed with the file below it
)
# Names and extended headers of real archives have a few hundred bytes. `tarfile` would read one of any stated length
# into memory, and look through it in a time that grows with its square.
_LONGEST_HEADER = 2**14


def tar_members(file: BinaryIO, archive: Path, meter: Meter) -> Iterator[Member]:
    """Files and folders of a tar archive, in their order.

    `tarfile` reads the headers and nothing else: it neither writes files nor decides what is safe.

    Args:
        file: the archive, open at its beginning.
        archive: for messages.
        meter: counts entries and bytes, those of headers and of what is passed over included.

    Raises:
        DataError: the archive is damaged, cut off, above its limits, no tar, or holds what is neither a file nor a
            folder: links of both kinds, devices, pipes, files with holes.
    """
    start = file.read(8)
    file.seek(0)
    unpack = next((unpack for magic, unpack in _COMPRESSED if start.startswith(magic)), None)
    stream = _Stream(file if unpack is None else unpack(file), meter)
    with damage_reported(archive):
        # an invalid first header is an error, later ones look like the end
        package = tarfile.TarFile(fileobj=cast(BinaryIO, stream), encoding="utf-8", errors="surrogateescape")
    while True:
        with damage_reported(archive):
            entry = package.next()
        if entry is None:
            break
        cast(Any, package).members = []  # else all of them stay in memory
        meter.add_entries()
        if not entry.isdir() and (not entry.isreg() or entry.issparse()):
            what = "a link" if entry.issym() or entry.islnk() else "neither a file nor a folder"
            raise meter.refused(f"holds {entry.name!r}, which is {what}; only files and folders are taken")
        yield Member(entry.name, entry.isdir(), _content(stream, entry, archive))
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise meter.refused("is cut off or damaged: it has no end mark")


def _content(stream: _Stream, entry: tarfile.TarInfo, archive: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with damage_reported(archive):
        stream.seek(entry.offset_data)
    left = entry.size
    while left > 0:
        with damage_reported(archive):
            piece = stream.take(min(left, CHUNK))
            if not piece:
                raise EOFError(f"{entry.name!r} ends {left} bytes early")
        left -= len(piece)
        yield piece


class _Stream:
    """What `tarfile` reads from: counts every byte and goes forward only.

    Attributes:
        last: what was read last as a header; the end of an archive is a block of zeros.
    """

    def __init__(self, unpacked: BinaryIO, meter: Meter) -> None:
        self._unpacked, self._meter, self._place = unpacked, meter, 0
        self.last = b""

    def tell(self) -> int:
        """Bytes from the beginning."""
        return self._place

    def seek(self, place: int) -> None:
        """Pass over bytes; those that are not there are missed by the next read.

        Raises:
            ValueError: the place was passed already.
        """
        if place < self._place:
            raise ValueError("a size in a header is negative")
        while self._place < place and self.take(min(place - self._place, CHUNK)):
            pass

    def read(self, size: int) -> bytes:
        """A header.

        Raises:
            ValueError: it is longer than those of real archives.
        """
        if not 0 <= size <= _LONGEST_HEADER:
            raise ValueError(f"a header of {size:,} bytes")
        self.last = b""
        while len(self.last) < size and (piece := self.take(size - len(self.last))):
            self.last += piece
        return self.last

    def take(self, size: int) -> bytes:
        """Content, at most so many bytes of it, and none at the end."""
        piece = self._unpacked.read(size)
        self._place += len(piece)
        self._meter.add(len(piece))
        return piece
