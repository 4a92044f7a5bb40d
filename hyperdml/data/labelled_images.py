"""Images with leaf labels: an array in memory, or files that are read one at a time."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from hyperdml.data.image_files import Box, printable, read_full, upright_size
from hyperdml.errors import DataError
from hyperdml.files import sha256

_OFTEN_PLAIN = (".bmp", ".tif", ".tiff")  # files without compression are as long as their images are large


class LabelledImages(ABC):
    """The images of one part of a data set and the leaf of a taxonomy that each belongs to.

    Attributes:
        labels: (N,) int64 indices into `Taxonomy.leaves`.
    """

    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def size(self, index: int) -> tuple[int, int]:
        """Width and height of an image in pixels, as `read` gives it without shrinking.

        Raises:
            UnreadableImage: its file is missing or damaged.
        """

    @abstractmethod
    def read(self, index: int, shrink: int = 1) -> np.ndarray:
        """One image, upright, RGB.

        Args:
            index: 0 .. N-1.
            shrink: 1, 2, 4 or 8: where it saves time (JPEG files), the image may come with its sides divided by this.

        Returns:
            (H, W, 3) uint8.

        Raises:
            UnreadableImage: its file is missing or damaged.
        """

    @abstractmethod
    def select(self, rows: np.ndarray) -> LabelledImages:
        """The images at these positions, in this order."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Hexadecimal SHA-256 of what the images are, labels left out; results computed from them are cached by it."""


@dataclass(frozen=True, eq=False)
class ArrayImages(LabelledImages):
    """Images of one size in memory.

    Attributes:
        images: (N, H, W, 3) uint8, RGB.
        labels: (N,) int64 indices into `Taxonomy.leaves`.

    Raises:
        ValueError: the arrays have other shapes or types, or do not belong together.
    """

    images: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[3] != 3:
            raise ValueError(f"images must be (N, H, W, 3) uint8, got {self.images.shape} {self.images.dtype}")
        _check_labels(self.labels, len(self.images))

    def size(self, index: int) -> tuple[int, int]:
        """Width and height, the same of all."""
        return self.images.shape[2], self.images.shape[1]

    def read(self, index: int, shrink: int = 1) -> np.ndarray:
        """(H, W, 3) uint8; never shrunk."""
        return self.images[index]

    def select(self, rows: np.ndarray) -> ArrayImages:
        """The images at these positions, copied."""
        return ArrayImages(self.images[rows], self.labels[rows])

    @cached_property
    def key(self) -> str:
        """SHA-256 of the shape and the pixels."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class FileImages(LabelledImages):
    """Image files below a folder, read when they are asked for.

    Attributes:
        root: folder of the release; what lies above it does not count for `key`.
        paths: N paths relative to `root`, with "/".
        labels: (N,) int64 indices into `Taxonomy.leaves`.
        boxes: (N, 4) int64 left, top, right, bottom of the part to keep, in pixels of the upright image; right and
            bottom at or below 0 count from the far edge, so that (0, 0, 0, -20) cuts 20 rows off at the bottom. None
            keeps whole images.

    Raises:
        ValueError: the parts do not belong together.
    """

    root: Path
    paths: tuple[str, ...]
    labels: np.ndarray
    boxes: np.ndarray | None = None

    def __post_init__(self) -> None:
        _check_labels(self.labels, len(self.paths))
        if self.boxes is not None and (self.boxes.shape != (len(self.paths), 4) or self.boxes.dtype != np.int64):
            raise ValueError(f"boxes must be ({len(self.paths)}, 4) int64, got {self.boxes.shape} {self.boxes.dtype}")

    def size(self, index: int) -> tuple[int, int]:
        """Width and height of an image or its box, from the head of the file."""
        return upright_size(self.root / self.paths[index], self._box(index))

    def read(self, index: int, shrink: int = 1) -> np.ndarray:
        """(H, W, 3) uint8; JPEG files are decoded at 1/shrink of their size."""
        return read_full(self.root / self.paths[index], self._box(index), shrink)

    def select(self, rows: np.ndarray) -> FileImages:
        """The files at these positions."""
        paths = tuple(self.paths[row] for row in rows.tolist())
        return replace(
            self, paths=paths, labels=self.labels[rows], boxes=None if self.boxes is None else self.boxes[rows]
        )

    @cached_property
    def key(self) -> str:
        """SHA-256 of relative paths, sizes in bytes and boxes, and of the content of BMP and TIFF files.

        Compressed files of other pixels have other sizes, as good as always where there are many; those of files that
        are not compressed tell only how large the images are.

        Raises:
            DataError: a file is missing.
        """
        digest = hashlib.sha256()
        for path in self.paths:
            file = self.root / path
            try:
                digest.update(f"{path}\0{file.stat().st_size}\0".encode("utf-8", "surrogateescape"))
                if file.suffix.lower() in _OFTEN_PLAIN:
                    digest.update(sha256(file).encode())
            except OSError as error:
                raise DataError(f"{printable(self.root / path)}: {error.strerror}") from error
        if self.boxes is not None:
            digest.update(np.ascontiguousarray(self.boxes).data)
        return digest.hexdigest()

    def _box(self, index: int) -> Box | None:
        if self.boxes is None:
            return None
        left, top, right, bottom = self.boxes[index].tolist()
        return left, top, right, bottom


def _check_labels(labels: np.ndarray, count: int) -> None:
    if labels.shape != (count,) or labels.dtype != np.int64:
        raise ValueError(f"labels must be ({count},) int64, one an image, got {labels.shape} {labels.dtype}")
