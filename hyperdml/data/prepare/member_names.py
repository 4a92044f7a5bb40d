"""Which names of an archive may become files, checked by themselves and against each other."""

from __future__ import annotations

import os
import re
import unicodedata

_DRIVE = re.compile(r"[A-Za-z]:")
_LONGEST_NAME = 255  # bytes, of the common file systems
_LONGEST_PATH = 1024


class MemberNames:
    """The names of one archive.

    Args:
        depth: largest number of folders within each other.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._known: dict[str, tuple[str, bool]] = {}  # as a file system sees it that ignores case: name, is a folder

    def parts(self, name: str, folder: bool) -> tuple[str, ...]:
        """A name as folders and file below the target; empty for the target itself.

        Args:
            name: as the archive has it, with "/".
            folder: what it is the name of.

        Raises:
            ValueError: it leads, or may lead on some system, out of the target or to another member; the message gives
                the reason.
        """
        if name.startswith("/"):
            raise ValueError("is an absolute path")
        if _DRIVE.match(name):
            raise ValueError("begins with a drive letter")
        if "\\" in name:
            raise ValueError("holds a backslash, which is a separator on some systems")
        if any(unicodedata.category(char) == "Cc" for char in name):
            raise ValueError("holds control characters")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise ValueError("leads upward with '..'")
        if not parts and not folder:
            raise ValueError("is no name of a file")
        if len(parts) - (not folder) > self._depth:
            raise ValueError(f"lies in more than {self._depth} folders within each other")
        lengths = [len(os.fsencode(part)) for part in parts]
        if max(lengths, default=0) > _LONGEST_NAME or sum(lengths) + len(lengths) > _LONGEST_PATH:
            raise ValueError("is too long")
        for end in range(1, len(parts) + 1):
            self._note("/".join(parts[:end]), folder or end < len(parts))
        return parts

    def _note(self, path: str, folder: bool) -> None:
        # both forms of an accent are one name to some file systems
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
        known = self._known.get(key)
        if known is None:
            self._known[key] = path, folder
            return
        before, was_folder = known
        if before != path:
            raise ValueError(f"differs from {before!r} only in case or in the form of its letters")
        if folder != was_folder:
            raise ValueError(f"needs {path!r} to be a file and a folder")
        if not folder:
            raise ValueError("is there twice")
