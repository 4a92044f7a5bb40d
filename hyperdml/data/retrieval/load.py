"""One way into every data set for retrieval."""

from __future__ import annotations

from collections.abc import Callable

from hyperdml.data.retrieval.cars import load_cars
from hyperdml.data.retrieval.collection import Collection
from hyperdml.data.retrieval.config import DataConfig, check_config
from hyperdml.data.retrieval.csv_file import load_csv
from hyperdml.data.retrieval.cub import load_cub
from hyperdml.data.retrieval.dividing import divide
from hyperdml.data.retrieval.emoji import load_emoji_classes
from hyperdml.data.retrieval.folder import load_folder
from hyperdml.data.retrieval.in_shop import load_in_shop
from hyperdml.data.retrieval.parts import RetrievalSplits
from hyperdml.data.retrieval.sop import load_sop

_LOADERS: dict[str, Callable[[DataConfig], Collection]] = {
    "emoji": load_emoji_classes,
    "folder": load_folder,
    "csv": load_csv,
    "cub": load_cub,
    "cars": load_cars,
    "sop": load_sop,
    "in_shop": load_in_shop,
}


def load_splits(config: DataConfig) -> RetrievalSplits:
    """Load a data set and divide its classes.

    Images come as an array (emoji) or as files, which are looked for in their folders but not opened: a broken one is
    named when it is read.

    Args:
        config: settings.

    Returns:
        The parts, each with class labels numbered from 0; ids of the levels are shared by the parts.

    Raises:
        ConfigError: settings that do not go together.
        DataError: files are missing or broken, counts are not those of the release, a class is in training and test,
            or there are too few classes.
    """
    check_config(config)
    return divide(_LOADERS[config.name](config), config)
