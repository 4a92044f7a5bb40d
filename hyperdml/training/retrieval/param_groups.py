"""Parameter groups with the learning-rate multipliers of the papers."""

from __future__ import annotations

from typing import Any

from torch import nn

from hyperdml.models import EmbeddingModel
from hyperdml.training.retrieval.config import OptimConfig


def param_groups(
    model: EmbeddingModel,
    metric_loss: nn.Module,
    hier: nn.Module | None,
    config: OptimConfig,
    prototypes: nn.Module | None = None,
) -> list[dict[str, Any]]:
    """Groups "backbone", "head", "class_proxies", "hier_proxies" and "hace" for AdamW.

    Args:
        model: backbone and head.
        metric_loss: its parameters (class proxies) form a group; it may have none.
        hier: the regulariser, or None.
        config: base learning rate, multipliers, weight decay.
        prototypes: those of HACE, or None.

    Returns:
        Non-empty groups, each with its name, learning rate at full schedule (`lr` and `base_lr`) and weight decay.
    """
    parts = [
        ("backbone", model.backbone, 1.0),
        ("head", model.head, config.head_lr_mult),
        ("class_proxies", metric_loss, config.class_proxy_lr_mult),
        ("hier_proxies", hier, config.hier_proxy_lr_mult),
        ("hace", prototypes, config.hace_lr_mult),
    ]
    groups = []
    for name, module, multiplier in parts:
        params = [p for p in module.parameters() if p.requires_grad] if module is not None else []
        if params:
            lr = config.lr * multiplier
            groups.append(
                {"name": name, "params": params, "lr": lr, "base_lr": lr, "weight_decay": config.weight_decay}
            )
    return groups
