"""The training of one classifier: what a step computes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from hyperdml.models.classifier import Classifier
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.losses import create_loss, head_of, learning_rate
from hyperdml.training.classify.optimizer import create_optimizer, lr_factor
from hyperdml.training.classify.parts import Parts
from hyperdml.training.engine.steps import Monitor, Pace, Start, Validate, take_steps
from hyperdml.training.settings import settings_errors

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


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
    loss = create_loss(config.loss, parts.splits.taxonomy).to(device)
    feed = parts.feed(model)
    steps, warmup = optim.epochs * len(feed), round(optim.warmup_epochs * len(feed))
    dtype = _DTYPES.get(optim.precision)

    def losses(step: int) -> dict[str, Tensor]:
        inputs, labels = feed.batch(step)
        torch.manual_seed(derive_seed(config.seed, "step", step))  # dropout and the like
        (model.dropout if optim.freeze_backbone else model).train()
        with torch.autocast(device.type, dtype, enabled=dtype is not None):
            logits = model.head(model.dropout(inputs)) if optim.freeze_backbone else model(inputs)
        return {"loss": loss(logits, labels)}

    return take_steps(
        model.head if optim.freeze_backbone else model,
        create_optimizer(model, optim, learning_rate(config)),
        losses,
        Pace(steps, config.checkpoint_every, config.evaluation.every * len(feed), clip_norm=optim.clip_norm),
        lambda step, group: lr_factor(step, steps, warmup, optim),
        config,
        checkpoints,
        torch.amp.GradScaler(device.type, enabled=optim.precision == "float16"),
        on_start=on_start,
        monitor=monitor,
        validate=validate,
    )
