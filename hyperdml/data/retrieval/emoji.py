"""The bundled emoji, all vendors together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hyperdml.data.emoji import load_emoji
from hyperdml.data.labelled_images import ArrayImages
from hyperdml.data.retrieval.collection import Collection
from hyperdml.data.retrieval.config import DataConfig


def load_emoji_classes(config: DataConfig) -> Collection:
    """One class an emoji, below its subgroup and group.

    Args:
        config: its subset and root count.

    Raises:
        DataError: the set cannot be read.
    """
    emoji = load_emoji(config.subset, None if config.root is None else Path(config.root))
    first = np.unique(emoji.labels, return_index=True)[1]
    groups = tuple(dict.fromkeys(emoji.groups))  # in the order of their ids
    return Collection(
        ArrayImages(emoji.images, emoji.labels), emoji.class_names, emoji.levels[first], emoji.level_names, groups
    )
