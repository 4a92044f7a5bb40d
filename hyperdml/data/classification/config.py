"""Which images a classifier is trained and evaluated on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from hyperdml.errors import ConfigError


@dataclass(frozen=True)
class ClassificationDataConfig:
    """Which images, and how they are divided into a training and an evaluated part that share their classes.

    Attributes:
        name: "emoji": the bundled set, or one that `hyperdml datasets build-emoji` wrote, if root is given;
            "cifar100", "aircraft" (FGVC-Aircraft) and "nabirds": the releases, as downloaded and unpacked;
            "folder": images as root/train/CLASS/IMAGE and root/test/CLASS/IMAGE.
        root: folder of the release, or the folder that holds it; not needed by "emoji".
        subset: "all", or "tiny" for the 120 emoji meant for tests.
        split: "vendor" of emoji: one drawing family is the test part; "official" of all others: the parts of the
            release. None for the one that the data set has.
        held_out: vendor whose drawings are the test part of emoji; None for the first.
        evaluate_on: "test", or "validation" for tuning, which reads no test image: another vendor of emoji (the one
            after the held-out one; neither is trained on), the part `val` of aircraft and of a folder that has it, else
            a tenth of each training class, drawn by `split_seed`.
        taxonomy: file of the taxonomy of "folder", in any format that `hyperdml.taxonomy.read_taxonomy` knows; the
            names of the class folders are names or ids in it. None for a root with all classes below it.
        boxes: crop the images of nabirds to the birds' bounding boxes.
        complete: counts other than those of the whole cifar100, aircraft or nabirds are an error.
        split_seed: seed of the drawn validation part.
        image_size: side of the network's input in pixels.
    """

    name: Literal["emoji", "cifar100", "aircraft", "nabirds", "folder"] = "emoji"
    root: str | None = None
    subset: Literal["all", "tiny"] = "all"
    split: Literal["vendor", "official"] | None = None
    held_out: str | None = None
    evaluate_on: Literal["test", "validation"] = "test"
    taxonomy: str | None = None
    boxes: bool = False
    complete: bool = True
    split_seed: int = 0
    image_size: int = 64


NAMES = ("emoji", "cifar100", "aircraft", "nabirds", "folder")
# options that only some data sets have
_ONLY = {
    "subset": ("emoji",),
    "held_out": ("emoji",),
    "taxonomy": ("folder",),
    "boxes": ("nabirds",),
    "complete": ("cifar100", "aircraft", "nabirds"),
}


def check_config(config: ClassificationDataConfig) -> None:
    """Refuse settings that do not go together.

    Raises:
        ConfigError: with the key, its value and what was expected.
    """
    if config.name not in NAMES:
        raise ConfigError(f"data.name must be one of {', '.join(NAMES)}, got {config.name!r}")
    if config.evaluate_on not in ("test", "validation"):
        raise ConfigError(f"data.evaluate_on must be test or validation, got {config.evaluate_on!r}")
    if config.image_size < 8:
        raise ConfigError(f"data.image_size must be at least 8, got {config.image_size}")
    if config.split_seed < 0:
        raise ConfigError(f"data.split_seed must not be negative, got {config.split_seed}")
    if config.root is None and config.name != "emoji":
        raise ConfigError(f"data.name={config.name} needs data.root=FOLDER")
    split = "vendor" if config.name == "emoji" else "official"
    if config.split not in (None, split):
        raise ConfigError(f"data.split of {config.name} is {split}, got {config.split!r}")
    for field in fields(config):
        value = getattr(config, field.name)
        if value != field.default and config.name not in _ONLY.get(field.name, (config.name,)):
            names = " and ".join(_ONLY[field.name])
            raise ConfigError(f"data.{field.name} is an option of {names}, got {value!r} with data.name={config.name}")
