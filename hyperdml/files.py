"""Writing files so that a crash leaves the old one or the new one, never half of either."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

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
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)
        os.replace(name, path)
        _flush_folder(path.parent)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:  # a full disk does not say of which file
            error.filename = str(path)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left in a folder and below."""
    for path in folder.rglob(f".*{_SUFFIX}"):
        path.unlink()


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
