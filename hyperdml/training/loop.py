"""The training loop of one arm: a plain loop over steps, resumable at any of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hyperdml.data import ClassBatchSampler, ImageData, to_input
from hyperdml.errors import DivergedError, Interrupted
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.training.checkpoint import load_checkpoint, save_checkpoint
from hyperdml.training.config import OptimConfig, TrainConfig
from hyperdml.training.environment import resolve_device
from hyperdml.training.interrupt import InterruptGuard
from hyperdml.training.learner import Learner, create_learner
from hyperdml.training.param_groups import param_groups

Start = Callable[[int], None]
"""Called once before the first step, with the number of steps that an earlier sitting finished."""

Monitor = Callable[[int, dict[str, float]], None]
"""Called after every step with the number of finished steps and the step's figures."""

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
    learner = create_learner(config, data.num_classes, device)
    learner.model.backbone.requires_grad_(not config.optim.freeze_backbone)
    optimizer = torch.optim.AdamW(param_groups(learner.model, learner.metric_loss, learner.hier, config.optim))
    sampler = ClassBatchSampler(data.labels, config.batch.size, config.batch.per_class, config.seed)
    first, seconds = load_checkpoint(checkpoints, learner, optimizer, config) or (0, 0.0)
    start = time.perf_counter() - seconds
    if on_start is not None:
        on_start(first)
    with InterruptGuard() as guard:
        for step in range(first, config.optim.steps):
            _set_mode(learner, config.optim)
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * lr_factor(step, group["name"], config.optim)
            rows = sampler.batch(step)
            features = _features(learner.model, config, data, bank, rows, step)
            figures = _step(learner, optimizer, config, features, torch.from_numpy(data.labels[rows]), step)
            if monitor is not None:
                monitor(step + 1, figures)
            done = step + 1
            if validate is not None and config.evaluation.every and done % config.evaluation.every == 0:
                validate(done, learner)
            if guard.signal_number is not None or (done % config.checkpoint_every == 0 and done < config.optim.steps):
                save_checkpoint(checkpoints, done, learner, optimizer, config, time.perf_counter() - start)
            if guard.signal_number is not None:
                raise Interrupted(f"interrupted after step {done}; its state is saved", guard.signal_number)
    return Trained(learner.eval(), time.perf_counter() - start)


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


def _step(
    learner: Learner,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    features: Tensor,
    labels: Tensor,
    step: int,
) -> dict[str, float]:
    if learner.hier is not None:
        learner.hier.manual_seed(derive_seed(config.seed, "triplets", step))
    parts = learner.losses(features, labels.to(features.device))
    figures = {name: float(value.detach()) for name, value in parts.items()}
    if not math.isfinite(figures["loss"]):
        raise DivergedError(f"the loss is not finite at step {step + 1}: {figures}; lower optim.lr or the multipliers")
    optimizer.zero_grad(set_to_none=True)
    parts["loss"].backward()
    gradients = [p.grad for p in learner.parameters() if p.grad is not None]
    if not math.isfinite(float(torch.nn.utils.get_total_norm(gradients))):
        raise DivergedError(f"the gradient is not finite at step {step + 1}; lower optim.lr or the multipliers")
    if config.optim.clip_value is not None:
        torch.nn.utils.clip_grad_value_(learner.parameters(), config.optim.clip_value)
    optimizer.step()
    return figures


def _set_mode(learner: Learner, config: OptimConfig) -> None:
    learner.train()
    if config.freeze_backbone:
        learner.model.backbone.eval()
    elif config.freeze_bn:
        for module in learner.model.backbone.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
