"""The training of one classifier: what a step computes, and the loop around it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from hyperdml.models.classifier import Classifier
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.losses import create_loss, head_of, learning_rate
from hyperdml.training.classify.optimizer import create_optimizer, lr_factor
from hyperdml.training.classify.parts import Parts
from hyperdml.training.engine.precision import autocast, create_scaler
from hyperdml.training.engine.steps import Batch, Monitor, Pace, Start, Validate, take_steps
from hyperdml.training.settings import settings_errors


def start_classifier(config: ClassifyConfig, taxonomy: Taxonomy) -> Classifier:
    """The classifier before training; arms that differ in the loss start from the same backbone and leaf outputs.

    Raises:
        ConfigError: see `Classifier`.
        DataError: its weights do not fit.
    """
    torch.manual_seed(derive_seed(config.seed, "model"))
    with settings_errors("model"):
        model = Classifier(config.model, taxonomy, head_of(config.loss), config.data.image_size)
    model.backbone.requires_grad_(not config.optim.freeze_backbone)
    return model


class ClassifyTask:
    """What a step of a classifier computes; a `Task` of the engine.

    Args:
        config: the run.
        parts: its data.
        model: of `start_classifier`, on the device of the run.

    Attributes:
        module: what is trained: the model, or its head on a frozen backbone.
        feed: the batches.
    """

    def __init__(self, config: ClassifyConfig, parts: Parts, model: Classifier) -> None:
        self.config, self.model, self.device = config, model, parts.device
        self.loss = create_loss(config.loss, parts.splits.taxonomy).to(parts.device)
        self.feed = parts.feed(model)
        self.module: nn.Module = model.head if config.optim.freeze_backbone else model

    def batch(self, step: int) -> Batch:
        """The step's "inputs", images or features, and "labels"."""
        inputs, labels = self.feed.batch(step)
        return {"inputs": inputs, "labels": labels}

    def backward(self, step: int, batch: Batch, scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
        """Gradient of the loss."""
        model, optim = self.model, self.config.optim
        torch.manual_seed(derive_seed(self.config.seed, "step", step))  # dropout and the like
        (model.dropout if optim.freeze_backbone else model).train()
        with autocast(optim.precision, self.device):
            inputs = batch["inputs"]
            logits = model.head(model.dropout(inputs)) if optim.freeze_backbone else model(inputs)
        loss = self.loss(logits, batch["labels"])
        scaler.scale(loss).backward()
        return {"loss": loss.detach()}


def train_classifier(
    config: ClassifyConfig,
    parts: Parts,
    model: Classifier,
    checkpoints: Path,
    on_start: Start | None = None,
    monitor: Monitor | None = None,
    validate: Validate | None = None,
) -> float:
    """Train a classifier, from the newest checkpoint if there is one.

    Everything random in a step follows from (seed, step), so a run that was interrupted in the middle of an epoch and
    resumed ends with the same bits as one that was not (on one machine, on the CPU).

    Args:
        config: the run.
        parts: its data.
        model: of `start_classifier`, on the device of the run; trained in place.
        checkpoints: folder of the checkpoints.
        on_start: called once before the first step.
        monitor: called after every step.
        validate: called every `evaluation.every` epochs.

    Returns:
        Training time in seconds, of earlier sittings too.

    Raises:
        HyperdmlError: see `take_steps`.
    """
    optim, device = config.optim, parts.device
    task = ClassifyTask(config, parts, model)
    steps, warmup = optim.epochs * len(task.feed), round(optim.warmup_epochs * len(task.feed))
    return take_steps(
        task,
        create_optimizer(model, optim, learning_rate(config)),
        Pace(steps, config.checkpoint_every, config.evaluation.every * len(task.feed), clip_norm=optim.clip_norm),
        lambda step, group: lr_factor(step, steps, warmup, optim),
        config,
        checkpoints,
        scaler=create_scaler(optim.precision, device),
        on_start=on_start,
        monitor=monitor,
        validate=validate,
    )
