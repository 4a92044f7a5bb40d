"""Optimisers, parameter groups and schedules of classification."""

from __future__ import annotations

import math
from typing import Any

import torch

from hyperdml.models.classifier import Classifier
from hyperdml.training.classify.config import ClassOptimConfig
from hyperdml.training.engine.weight_decay import vectors

_MOMENTUM = 0.9


def create_optimizer(model: Classifier, config: ClassOptimConfig, lr: float) -> torch.optim.Optimizer:
    """SGD or AdamW over what is to be trained.

    Args:
        model: the classifier; parameters without gradients are left out.
        config: which optimiser, its momentum and weight decay.
        lr: learning rate at full schedule.

    Returns:
        The optimiser; its groups carry a "name" and a "base_lr".
    """
    groups = parameter_groups(model, config, lr)
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr)
    momentum = _MOMENTUM if config.momentum is None else config.momentum
    return torch.optim.SGD(groups, lr, momentum=momentum, nesterov=config.nesterov)


def parameter_groups(model: Classifier, config: ClassOptimConfig, lr: float) -> list[dict[str, Any]]:
    """Group "all"; or "decay" and "no_decay" if vectors (norms, biases, tokens) are not to decay.

    Tokens, position tables and the like are what timm's `no_weight_decay` of the backbone names.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if config.decay_norms:
        parts = [("all", list(trained.values()), config.weight_decay)]
    else:
        exempt = vectors(trained, model.backbone, "backbone")
        parts = [
            ("decay", [p for name, p in trained.items() if name not in exempt], config.weight_decay),
            ("no_decay", [trained[name] for name in trained if name in exempt], 0.0),
        ]
    return [
        {"name": name, "params": params, "lr": lr, "base_lr": lr, "weight_decay": decay}
        for name, params, decay in parts
        if params
    ]


def lr_factor(step: int, steps: int, warmup: int, config: ClassOptimConfig) -> float:
    """Factor of the learning rate, step by step.

    Args:
        step: number of finished steps.
        steps: number of all steps.
        warmup: number of those of the warm-up.
        config: the schedule. "cosine" is ``(1 + cos(pi step / steps)) / 2``, as torch's CosineAnnealingLR down to 0;
            "warmup_cosine" rises linearly to 1 first and takes the cosine over the rest.
    """
    if step < warmup:
        return (step + 1) / warmup
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
