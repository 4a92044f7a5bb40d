"""Which images a retrieval run is trained and tested on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from hyperdml.errors import ConfigError


@dataclass(frozen=True)
class DataConfig:
    """Which images, and how their classes are divided.

    Attributes:
        name: "emoji": the bundled set, or one that `hyperdml datasets build-emoji` wrote, if root is given;
            "cub" (CUB-200-2011), "cars" (Cars-196), "sop" (Stanford Online Products) and "in_shop" (In-Shop Clothes
            Retrieval): the releases, as downloaded and unpacked, with their published division;
            "folder": images as root/CLASS/IMAGE; "csv": a table of images, see `load_csv`.
        root: folder of the release, or one that holds it; folder of the images; or the table. Not needed by
            "emoji".
        subset: "all", or "tiny" for the 120 emoji meant for tests.
        split_seed: seed of what is drawn: the 50 % training, 15 % validation and 35 % test classes of emoji, a folder
            or a table without parts, and the classes that `validation` holds out.
        split_by: what is drawn: "class", or "subgroup" for all classes below one node of the level above the class,
            which is harder; of all data with such a level.
        validation: share of the training classes that is held out for validation, in [0, 1). None: nothing of the
            releases and of tables with parts, which are trained on as published; 15 % of all classes where the parts
            are drawn.
        taxonomy: of "cub": table of ranks above its classes, see `hyperdml.taxonomy.datasets.cub`; of "folder": file
            in any format of `hyperdml.taxonomy.read_taxonomy` with the names of the class folders as leaves. All
            classes must lie equally deep. None: no levels above the class.
        complete: counts other than those of the whole release are an error; of the four releases.
        image_size: side of the network's input in pixels.
    """

    name: Literal["emoji", "folder", "csv", "cub", "cars", "sop", "in_shop"] = "emoji"
    root: str | None = None
    subset: Literal["all", "tiny"] = "all"
    split_seed: int = 0
    split_by: Literal["class", "subgroup"] = "class"
    validation: float | None = None
    taxonomy: str | None = None
    complete: bool = True
    image_size: int = 64


RELEASES = ("cub", "cars", "sop", "in_shop")
NAMES = ("emoji", "folder", "csv", *RELEASES)
# options that only some data sets have
_ONLY = {"subset": ("emoji",), "taxonomy": ("cub", "folder"), "complete": RELEASES}
_WHAT = {"csv": "FILE, the table"}


def check_config(config: DataConfig) -> None:
    """Refuse settings that do not go together.

    Raises:
        ConfigError: with the key, its value and what was expected.
    """
    if config.name not in NAMES:
        raise ConfigError(f"data.name must be one of {', '.join(NAMES)}, got {config.name!r}")
    if config.image_size < 8:
        raise ConfigError(f"data.image_size must be at least 8, got {config.image_size}")
    if config.split_seed < 0:
        raise ConfigError(f"data.split_seed must not be negative, got {config.split_seed}")
    if config.split_by not in ("class", "subgroup"):
        raise ConfigError(f"data.split_by must be class or subgroup, got {config.split_by!r}")
    if config.validation is not None and not 0 <= config.validation < 1:
        raise ConfigError(
            f"data.validation must be a share of the training classes, in [0, 1), got {config.validation}"
        )
    if config.root is None and config.name != "emoji":
        raise ConfigError(f"data.name={config.name} needs data.root={_WHAT.get(config.name, 'FOLDER')}")
    for field in fields(config):
        value = getattr(config, field.name)
        if value != field.default and config.name not in _ONLY.get(field.name, (config.name,)):
            names = " and ".join(_ONLY[field.name])
            raise ConfigError(f"data.{field.name} is an option of {names}, got {value!r} with data.name={config.name}")
