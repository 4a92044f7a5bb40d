"""Divide the classes of a data set into training, validation and test classes."""

from __future__ import annotations

import numpy as np

from hyperdml.data.retrieval.collection import TEST, TRAIN, VALIDATION, Collection
from hyperdml.data.retrieval.config import DataConfig
from hyperdml.data.retrieval.parts import RetrievalSplits
from hyperdml.data.split_classes import split_classes
from hyperdml.errors import ConfigError, DataError
from hyperdml.taxonomy.names import listing

_TITLES = ("training", "validation", "test")


def divide(data: Collection, config: DataConfig) -> RetrievalSplits:
    """The parts of a data set: those that it comes with, or drawn ones, and the classes that are held out.

    Args:
        data: the data set.
        config: its split_seed, split_by and validation count.

    Raises:
        ConfigError: settings that do not go with the data set.
        DataError: a class is in several parts, a part has no images, or there are too few classes.
    """
    where = config.root or "the data set"
    bundles = None
    if config.split_by == "subgroup":
        if data.levels.shape[1] < 2:
            raise ConfigError(
                f"data.split_by=subgroup needs a taxonomy: data.name={config.name} has no level above the class here"
            )
        bundles = data.levels[:, -2]
    part_of = _drawn(data, config, where, bundles) if data.parts is None else _given(data, data.parts, where)
    if config.validation is not None:
        if (part_of == VALIDATION).any():
            raise ConfigError(f"data.validation={config.validation}, but {where} has a validation part of its own")
        if config.validation > 0:
            _hold_out(part_of, config, where, bundles)
    of_image = part_of[data.images.labels]
    rows = [np.flatnonzero(of_image == part) for part in (TRAIN, VALIDATION, TEST)]
    for part in (TRAIN, TEST):
        if not len(rows[part]):
            raise DataError(f"{where}: there are no {_TITLES[part]} images")
    try:
        validation = data.part(rows[VALIDATION]) if len(rows[VALIDATION]) else None
        return RetrievalSplits(data.part(rows[TRAIN]), validation, data.part(rows[TEST]))
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _given(data: Collection, parts: np.ndarray, where: str) -> np.ndarray:
    """(C,) part of every class, -1 for a class without images."""
    labels = data.images.labels
    part_of = np.full(len(data.class_names), -1, dtype=np.int64)
    part_of[labels] = parts
    astray = np.unique(labels[part_of[labels] != parts])
    if len(astray):
        own = [np.isin(astray, labels[parts == part]) for part in range(3)]
        titles = " and ".join(title for title, found in zip(_TITLES, own, strict=True) if found.any())
        names = listing(data.class_names[k] for k in astray.tolist())
        raise DataError(f"{where}: {len(astray)} classes are in several of the {titles} parts: {names}")
    return part_of


def _drawn(data: Collection, config: DataConfig, where: str, bundles: np.ndarray | None) -> np.ndarray:
    """(C,) part of every class; without validation classes if `validation` is to hold them out."""
    count = len(data.class_names)
    try:
        split = split_classes(count, config.split_seed, bundles=bundles)
    except ValueError as error:
        raise DataError(f"cannot split {where}: {error}") from error
    part_of = np.full(count, TRAIN, dtype=np.int64)
    part_of[split.test] = TEST
    if config.validation is None:
        part_of[split.validation] = VALIDATION
    return part_of


def _hold_out(part_of: np.ndarray, config: DataConfig, where: str, bundles: np.ndarray | None) -> None:
    """Make a share of the training classes validation classes, in place."""
    share = float(config.validation or 0)
    trained = np.flatnonzero(part_of == TRAIN)
    own = None if bundles is None else bundles[trained]
    try:
        split = split_classes(len(trained), config.split_seed, (1 - share, share, 0.0), own)
    except ValueError as error:
        raise DataError(f"cannot hold out data.validation={share} of the classes of {where}: {error}") from error
    part_of[trained[split.validation]] = VALIDATION
