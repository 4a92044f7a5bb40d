"""Points of the ball and backbone features of one part of the data."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.data import ImageBatches, RetrievalPart
from hyperdml.errors import DivergedError
from hyperdml.models import EmbeddingModel, feature_bank
from hyperdml.training.environment import reading_processes
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.settings import settings_errors

_BLOCK = 4096

Tick = Callable[[int], None]
"""Called with the number of views done since the last call."""


@torch.no_grad()
def embed_part(
    model: EmbeddingModel, part: RetrievalPart, config: TrainConfig, features: Tensor | None = None
) -> Tensor:
    """Points of all images as evaluation sees them, in float32, on the CPU.

    Args:
        model: on its device; left in evaluation mode.
        part: the images.
        config: of the run: crop, size, workers.
        features: (N, F) of the frozen backbone, if they are known.

    Returns:
        (N, d).

    Raises:
        DivergedError: one is not finite.
        UnreadableImage: a file is missing or damaged.
    """
    model.eval()
    device = next(model.head.parameters()).device
    if features is not None:
        found = [model.head(block.float().to(device)).cpu() for block in features.split(_BLOCK)]
    else:
        with settings_errors("data"):
            batches = ImageBatches(
                part.images,
                config.crop,
                batch_size=config.evaluation.batch_size,
                image_size=config.data.image_size,
                mean=model.mean,
                std=model.std,
                train=False,
                workers=reading_processes(config.workers),
                device=device,
            )
        found = [model(images).cpu() for images, _ in batches.epoch(0)]
    points = torch.cat(found)
    if not points.isfinite().all():
        raise DivergedError("the model gives embeddings that are not finite; look at its weights and settings")
    return points


def training_features(
    config: TrainConfig,
    part: RetrievalPart,
    device: torch.device,
    *,
    views: int | None = None,
    cache: Path | None = None,
    tick: Tick | None = None,
    message: Callable[[str], None] = warnings.warn,
) -> Tensor:
    """(N, V, F) features of the frozen backbone: each image itself and V - 1 changed copies.

    Args:
        config: of the run.
        part: the images.
        device: where the backbone computes.
        views: V; None for `optim.views`.
        cache: folder of the features; None keeps none.
        tick: told about progress.
        message: told why a file of the cache is not used.
    """
    with settings_errors("model"):
        return feature_bank(
            config.model,
            part.images,
            image_size=config.data.image_size,
            crop=config.crop,
            views=config.optim.views if views is None else views,
            seed=config.seed,
            workers=reading_processes(config.workers),
            device=device,
            cache=cache,
            tick=tick,
            message=message,
        )
