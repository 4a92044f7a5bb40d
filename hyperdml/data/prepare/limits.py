"""How much an archive may hold, counted while it is unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hyperdml.data.image_files import printable
from hyperdml.errors import DataError

_NEVER_A_BOMB = 16 * 2**20  # below this many bytes no ratio does harm, and small text files pack very well


@dataclass(frozen=True)
class Limits:
    """What an archive may unpack to; the largest release that is known here, NABirds, has 10 GB and 49,000 images.

    Attributes:
        total: bytes of all that is unpacked, headers of a tar included.
        ratio: unpacked bytes for each byte of the archive; images hardly pack at all, a bomb of deflate reaches 1,000.
        entries: files and folders.
        depth: folders within each other.

    Raises:
        ValueError: a limit is not positive.
    """

    total: int = 64 * 2**30
    ratio: float = 100.0
    entries: int = 500_000
    depth: int = 32

    def __post_init__(self) -> None:
        for name in ("total", "ratio", "entries", "depth"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


DEFAULT = Limits()


class Meter:
    """Counts what comes out of one archive and stops at its limits.

    Args:
        archive: for messages.
        size: bytes of the archive.
        limits: its limits.
    """

    def __init__(self, archive: Path, size: int, limits: Limits) -> None:
        self._archive, self._size, self._limits = archive, size, limits
        self._bytes = self._entries = 0

    def add(self, count: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            DataError: they are more than allowed.
        """
        self._bytes += count
        self.allow(self._bytes)

    def allow(self, total: int) -> None:
        """Refuse an archive that unpacks to so many bytes.

        Raises:
            DataError: they are more than allowed.
        """
        if total > self._limits.total:
            raise self.refused(f"unpacks to more than the {self._limits.total:,} bytes that are allowed")
        if total > _NEVER_A_BOMB and total > self._limits.ratio * self._size:
            raise self.refused(
                f"unpacks to more than {self._limits.ratio:g} times its own {self._size:,} bytes, as no images do"
            )

    def add_entries(self, count: int = 1) -> None:
        """Count files and folders.

        Raises:
            DataError: they are more than allowed.
        """
        self._entries += count
        if self._entries > self._limits.entries:
            raise self.refused(f"holds more than the {self._limits.entries:,} files and folders that are allowed")

    def refused(self, reason: str) -> DataError:
        """The error for an archive that is not unpacked."""
        return DataError(f"{printable(self._archive)} {reason}; nothing was unpacked")
