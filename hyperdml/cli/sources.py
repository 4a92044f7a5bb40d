"""What a path on the command line is: a run, a model, a file of embeddings, an index, or images."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from hyperdml.errors import ConfigError, DataError, EnvironmentProblem

if TYPE_CHECKING:
    from hyperdml.data import EmbeddingSet
    from hyperdml.models.embed_folder import FolderEmbeddings


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How images are read and embedded.

    Which part of an image is looked at is known to the model: what evaluation in its training looked at.

    Attributes:
        size: side in pixels to which that part is brought; by default what the model was trained on.
        batch_size: images per batch.
        device: cpu, cuda, cuda:1, mps, or auto.
        broken: what to do with images that cannot be read: error ends with the list of them, skip leaves them out and
            lists them, replace embeds a white image in their place and lists them.
        workers: threads that read images.
    """

    size: int | None = None
    batch_size: Annotated[int, Parameter(name="--batch-size")] = 64
    device: str = "auto"
    broken: Literal["error", "skip", "replace"] = "error"
    workers: int = 4


def model_of(path: Path) -> Path:
    """The folder of the embedding model that a path means: itself, `model/` of a run, or "user/name" on the hub.

    Raises:
        DataError: none of them is a model.
        ConfigError: it is a classifier, which has no embeddings to search with.
        EnvironmentProblem: there is nothing of this name here, and the hub cannot be reached.
    """
    found = path if path.exists() else _of_hub(path)
    for folder in (found, found / "model"):
        if (folder / "model.safetensors").is_file():
            if (folder / "taxonomy.json").is_file():  # which classifiers alone have beside them
                raise ConfigError(
                    f"{folder} is a classifier over a taxonomy and makes no embeddings. hyperdml resume RUN prints the "
                    "scores of its run, and report.html in the run folder has all of them; to score it on other "
                    "images, use hyperdml.models.Classifier.from_pretrained and hyperdml.metrics.classification_report"
                )
            return folder
    raise DataError(f"{path} is neither a model nor a run: there is no model.safetensors in it or in its model/")


def _of_hub(path: Path) -> Path:
    """The folder of a model of the hub; the path itself, if it is no name of one."""
    from hyperdml.models.embedding_model import pretrained_folder

    try:
        return pretrained_folder(path.as_posix())
    except DataError as error:
        raise DataError(f"there is no folder {path}, and as the name of a model on the hub: {error}") from error


def is_embeddings(path: Path) -> bool:
    """Whether a path is a file of embeddings, or a run folder that holds one."""
    from hyperdml.data.embedding_set import EMBEDDINGS

    return path.suffix == ".safetensors" or (path / EMBEDDINGS).is_file()


def embed(model: Path, images: Path, reading: Reading, parts: Path | None = None) -> FolderEmbeddings:
    """Embed images with a progress bar on standard error, and list those there that could not be read.

    Args:
        model: model or run, or a model of the hub.
        images: folder of images, or one image.
        reading: how.
        parts: folder for what is done so far; None keeps nothing.

    Raises:
        ConfigError: the device does not exist here, or a number is out of range.
        DataError: see `embed_folder`.
        EnvironmentProblem: the memory is too small; see `model_of`.
    """
    import torch

    from hyperdml.data.image_files import printable
    from hyperdml.models.embed_folder import embed_folder
    from hyperdml.training.environment import resolve_device

    for name, value in (("--batch-size", reading.batch_size), ("--workers", reading.workers), ("--size", reading.size)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}")
    try:
        with progress_of(f"embedding {printable(images.resolve().name)}") as progress:
            found = embed_folder(
                model_of(model),
                images,
                size=reading.size,
                batch_size=reading.batch_size,
                device=resolve_device(reading.device),
                workers=reading.workers,
                broken=reading.broken,
                resume=parts,
                progress=progress,
            )
    except (MemoryError, torch.OutOfMemoryError):
        raise EnvironmentProblem(
            f"not enough memory for batches of {reading.batch_size} images; lower --batch-size or --size"
        ) from None
    done = "replaced" if reading.broken == "replace" else "left out"
    for path, reason in found.broken:
        print(f"hyperdml: {done}: {printable(path)}: {reason}", file=sys.stderr)
    return found


def embeddings_of(source: Path, model: Path | None, reading: Reading) -> EmbeddingSet:
    """The embeddings that a source holds, or that a model makes of its images.

    Args:
        source: file of embeddings, run, folder of images, or one image.
        model: model or run, or a model of the hub; needed by images only.
        reading: how images are read.

    Raises:
        ConfigError: images without a model, or a model beside embeddings that are not its own.
        DataError: files are missing or damaged.
        EnvironmentProblem: see `model_of`.
    """
    from hyperdml.data import EmbeddingSet
    from hyperdml.models import model_hash

    if not is_embeddings(source):
        if not source.exists():
            raise DataError(f"{source}: no such file or folder")
        if model is None:
            raise ConfigError(f"{source} holds no embeddings; to embed its images, name a model with --model")
        return embed(model, source, reading).set
    stored = EmbeddingSet.load(source)
    if model is not None and stored.model not in (None, model_hash(model_of(model))):
        raise ConfigError(f"the embeddings of {source} were not made by {model}; leave out --model or embed again")
    return stored


def check_out(out: Path) -> None:
    """See that what is written to --out can be read again.

    Raises:
        ConfigError: the path is not UTF-8, which safetensors cannot open.
    """
    try:
        str(out.resolve()).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"--out: the path {out} is not UTF-8, and safetensors opens no others") from None


@contextmanager
def data_errors(source: Path) -> Iterator[None]:
    """Turn ValueErrors about points and names that were read from a file into a `DataError` that names the file."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        raise DataError(f"{source}: {error}") from error


@contextmanager
def progress_of(title: str) -> Iterator[_Bar]:
    """A progress bar on standard error, taken down at the end and after errors."""
    bar = _Bar(title)
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    """Called with (done, total)."""

    def __init__(self, title: str) -> None:
        from rich.console import Console

        from hyperdml.cli.progress import RunProgress

        self._title, self._done = title, -1
        self._progress = RunProgress(Console(stderr=True, soft_wrap=True))

    def __call__(self, done: int, total: int) -> None:
        if self._done < 0:
            self._progress.start(self._title, total)
            self._done = 0
        self._progress.advance(done - self._done, {})
        self._done = done

    def close(self) -> None:
        self._progress.close()
