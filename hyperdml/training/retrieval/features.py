"""Features of a frozen backbone, computed once and shared by every arm of a run."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hyperdml.data import AugmentConfig, ImageData, to_input
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.training.retrieval.config import TrainConfig

_BATCH = 128

Tick = Callable[[int], None]
"""Called with the number of images done since the last call."""


@torch.no_grad()
def backbone_features(
    model: EmbeddingModel,
    data: ImageData,
    image_size: int,
    augment: AugmentConfig | None = None,
    generator: torch.Generator | None = None,
    tick: Tick | None = None,
) -> Tensor:
    """(N, F) pooled features of all images, in evaluation mode, on the CPU.

    Args:
        model: its backbone is used, on its device; the mode is restored afterwards.
        data: images.
        image_size: side of the network's input.
        augment: augmentation settings, or None.
        generator: CPU generator of the augmentation.
        tick: told about progress.
    """
    was_training = model.backbone.training
    model.backbone.eval()
    device = next(model.parameters()).device
    parts = []
    for start in range(0, len(data), _BATCH):
        images = torch.from_numpy(data.images[start : start + _BATCH]).to(device)
        inputs = to_input(images, image_size, model.mean, model.std, augment, generator)
        parts.append(model.backbone(inputs).cpu())
        if tick is not None:
            tick(len(images))
    model.backbone.train(was_training)
    return torch.cat(parts)


def training_features(model: EmbeddingModel, data: ImageData, config: TrainConfig, tick: Tick | None = None) -> Tensor:
    """(N, V, F) features of V views of every training image: the image itself and V - 1 augmented copies.

    Args:
        model: the model whose backbone is frozen.
        data: training images.
        config: image size, augmentation, number of views, seed.
        tick: told about progress.
    """
    size = config.data.image_size
    views = [backbone_features(model, data, size, tick=tick)]
    for view in range(1, config.optim.views):
        generator = torch.Generator().manual_seed(derive_seed(config.seed, "view", view))
        views.append(backbone_features(model, data, size, config.augment, generator, tick))
    return torch.stack(views, 1)
