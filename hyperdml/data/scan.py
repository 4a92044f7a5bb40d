"""Decoding every image of a data set once, before a training run does."""

from __future__ import annotations

import itertools
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hyperdml.data.image_files import UnreadableImage, name_broken, printable
from hyperdml.data.image_findings import ImageFinding, ImageLook, kind_of, look_at
from hyperdml.errors import DataError, EnvironmentProblem

_CHUNK = 32  # images that a process is given at once
_AHEAD = 4  # chunks for each process that wait for it


@dataclass(frozen=True)
class ScanReport:
    """What became of the images of a data set.

    Attributes:
        root: folder that paths are relative to.
        images: number of images of every part.
        broken: images that cannot be read, and why.
        warnings: what is unusual about images that can be read: stored turned, other modes than RGB, a side below 32
            pixels, several frames, a suffix of another format, the same content in another part.
    """

    root: Path
    images: Mapping[str, int]
    broken: tuple[ImageFinding, ...]
    warnings: tuple[ImageFinding, ...]

    def broken_by_kind(self) -> dict[str, int]:
        """Number of images that cannot be read, by reason, the most frequent first."""
        return dict(Counter(finding.kind for finding in self.broken).most_common())

    def warnings_by_kind(self) -> dict[str, int]:
        """Number of warnings of every kind, the most frequent first."""
        return dict(Counter(finding.kind for finding in self.warnings).most_common())

    def raise_if_broken(self) -> None:
        """Refuse to go on with images that cannot be read.

        Raises:
            DataError: with the first 20 of them.
        """
        if self.broken:
            errors = [UnreadableImage(self.root / finding.path, finding.text) for finding in self.broken]
            raise name_broken(errors, f"{sum(self.images.values()):,} images")


def scan_images(
    root: Path,
    paths: Mapping[str, Sequence[str]],
    workers: int = 0,
    tick: Callable[[int], None] | None = None,
) -> ScanReport:
    """Decode all images as training does, and look for what is unusual about them.

    The report does not depend on the number of workers.

    Args:
        root: folder of the release.
        paths: of every part (train, test) the paths of its images, relative to the root.
        workers: processes; 0 decodes in this one. They are started anew, so that a script that calls this needs
            `if __name__ == "__main__":`.
        tick: told the number of images done since the last call.

    Raises:
        ValueError: `workers` is negative.
        DataError: there are no images.
        EnvironmentProblem: a process has ended, as the system makes it when memory runs out.
    """
    if workers < 0:
        raise ValueError(f"workers must be 0 or more, got {workers}")
    listed = [(part, path) for part, files in paths.items() for path in files]
    if not listed:
        raise DataError(f"there are no images to look at in {printable(root)}")
    broken: list[ImageFinding] = []
    warnings: list[ImageFinding] = []
    seen: dict[bytes, tuple[str, str]] = {}
    for (part, path), look in zip(listed, _looks(root, [path for _, path in listed], workers, tick), strict=True):
        if look.broken is not None:
            broken.append(ImageFinding(part, path, kind_of(look.broken), look.broken))
            continue
        warnings += [ImageFinding(part, path, kind, text) for kind, text in look.unusual]
        other, same = seen.setdefault(look.digest, (part, path))
        if other != part:
            warnings.append(
                ImageFinding(
                    part, path, f"same content in {other} and {part}", f"the same content as {same} of {other}"
                )
            )
    return ScanReport(root, {part: len(files) for part, files in paths.items()}, tuple(broken), tuple(warnings))


def _looks(root: Path, paths: Sequence[str], workers: int, tick: Callable[[int], None] | None) -> Iterator[ImageLook]:
    """What every file is like, in the order of the paths."""
    chunks = (paths[start : start + _CHUNK] for start in range(0, len(paths), _CHUNK))
    for looks in _by_processes(root, chunks, workers) if workers else (_look_at_all(root, chunk) for chunk in chunks):
        if tick is not None:
            tick(len(looks))
        yield from looks


def _by_processes(root: Path, chunks: Iterable[Sequence[str]], workers: int) -> Iterator[list[ImageLook]]:
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import get_context

    # forked processes would hang on locks that threads of this one hold; an interrupt is for this one to handle
    pool = ProcessPoolExecutor(workers, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN))
    chunks, running = iter(chunks), deque[tuple[str, Future[list[ImageLook]]]]()
    at = ""
    try:
        while True:
            for chunk in itertools.islice(chunks, workers * _AHEAD - len(running)):
                running.append((chunk[0], pool.submit(_look_at_all, root, chunk)))
            if not running:
                return
            at, future = running.popleft()
            yield future.result()
    except BrokenProcessPool as error:
        raise EnvironmentProblem(
            f"a process that reads images has ended, at {printable(at)} or later: it ran out of memory (try fewer "
            "workers), or the script that calls this has no `if __name__ == '__main__':`"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _look_at_all(root: Path, paths: Sequence[str]) -> list[ImageLook]:
    return [look_at(root / path) for path in paths]
