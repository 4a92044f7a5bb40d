"""Writing files so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperdml.errors import DataError

_SUFFIX = ".part"


def write_atomic(path: Path, data: bytes | bytearray) -> None:
    """Write to a temporary name in the same folder, flush to disk, rename.

    Args:
        path: destination; its folder must exist.
        data: content.

    Raises:
        OSError: the disk is full or the folder is not writable; the old file is kept and no temporary file is left.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=_SUFFIX, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; a result is as readable as any other new file
        os.chmod(name, 0o666 & ~_mask())
        os.replace(name, path)
        _flush_folder(path.parent)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk does not say of which file
            error.filename = str(path)
        raise


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name when everything is written; after an error nothing is left of it.

    Args:
        target: the folder to be; the one that it lies in must exist.

    Raises:
        DataError: something of its name is there already.
    """
    if os.path.lexists(target):
        raise DataError(f"{target} is there already, and nothing is overwritten")
    unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=_SUFFIX, dir=target.parent))
    try:
        yield unfinished
        unfinished.chmod(0o777 & ~_mask())  # mkdtemp makes it private
        os.rename(unfinished, target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder and below."""
    for path in folder.rglob(f".*{_SUFFIX}"):
        path.unlink()


def _mask() -> int:
    """Permissions that new files and folders do not get; it can be read by setting it only."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; systems that cannot open folders have no such need."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
