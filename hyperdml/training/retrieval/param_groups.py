"""Parameter groups with the learning-rate multipliers of the papers."""

from __future__ import annotations

from typing import Any

import torch

from hyperdml.training.engine.weight_decay import decay_parts
from hyperdml.training.retrieval.config import OptimConfig
from hyperdml.training.retrieval.learner import Learner


def create_optimizer(learner: Learner, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW over the groups of `param_groups`."""
    return torch.optim.AdamW(param_groups(learner, config), lr=config.lr, eps=config.eps)


def param_groups(learner: Learner, config: OptimConfig) -> list[dict[str, Any]]:
    """Groups "backbone", "head", "class_proxies", "hier_proxies" and "hace" of what is trained.

    Args:
        learner: the modules; parameters without gradients are left out.
        config: base learning rate, multipliers, weight decay.

    Returns:
        Non-empty groups, each with its name, learning rate at full schedule (`lr` and `base_lr`) and weight decay. With
        `decay_norms` false, what does not decay is in groups of its own, as "head/no_decay".
    """
    parts = [
        ("backbone", learner.model.backbone, 1.0),
        ("head", learner.model.head, config.head_lr_mult),
        ("class_proxies", learner.metric_loss, config.class_proxy_lr_mult),
        ("hier_proxies", learner.hier, config.hier_proxy_lr_mult),
        ("hace", learner.prototypes, config.hace_lr_mult),
    ]
    return [
        {"name": group, "params": params, "lr": lr, "base_lr": lr, "weight_decay": decay}
        for name, module, multiplier in parts
        if module is not None
        for lr in [config.lr * multiplier]
        for group, params, decay in decay_parts(name, module, "", config.weight_decay, config.decay_norms)
    ]
