"""The data as the arms of a run see it: images, or features of the frozen backbone that all arms share."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from hyperdml.data import ImageData, RetrievalSplits
from hyperdml.errors import DivergedError
from hyperdml.models import EmbeddingModel
from hyperdml.seeds import derive_seed
from hyperdml.training.environment import resolve_device
from hyperdml.training.progress import Progress
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.features import backbone_features, training_features


class Views:
    """The parts of the data as an arm sees them: images, or features of the frozen backbone, computed once."""

    def __init__(self, config: TrainConfig, splits: RetrievalSplits, frozen: bool, progress: Progress | None) -> None:
        self.splits = splits
        self.size = config.data.image_size
        self.bank: Tensor | None = None
        self._features: dict[int, Tensor] = {}
        model = start_model(config)
        if frozen:
            evaluated = [splits.test, splits.validation]
            tick = None
            if progress is not None:
                total = len(splits.train) * config.optim.views + sum(map(len, evaluated))
                progress.start("features of the frozen backbone", total)
                tick = partial(progress.advance, figures={})
                self.bank = training_features(model, splits.train, config, tick)
                self._features[id(splits.train)] = self.bank[:, 0]
            for data in evaluated:
                self._features[id(data)] = backbone_features(model, data, self.size, tick=tick)
            if progress is not None:
                progress.end()

    @torch.no_grad()
    def embed(self, model: EmbeddingModel, data: ImageData) -> Tensor:
        """(N, d) points of all images, on the CPU; `DivergedError` if one is not finite."""
        features = self._features.get(id(data))
        if features is None:
            features = backbone_features(model, data, self.size)
        device = next(model.head.parameters()).device
        points = torch.cat([model.head(part.to(device)).cpu() for part in features.split(1024)])
        if not points.isfinite().all():
            raise DivergedError("the model gives embeddings that are not finite; look at its weights and settings")
        return points


def start_model(config: TrainConfig) -> EmbeddingModel:
    """The model before training, as `Learner` starts it."""
    torch.manual_seed(derive_seed(config.seed, "model"))
    return EmbeddingModel(config.model).to(resolve_device(config.device))
