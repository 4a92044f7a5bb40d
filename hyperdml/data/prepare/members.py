"""The files and folders of an archive, in the form in which both kinds of archives give them."""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path

from hyperdml.data.image_files import printable
from hyperdml.errors import DataError

CHUNK = 2**18

# what the readers of the standard library raise for archives that are damaged or made to be
_DAMAGE = (
    EOFError,
    LZMAError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Member:
    """A file or a folder of an archive.

    Attributes:
        name: as the archive has it.
        folder: whether it is a folder.
        content: the bytes of a file, in pieces; to be read before the next member is asked for.
    """

    name: str
    folder: bool
    content: Iterator[bytes]


@contextmanager
def damage_reported(archive: Path) -> Iterator[None]:
    """Turn errors of the standard library's readers into one line.

    Raises:
        DataError: the archive is damaged, cut off or packed in a way that cannot be read.
    """
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{printable(archive)} is damaged, cut off or of an unknown kind: {printable(reason)}"
        ) from error
