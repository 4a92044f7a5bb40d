"""The training of one retrieval arm: what a step computes, and at which learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hyperdml.data import ClassBatchSampler, ImageData, to_input
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.training.engine.steps import Monitor, Pace, Start, take_steps
from hyperdml.training.environment import resolve_device
from hyperdml.training.retrieval.config import OptimConfig, TrainConfig
from hyperdml.training.retrieval.learner import Learner, create_learner, training_taxonomy
from hyperdml.training.retrieval.param_groups import param_groups

Validate = Callable[[int, Learner], None]
"""Called every `evaluation.every` steps with the number of finished steps and the modules."""


@dataclass(frozen=True)
class Trained:
    """Result of `train`.

    Attributes:
        learner: the trained modules, in evaluation mode.
        seconds: training time, of earlier sittings too.
    """

    learner: Learner
    seconds: float


def train(
    config: TrainConfig,
    data: ImageData,
    checkpoints: Path,
    bank: Tensor | None = None,
    on_start: Start | None = None,
    monitor: Monitor | None = None,
    validate: Validate | None = None,
) -> Trained:
    """Train on one part of a data set, from the newest checkpoint if there is one.

    Every random number of a step is derived from (seed, step), so a run that was interrupted and resumed ends with
    the same bits as one that was not (on one machine, on the CPU).

    Args:
        config: the run.
        data: training images.
        checkpoints: folder of the checkpoints.
        bank: (N, V, F) features of the training images if the backbone is frozen (`features.training_features`).
        on_start: called once before the first step.
        monitor: called after every step.
        validate: called every `evaluation.every` steps.

    Returns:
        The trained modules.

    Raises:
        ConfigError: settings do not fit the data, or differ from those of the checkpoint.
        DivergedError: the loss or its gradient was not finite; the step was not applied.
        Interrupted: SIGINT or SIGTERM came; the state was saved.
    """
    device = resolve_device(config.device)
    learner = create_learner(config, data.num_classes, device, training_taxonomy(config, data))
    learner.model.backbone.requires_grad_(not config.optim.freeze_backbone)
    groups = param_groups(learner.model, learner.metric_loss, learner.hier, config.optim, learner.prototypes)
    optimizer = torch.optim.AdamW(groups)
    sampler = ClassBatchSampler(data.labels, config.batch.size, config.batch.per_class, config.seed)

    def losses(step: int) -> dict[str, Tensor]:
        _set_mode(learner, config.optim)
        rows = sampler.batch(step)
        features = _features(learner.model, config, data, bank, rows, step)
        if learner.hier is not None:
            learner.hier.manual_seed(derive_seed(config.seed, "triplets", step))
        return learner.losses(features, torch.from_numpy(data.labels[rows]).to(features.device))

    seconds = take_steps(
        learner,
        optimizer,
        losses,
        Pace(config.optim.steps, config.checkpoint_every, config.evaluation.every, config.optim.clip_value),
        lambda step, group: lr_factor(step, group, config.optim),
        config,
        checkpoints,
        on_start=on_start,
        monitor=monitor,
        validate=None if validate is None else lambda done: validate(done, learner),
    )
    return Trained(learner.eval(), seconds)


def lr_factor(step: int, group: str, config: OptimConfig) -> float:
    """Factor of a group's learning rate at a step: the schedule, and 0 for the backbone during warm-up."""
    if group == "backbone" and step < config.warmup_steps:
        return 0.0
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * step / config.steps))
    return 1.0


def _features(
    model: EmbeddingModel, config: TrainConfig, data: ImageData, bank: Tensor | None, rows: np.ndarray, step: int
) -> Tensor:
    """Backbone features of a batch: computed from augmented images, or one stored view of each image."""
    torch.manual_seed(derive_seed(config.seed, "step", step))  # dropout and the like
    generator = torch.Generator().manual_seed(derive_seed(config.seed, "augment", step))
    device = next(model.parameters()).device
    if bank is not None:
        views = torch.randint(bank.shape[1], (len(rows),), generator=generator)
        return bank[torch.from_numpy(rows), views].to(device)
    images = torch.from_numpy(data.images[rows]).to(device)
    inputs = to_input(images, config.data.image_size, model.mean, model.std, config.augment, generator)
    features: Tensor = model.backbone(inputs)
    return features


def _set_mode(learner: Learner, config: OptimConfig) -> None:
    learner.train()
    if config.freeze_backbone:
        learner.model.backbone.eval()
    elif config.freeze_bn:
        for module in learner.model.backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
