"""A run without training: everything is built, the data is checked, one batch goes forward and backward."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from hyperdml.data import load_classification, load_splits
from hyperdml.training.classify.arms import class_arms
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.losses import learning_rate
from hyperdml.training.classify.optimizer import create_optimizer as classifier_optimizer
from hyperdml.training.classify.parts import Parts
from hyperdml.training.classify.train import ClassifyTask, start_classifier
from hyperdml.training.engine.precision import create_scaler
from hyperdml.training.engine.steps import Batch
from hyperdml.training.engine.trial import Trial, try_batch
from hyperdml.training.environment import resolve_device
from hyperdml.training.progress import Progress
from hyperdml.training.retrieval.arms import arms_of
from hyperdml.training.retrieval.checks import check_run
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.embedding import training_features
from hyperdml.training.retrieval.param_groups import create_optimizer
from hyperdml.training.retrieval.task import RetrievalTask
from hyperdml.training.settings import Config


@dataclass(frozen=True)
class DryRun:
    """What a run will do and need.

    Attributes:
        data: number of images and classes of every part, in words.
        arms: titles of what is trained, the last the run itself.
        steps: of one arm.
        per_epoch: of an epoch.
        warmup: steps in which the backbone's learning rate is 0, or rises.
        images: of a step.
        feature_seconds: estimate for the features of a frozen backbone, if they are not cached; 0 without one.
        trial: of one batch.
    """

    data: str
    arms: tuple[str, ...]
    steps: int
    per_epoch: int
    warmup: int
    images: int
    feature_seconds: float
    trial: Trial

    @property
    def seconds(self) -> float:
        """Estimate for all arms and features, without evaluation."""
        step = self.trial.step_seconds + self.trial.batch_seconds
        return len(self.arms) * self.steps * step + self.feature_seconds


def dry_run(config: Config, progress: Progress) -> DryRun:
    """Build all of a run, and take a batch. Nothing is written.

    Args:
        config: the run.
        progress: told what is done.

    Raises:
        HyperdmlError: what the run would raise before its first step.
    """
    return _retrieval(config) if isinstance(config, TrainConfig) else _classification(config, progress)


def _retrieval(config: TrainConfig) -> DryRun:
    splits, device = load_splits(config.data), resolve_device(config.device)
    arms = arms_of(config, Path())
    schedule = [check_run(arm.config, splits, device) for arm in arms][-1]
    task = RetrievalTask(config, splits.train, device)
    batches, seconds = None, 0.0
    if config.optim.freeze_backbone:
        batch, each = _features(task)
        evaluated = len(splits.test) + (len(splits.validation) if splits.validation and schedule.validate_every else 0)
        batches, seconds = lambda step: batch, each * (len(splits.train) * config.optim.views + evaluated)
    trial = try_batch(
        task,
        create_optimizer(task.module, config.optim),
        create_scaler(config.optim.precision, device),
        device,
        batches,
    )
    parts = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    data = [f"{name} {len(part)} images of {part.num_classes} classes" for name, part in parts.items() if part]
    titles = tuple(arm.title for arm in arms)
    steps, warmup = schedule.steps, schedule.warmup
    return DryRun(", ".join(data), titles, steps, len(task), warmup, config.batch.size, seconds, trial)


def _classification(config: ClassifyConfig, progress: Progress) -> DryRun:
    splits, device, optim = load_classification(config.data), resolve_device(config.device), config.optim
    arms = class_arms(config, Path())
    per_epoch = -(-len(splits.train) // optim.batch_size)
    model = start_classifier(config, splits.taxonomy).to(device)
    shown, seconds = splits, 0.0
    begun = time.perf_counter()
    if optim.freeze_backbone:  # features of a batch tell what those of all take
        train, test = (part.select(np.arange(min(optim.batch_size, len(part)))) for part in (splits.train, splits.test))
        shown = replace(splits, train=train, test=test)
    task = ClassifyTask(config, Parts(config, shown, None, progress), model)
    if optim.freeze_backbone:
        whole, few = (len(part.train) * optim.views + len(part.test) for part in (splits, shown))
        seconds = (time.perf_counter() - begun) * whole / few
    optimizer = classifier_optimizer(model, optim, learning_rate(config))
    trial = try_batch(task, optimizer, create_scaler(optim.precision, device), device)
    return DryRun(
        f"training {len(splits.train)} images of {splits.taxonomy.num_leaves} classes, {config.data.evaluate_on} "
        f"{len(splits.test)} images",
        tuple(arm.title for arm in arms),
        optim.epochs * per_epoch,
        per_epoch,
        round(optim.warmup_epochs * per_epoch),
        optim.batch_size,
        seconds,
        trial,
    )


def _features(task: RetrievalTask) -> tuple[Batch, float]:
    """Features of the images of the first batch, and the seconds that an image takes."""
    begun, rows, device = time.perf_counter(), task.sampler.batch(0), task.device
    few = replace(
        task.part,
        images=task.part.images.select(rows),
        levels=task.part.levels[rows],
        queries=None,
        gallery=None,
    )
    found = training_features(task.config, few, device, views=1)
    batch = {"inputs": found[:, 0].float().to(device), "labels": torch.from_numpy(few.labels).to(device)}
    return batch, (time.perf_counter() - begun) / len(rows)
