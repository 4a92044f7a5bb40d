"""Epochs in steps, and the learning rate over them: the one place where the two are brought together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hyperdml.errors import ConfigError
from hyperdml.training.retrieval.config import OptimConfig, TrainConfig

STEPS = 1000
"""Steps of a run that gives neither steps nor epochs."""


@dataclass(frozen=True)
class Schedule:
    """A run in steps.

    Attributes:
        steps: of the whole run.
        per_epoch: of an epoch, as the sampler counts it.
        warmup: during which the backbone's learning rate is 0.
        validate_every: between validations; 0 for none.
        snapshots: epoch after which a snapshot is taken, by the number of finished steps.
    """

    steps: int
    per_epoch: int
    warmup: int
    validate_every: int
    snapshots: dict[int, int]

    @property
    def epochs(self) -> float:
        """Passes over the training images."""
        return self.steps / self.per_epoch


def schedule_of(config: TrainConfig, per_epoch: int) -> Schedule:
    """Everything that a configuration counts in epochs, in steps.

    Args:
        config: the run.
        per_epoch: steps of an epoch, the length of the sampler.

    Raises:
        ConfigError: a snapshot lies behind the end of the run, or the warm-up does not end before it.
    """
    optim, evaluation = config.optim, config.evaluation
    steps = optim.steps or (STEPS if optim.epochs is None else optim.epochs * per_epoch)
    warmup = optim.warmup_steps or optim.warmup_epochs * per_epoch
    if warmup >= steps and not optim.freeze_backbone:
        raise ConfigError(
            f"the warm-up of optim.warmup_{'steps' if optim.warmup_steps else 'epochs'} lasts {warmup} steps and the "
            f"run {steps}: the backbone would never be trained; optim.freeze_backbone=true says that"
        )
    late = [epoch for epoch in config.snapshot_epochs if epoch * per_epoch > steps]
    if late:
        raise ConfigError(f"snapshot_epochs: the run ends after {steps / per_epoch:g} epochs, got epoch {late[0]}")
    return Schedule(
        steps,
        per_epoch,
        warmup,
        evaluation.every or evaluation.every_epochs * per_epoch,
        {epoch * per_epoch: epoch for epoch in config.snapshot_epochs},
    )


def lr_factor(step: int, group: str, schedule: Schedule, config: OptimConfig) -> float:
    """Factor of a group's learning rate.

    ``cosine: (1 + cos(pi step / steps)) / 2``; ``step: decay^floor(epoch / decay_epochs)``, as torch's StepLR called
    once an epoch. During warm-up the backbone's is 0: Adam's state gathers gradients, as released.

    Args:
        step: number of finished steps.
        group: name of the parameter group.
        schedule: the run in steps.
        config: the kind of schedule.
    """
    if group.split("/")[0] == "backbone" and step < schedule.warmup:
        return 0.0
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / schedule.steps))
    if config.schedule == "step":
        return float(config.decay ** (step // schedule.per_epoch // config.decay_epochs))
    return 1.0
