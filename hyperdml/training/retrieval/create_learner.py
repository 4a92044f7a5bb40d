"""The modules of an arm, built and tried before anything long begins."""

from __future__ import annotations

import copy
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from hyperdml.data import RetrievalPart
from hyperdml.errors import ConfigError, DataError
from hyperdml.integrations.metric_loss import class_tree_loss
from hyperdml.models import EmbeddingModel, ModelConfig
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.settings import differing_keys, settings_errors


def create_learner(
    config: TrainConfig, num_classes: int, device: torch.device, taxonomy: Taxonomy | None = None
) -> Learner:
    """Build the modules of an arm, and try the metric loss once.

    Args:
        config: the run.
        num_classes: number of training classes.
        device: where they are put.
        taxonomy: of the training classes, for HACE.

    Raises:
        ConfigError: a setting is out of range, or the metric loss cannot be computed from embeddings and labels.
        DataError: `start_from` holds no model, or one of other shapes.
    """
    with settings_errors("configuration"):
        learner = Learner(config, num_classes, taxonomy)
    if config.start_from is not None:
        _start_from(learner.model, config)
    learner.to(device)
    _try_loss(learner, config, num_classes, device)
    _check_pieces(learner, config)
    if config.optim.compile:
        learner.model.backbone.compile()
    return learner


def training_taxonomy(config: TrainConfig, data: RetrievalPart) -> Taxonomy | None:
    """The tree of the training classes if HACE is part of the run, else None.

    Raises:
        ConfigError: there is no level above the class: HACE would be cross-entropy, whatever its dilution.
    """
    if config.hace.weight == 0:
        return None
    if len(data.level_names) < 2:
        raise ConfigError(
            f"hace.weight={config.hace.weight:g} needs levels above the class, and data.name={config.data.name} has "
            "none; for prototypes without a taxonomy use a metric loss such as NormalizedSoftmaxLoss"
        )
    with settings_errors("taxonomy of the training classes"):
        return data.taxonomy


def _start_from(model: EmbeddingModel, config: TrainConfig) -> None:
    folder = Path(config.start_from or "")
    if config.optim.freeze_backbone:
        raise ConfigError(
            "start_from does not go with optim.freeze_backbone=true: features are those of model.weights; "
            "give the weights of the backbone there"
        )
    if not folder.is_dir():
        raise DataError(f"start_from: no such folder: {folder}")
    found = EmbeddingModel.from_pretrained(folder / "model" if (folder / "model").is_dir() else folder)
    different = differing_keys(asdict(_shape(found.config)), asdict(_shape(model.config)), "model.")
    if different:
        raise ConfigError(f"start_from: {folder} holds another model than asked for: {', '.join(different)}")
    try:
        model.load_state_dict(found.state_dict())
    except RuntimeError as error:
        raise DataError(f"start_from: the weights of {folder} do not fit: {error}") from error


def _shape(config: ModelConfig) -> ModelConfig:
    """What a state dict and its meaning depend on."""
    return replace(config, weights="none", freeze=(), freeze_bn="no")


def _try_loss(learner: Learner, config: TrainConfig, num_classes: int, device: torch.device) -> None:
    if class_tree_loss(learner.metric_loss) is not None:  # it has no tree before the training images were embedded
        return
    count, size = config.batch.size, config.model.head.embedding_size
    points = torch.nn.functional.normalize(torch.randn(count, size, device=device), dim=1)
    # inside the ball, of several radii: distances of one radius would say nothing that cosines do not
    radii = torch.linspace(0.5, 1, count, device=device)[:, None] / (2 * config.model.head.c**0.5)
    labels = (torch.arange(count, device=device) // config.batch.per_class) % num_classes
    try:
        # a copy: losses warn and look at their input once, and memories keep it
        copy.deepcopy(learner.metric_loss)((points * radii).requires_grad_(), labels)
    except ConfigError:
        raise
    except Exception as error:  # losses raise whatever comes up when an option has the wrong type or range
        raise ConfigError(f"metric_loss {config.metric_loss.name} cannot be trained with: {error!r}") from error


def _check_pieces(learner: Learner, config: TrainConfig) -> None:
    """Refuse pieces of a batch where a network looks at the whole of it."""
    if config.batch.piece is None:
        return
    norms = [m for m in learner.train().model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if any(norm.training for norm in norms):
        raise ConfigError(
            f"batch.piece={config.batch.piece} would change the batch statistics that {config.model.backbone} is "
            "trained with; model.freeze_bn=statistics keeps those of its weights"
        )
