"""One way into every data set for classification."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hyperdml.data.classification.aircraft import load_aircraft
from hyperdml.data.classification.cifar100 import load_cifar100
from hyperdml.data.classification.config import ClassificationDataConfig, check_config
from hyperdml.data.classification.emoji import load_emoji_vendors
from hyperdml.data.classification.folder import load_class_folders
from hyperdml.data.classification.nabirds import load_nabirds
from hyperdml.data.classification.splits import ClassificationSplits
from hyperdml.errors import DataError
from hyperdml.taxonomy.names import listing

_LOADERS: dict[str, Callable[[ClassificationDataConfig], ClassificationSplits]] = {
    "emoji": load_emoji_vendors,
    "cifar100": load_cifar100,
    "aircraft": load_aircraft,
    "nabirds": load_nabirds,
    "folder": load_class_folders,
}


def load_classification(config: ClassificationDataConfig) -> ClassificationSplits:
    """Load a data set: labels, the taxonomy, and images in memory (emoji, CIFAR-100) or as files.

    Image files are looked for in their folders, but are not opened: a broken one is named when it is read.

    Args:
        config: settings.

    Returns:
        Both parts, with labels that are leaves of one taxonomy.

    Raises:
        ConfigError: settings that do not go together.
        DataError: files are missing or broken, counts are not those of the release, a part is empty, or a class is
            evaluated that is not trained on.
    """
    check_config(config)
    found = _LOADERS[config.name](config)
    where = config.root or "the bundled set"
    for part, images in (("training", found.train), (config.evaluate_on, found.test)):
        if not len(images):
            raise DataError(f"{where}: there are no {part} images")
    unseen = np.setdiff1d(found.test.labels, found.train.labels)
    if len(unseen):
        names = listing(found.taxonomy.leaves[leaf] for leaf in unseen.tolist())
        raise DataError(f"{where}: {len(unseen)} classes are evaluated but have no training images: {names}")
    return found
