"""Images on disk to points of the ball: threads that read files ahead of the model, in batches, resumably."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from hyperdml.data.image_files import Broken, UnreadableImage, name_broken, printable
from hyperdml.data.image_reader import BatchReader, Views
from hyperdml.data.labelled_images import FileImages
from hyperdml.data.views import finished
from hyperdml.errors import ConfigError, DataError
from hyperdml.models.embed_shards import Part, file_state, join_parts, open_shards
from hyperdml.models.embedding_model import EmbeddingModel
from hyperdml.models.weights import own_tensors

_AHEAD = 3  # batches of pixels that wait for the model at most
_WHITE = 255

_Read = tuple[Tensor | UnreadableImage, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Embedded:
    """Points of images.

    Attributes:
        points: (N, d) float32 points of the ball, on the CPU.
        rows: (N,) int64 position of each point's image in the list of paths, ascending.
        broken: path and reason of every image that could not be read.
        replaced: (R,) int64 positions of the images in whose place a white one was embedded; a part of `rows`.
    """

    points: Tensor
    rows: Tensor
    broken: tuple[tuple[Path, str], ...]
    replaced: Tensor


def embed_images(
    model: EmbeddingModel,
    paths: Sequence[Path],
    *,
    size: int,
    batch_size: int = 64,
    workers: int = 4,
    broken: Broken = "error",
    resume: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Embed image files with a model, on the model's device, in evaluation mode and without autocast.

    Of an image the model gets what evaluation in training gets (`EmbeddingModel.crop`), made by the same code.

    Batch i always holds the images i * batch_size and following, less those that are left out. So an embedding that
    was interrupted and taken up again has the bits of one that was not, on the same machine with as many threads;
    under another `batch_size` a point moves by the rounding of float32 sums (relatively 1e-6 or so; 1e-3 on GPUs that
    are allowed TF32). Memory holds the points, a few batches of pixels, and the images that are being decoded.

    Args:
        model: the model; its mode is restored afterwards.
        paths: images, as of `list_images`.
        size: side of the network's input in pixels; should be the one the model was trained on.
        batch_size: images per batch.
        workers: threads that read images.
        broken: "error" ends at the first batch with an image that cannot be read and names all those found in the
            batches read by then; "skip" leaves them out; "replace" embeds a white image in their place.
        resume: folder for what is done so far, written every 1,000 images or 30 seconds and on Ctrl-C; if it holds
            such parts, they are not embedded again. `discard` removes it when the result is safe.
        progress: called with the number of images done and of all images, after each batch.

    Returns:
        The points, and what became of images that cannot be read.

    Raises:
        ValueError: no paths, a number below 1, or an unknown policy.
        ConfigError: the backbone takes another size only; the parts in `resume` are of another model, list of images,
            size, crop, batch size or kind of device; or another process works there.
        DataError: images cannot be read (policy "error", or all of them); a file changed since its point was written
            to `resume`; a part is damaged; the model gives points that are not finite.
        OSError: the disk does not take a part.
    """
    _check(model, paths, size, batch_size, workers, broken)
    parts: list[Part] = []
    with ExitStack() as stack:
        shards = None
        if resume is not None:
            shards = stack.enter_context(open_shards(resume, _job(model, size, batch_size), paths, broken))
            parts += shards.parts
        stack.enter_context(_evaluating(model))
        done = parts[-1].stop if parts else 0
        if progress is not None and done:
            progress(done, len(paths))
        batches = stack.enter_context(closing(_batches(model, paths, done, size, batch_size, workers, broken)))
        for part in batches:
            parts.append(part)
            if shards is not None:
                shards.add(part)
            if progress is not None:
                progress(part.stop, len(paths))
    whole = join_parts(parts)
    if not len(whole.rows):
        raise name_broken([UnreadableImage(paths[row], reason) for row, reason in whole.broken], _all(paths))
    return Embedded(
        whole.points, whole.rows, tuple((paths[row], reason) for row, reason in whole.broken), whole.replaced
    )


def _check(
    model: EmbeddingModel, paths: Sequence[Path], size: int, batch_size: int, workers: int, broken: Broken
) -> None:
    if not paths:
        raise ValueError("paths is empty: there is nothing to embed")
    for name, value in (("size", size), ("batch_size", batch_size), ("workers", workers)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if broken not in get_args(Broken):
        raise ValueError(f"broken must be one of {', '.join(get_args(Broken))}, got {broken!r}")
    if model.fixed_size not in (None, size):
        raise ConfigError(f"size is {size}, but {model.config.backbone} takes {model.fixed_size} only")


def _job(model: EmbeddingModel, size: int, batch_size: int) -> dict[str, str | int | float]:
    """Everything but the images that decides about the bits of a point."""
    from safetensors.torch import save

    digest = hashlib.sha256(json.dumps(asdict(model.config)).encode())
    digest.update(save(own_tensors(model)))
    device = next(model.parameters()).device.type
    seen = {"size": size, "centre": model.crop.kept, "interpolation": model.crop.interpolation}
    return {"model": digest.hexdigest(), **seen, "batch_size": batch_size, "device": device}


@contextmanager
def _evaluating(model: EmbeddingModel) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _batches(
    model: EmbeddingModel, paths: Sequence[Path], done: int, size: int, batch_size: int, workers: int, broken: Broken
) -> Generator[Part, None, None]:
    """Embed the batches from position `done` on, while the next ones are being read."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="read-image")
    waiting: deque[tuple[int, list[Future[_Read]]]] = deque()
    starts = iter(range(done, len(paths), batch_size))
    files = FileImages(Path(), tuple(map(str, paths)), np.zeros(len(paths), np.int64))
    reader = BatchReader(files, model.crop, size)
    try:
        while True:
            while len(waiting) < _AHEAD and (start := next(starts, None)) is not None:
                rows = range(start, min(start + batch_size, len(paths)))
                waiting.append((start, [pool.submit(_read, reader, row, paths[row]) for row in rows]))
            if not waiting:
                return
            start, futures = waiting.popleft()
            found = [future.result() for future in futures]
            if broken == "error" and any(isinstance(image, UnreadableImage) for image, _ in found):
                found += [future.result() for _, later in waiting for future in later]
                raise _stopped([image for image, _ in found if isinstance(image, UnreadableImage)], start, found, paths)
            yield _embed(model, paths, start, found, size, broken)
    finally:
        pool.shutdown(cancel_futures=True)


def _read(reader: BatchReader, row: int, path: Path) -> _Read:
    state = file_state(path)
    found = reader[Views(np.array([row]), None)]
    return (found[0] if isinstance(found, Tensor) else UnreadableImage(path, found[1])), state


def _stopped(broken: list[UnreadableImage], start: int, found: list[_Read], paths: Sequence[Path]) -> DataError:
    stop = start + len(found)
    looked_at = _all(paths) if stop == len(paths) else f"the first {stop} of {_all(paths)}"
    policies = "The policy 'skip' leaves such images out, 'replace' embeds white ones in their place."
    return DataError(f"{name_broken(broken, looked_at)}\n{policies}")


def _all(paths: Sequence[Path]) -> str:
    return f"{len(paths)} images"


def _embed(
    model: EmbeddingModel, paths: Sequence[Path], start: int, found: list[_Read], size: int, broken: Broken
) -> Part:
    bad = [(start + i, image.reason) for i, (image, _) in enumerate(found) if isinstance(image, UnreadableImage)]
    white = torch.full((size, size, 3), _WHITE, dtype=torch.uint8)
    pixels = [white if isinstance(image, UnreadableImage) else image for image, _ in found]
    kept = np.ones(len(found), bool)
    if broken == "skip":
        kept[[row - start for row, _ in bad]] = False
    rows = torch.from_numpy(start + np.flatnonzero(kept))
    points = torch.empty(0, model.config.head.embedding_size)
    if kept.any():
        points = _points(model, torch.stack([pixels[i] for i in np.flatnonzero(kept)]))
        finite = points.isfinite().all(1)
        if not finite.all():
            name = printable(paths[int(rows[~finite][0])])
            raise DataError(f"the model gives a point that is not finite for {name}; look at its weights")
    replaced = [row for row, _ in bad] if broken == "replace" else []
    states = torch.tensor([state for _, state in found], dtype=torch.int64)
    return Part(start, start + len(found), points, rows, torch.tensor(replaced, dtype=torch.int64), tuple(bad), states)


def _points(model: EmbeddingModel, images: Tensor) -> Tensor:
    """(N, d) points of (N, S, S, 3) bytes."""
    device = next(model.parameters()).device
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        pixels = images.to(device).permute(0, 3, 1, 2).float() / 255
        points: Tensor = model(finished(pixels, model.crop, None, model.mean, model.std)).float().cpu()
    return points.clone()  # outside, so that the result takes part in autograd like any tensor
