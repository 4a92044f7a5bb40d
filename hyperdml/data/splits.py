"""Class-disjoint parts of a data set: the classes of the test part are never seen in training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from hyperdml.data.emoji import load_emoji
from hyperdml.data.folder import load_folder
from hyperdml.data.image_data import ImageData
from hyperdml.data.split_classes import split_classes
from hyperdml.errors import ConfigError, DataError


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how their classes are split.

    Attributes:
        name: "emoji": the bundled set, or one that `hyperdml datasets build-emoji` wrote, if root is given;
            "folder": images as root/CLASS/IMAGE.
        root: folder of the images; needed by "folder".
        subset: "all", or "tiny" for the 120 emoji meant for tests.
        split_seed: seed of the split into 50 % training, 15 % validation and 35 % test classes.
        split_by: "class", or "subgroup" to hold out whole subgroups of the taxonomy (emoji only), which is harder.
        image_size: side of the network's input in pixels.
    """

    name: Literal["emoji", "folder"] = "emoji"
    root: str | None = None
    subset: Literal["all", "tiny"] = "all"
    split_seed: int = 0
    split_by: Literal["class", "subgroup"] = "class"
    image_size: int = 64


@dataclass(frozen=True)
class RetrievalSplits:
    """Training, validation (for tuning) and test images, with disjoint classes."""

    train: ImageData
    validation: ImageData
    test: ImageData


def load_splits(config: DataConfig) -> RetrievalSplits:
    """Load a data set and split its classes.

    Args:
        config: settings.

    Returns:
        The three parts, each with class labels numbered from 0; ids of the upper levels are shared by the parts.

    Raises:
        ConfigError: settings that do not go together.
        DataError: files are missing or broken, or there are too few classes.
    """
    if config.image_size < 8:
        raise ConfigError(f"data.image_size must be at least 8, got {config.image_size}")
    if config.split_seed < 0:
        raise ConfigError(f"data.split_seed must not be negative, got {config.split_seed}")
    if config.name == "folder":
        if config.root is None:
            raise ConfigError("data.name=folder needs data.root=FOLDER with one sub-folder per class")
        if config.split_by != "class":
            raise ConfigError("data.split_by=subgroup needs a taxonomy, which a folder does not have")
        data = load_folder(Path(config.root), config.image_size)
    else:
        emoji = load_emoji(config.subset, None if config.root is None else Path(config.root))
        groups = tuple(dict.fromkeys(emoji.groups))  # in the order of their ids
        data = ImageData(emoji.images, emoji.labels, emoji.levels, emoji.level_names, emoji.class_names, groups)
    bundles = None
    if config.split_by == "subgroup":
        first = np.unique(data.labels, return_index=True)[1]
        bundles = data.levels[first, -2]
    try:
        split = split_classes(data.num_classes, config.split_seed, bundles=bundles)
    except ValueError as error:
        raise DataError(f"cannot split {config.root or 'the data set'}: {error}") from error
    return RetrievalSplits(*(_part(data, classes) for classes in (split.train, split.validation, split.test)))


def _part(data: ImageData, classes: np.ndarray) -> ImageData:
    rows = np.isin(data.labels, classes)
    return replace(
        data,
        images=data.images[rows],
        labels=np.searchsorted(classes, data.labels[rows]).astype(np.int64),
        levels=data.levels[rows],
        class_names=tuple(data.class_names[k] for k in classes),
    )
