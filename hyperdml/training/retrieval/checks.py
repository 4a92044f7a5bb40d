"""Mistakes in a run that can be met before the long work begins."""

from __future__ import annotations

import numpy as np
import torch

from hyperdml.data import RetrievalPart, RetrievalSplits
from hyperdml.errors import ConfigError, DataError
from hyperdml.training.engine.loggers import check_loggers
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.create_learner import create_learner, training_taxonomy
from hyperdml.training.retrieval.evaluate import score
from hyperdml.training.retrieval.schedule import Schedule, schedule_of
from hyperdml.training.retrieval.task import create_batches


def check_run(config: TrainConfig, splits: RetrievalSplits, device: torch.device) -> Schedule:
    """Build what an arm needs once, and look whether the data can be scored.

    Args:
        config: the arm.
        splits: the data.
        device: of the run.

    Returns:
        The run in steps.

    Raises:
        ConfigError: settings that do not fit each other or the data.
        DataError: no class has two images.
        EnvironmentProblem: a package for `logging` is missing.
    """
    check_loggers(config.logging)
    schedule = schedule_of(config, len(create_batches(config, splits.train)))
    learner = create_learner(config, splits.train.num_classes, device, training_taxonomy(config, splits.train))
    if learner.hier is not None and learner.hier.start is not None:
        _check_start(config, schedule.steps, learner.hier.options["warmup"], learner.hier.options["levels"][-1])
    parts = {"test": splits.test}
    if schedule.validate_every and config.evaluation.on == "validation":
        if splits.validation is None:
            raise ConfigError(
                "validation needs classes that are held out: data.validation=0.15 takes them from the training "
                "classes; evaluation.on=test looks at the test classes, as published code does"
            )
        parts["validation"] = splits.validation
    if schedule.validate_every:
        _check_select(config, parts[config.evaluation.on])
    for name, part in parts.items():
        _check_part(config, name, part)
    return schedule


def _check_select(config: TrainConfig, part: RetrievalPart) -> None:
    """Refuse a figure that validations will not have."""
    rows = max(config.evaluation.ks) + 2  # of a made-up part, for the names of its figures
    labels = np.zeros(rows, dtype=np.int64)
    levels = labels[:, None].repeat(len(part.level_names), axis=1)
    names = score(torch.zeros(rows, 2), labels, levels, part.level_names, config.evaluation.ks, config.model.head.c)
    if config.evaluation.select not in names:
        raise ConfigError(f"evaluation.select={config.evaluation.select} is none of the figures: {', '.join(names)}")


def _check_part(config: TrainConfig, name: str, part: RetrievalPart) -> None:
    searched = len(part) - 1 if part.gallery is None else int(part.gallery.sum())
    if max(config.evaluation.ks) > searched:
        raise ConfigError(
            f"evaluation.ks asks for {max(config.evaluation.ks)} neighbours, but the {name} part has {len(part)} images"
            + ("" if part.gallery is None else f", {searched} of them in the gallery")
        )
    if np.bincount(part.labels).max() < 2:
        raise DataError(f"no class of the {name} part has two images: retrieval cannot be scored")


def _check_start(config: TrainConfig, steps: int, warmup: int, finest: int) -> None:
    """Refuse a run that ends before the proxies of HIER's default mode start."""
    start = max(warmup, -(-finest // config.batch.size))  # steps until the warm-up is over and enough was seen
    if start >= steps:
        raise ConfigError(
            f"HIER's proxies start after {start} steps (hier.warmup {warmup}; {finest} embeddings for the finest "
            f"level), but the run ends after {steps}: raise optim.steps or optim.epochs, or lower hier.warmup or "
            "hier.levels"
        )
