"""A folder of images to an `EmbeddingSet`, by a stored model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hyperdml.data import EmbeddingSet
from hyperdml.data.image_files import Broken, list_images
from hyperdml.errors import ConfigError
from hyperdml.models.embed import embed_images
from hyperdml.models.embedding_model import EmbeddingModel
from hyperdml.models.model_hash import model_hash


@dataclass(frozen=True, eq=False)
class FolderEmbeddings:
    """What became of a folder of images.

    Attributes:
        set: their embeddings; the ids are paths below the folder, the labels the classes of FOLDER/CLASS/IMAGE.
        broken: path and reason of every image that could not be read.
    """

    set: EmbeddingSet
    broken: tuple[tuple[Path, str], ...]


def embed_folder(
    model_folder: Path,
    images: Path,
    *,
    size: int | None = None,
    batch_size: int = 64,
    device: torch.device | str = "cpu",
    workers: int = 4,
    broken: Broken = "error",
    resume: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> FolderEmbeddings:
    """Embed all images of a folder and its sub-folders.

    An image in a sub-folder belongs to the class named after the sub-folder of `images` that it lies in. If any image
    lies in `images` itself, there are no classes.

    Args:
        model_folder: model that `EmbeddingModel.save_pretrained` wrote.
        images: folder of images, or one image.
        size: side of the network's input in pixels; None takes the one that the model was trained on.
        batch_size: images per batch.
        device: where the model computes.
        workers: threads that read images.
        broken: policy for images that cannot be read, see `embed_images`.
        resume: folder for what is done so far, see `embed_images`.
        progress: called with the number of images done and of all images.

    Raises:
        ConfigError: the model does not say what size it was trained on and `size` is None; or see `embed_images`.
        DataError: the model or the images are missing or damaged; see `embed_images`.
    """
    model = EmbeddingModel.from_pretrained(model_folder).to(device)
    size = model.image_size if size is None else size
    if size is None:
        raise ConfigError(f"{model_folder} does not say for which image size it was trained: give the size in pixels")
    paths = list_images(images)
    found = embed_images(
        model,
        paths,
        size=size,
        batch_size=batch_size,
        workers=workers,
        broken=broken,
        resume=resume,
        progress=progress,
    )
    root = images if images.is_dir() else images.parent
    names = [paths[row].relative_to(root) for row in found.rows.tolist()]
    labels, classes = _classes(names)
    return FolderEmbeddings(
        EmbeddingSet(
            found.points,
            model.config.head.c,
            labels=labels,
            levels=None if labels is None else labels[:, None],
            level_names=() if labels is None else ("class",),
            class_names=classes,
            ids=tuple(name.as_posix() for name in names),
            root=str(root.resolve()),
            model=model_hash(model_folder),
            model_folder=str(model_folder.resolve()),
            image_size=size,
        ),
        found.broken,
    )


def _classes(names: Sequence[Path]) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """(N,) labels and the class names, in alphabetical order; None and none if an image lies in no sub-folder."""
    if any(len(name.parts) == 1 for name in names):
        return None, ()
    classes, labels = np.unique(np.array([name.parts[0] for name in names], dtype=object), return_inverse=True)
    return torch.from_numpy(labels.astype(np.int64)), tuple(classes.tolist())
