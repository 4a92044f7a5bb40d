"""Text files: whole or line by line, in UTF-8, of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hyperdml.errors import DataError

MAX_WHOLE = 512 * 2**20
"""Bytes of a file that is read at once (JSON, Newick)."""
MAX_STREAMED = 4 * 2**30
"""Bytes of a file that is read line by line."""
MAX_LINE = 2**20
"""Bytes of one such line."""
_MARK = b"\xef\xbb\xbf"


def read_text(path: Path) -> str:
    """Text of a file in UTF-8, with or without a byte order mark.

    Raises:
        DataError: the file is missing, cannot be read, is larger than 512 MiB or holds something else.
    """
    try:
        with path.open("rb") as file:
            _check_size(path, file, MAX_WHOLE)
            return file.read().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text in UTF-8: {error.reason} at byte {error.start}") from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Lines of a file in UTF-8 with their numbers from 1, without their ends (``\n`` or ``\r\n``).

    Raises:
        DataError: the file is missing, cannot be read, is larger than 4 GiB, has a line of more than 1 MiB or holds
            something else; the message names the line.
    """
    try:
        with path.open("rb") as file:
            _check_size(path, file, MAX_STREAMED)
            number = 0
            while line := file.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise DataError(f"{path}, line {number}: longer than {MAX_LINE} bytes")
                if number == 1:
                    line = line.removeprefix(_MARK)
                try:
                    yield number, line.decode().rstrip("\r\n")
                except UnicodeDecodeError as error:
                    reason = f"not text in UTF-8: {error.reason} at byte {error.start}"
                    raise DataError(f"{path}, line {number}: {reason}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def read_start(path: Path, size: int = 2**16) -> str:
    """The first bytes of a file as text, to see what it is; what is not UTF-8 is replaced.

    Raises:
        DataError: the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(size).decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _check_size(path: Path, file: BinaryIO, limit: int) -> None:
    size = file.seek(0, 2)
    file.seek(0)
    if size > limit:
        raise DataError(f"{path} holds {size} bytes; at most {limit} are read")
