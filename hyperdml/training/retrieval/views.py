"""The data as the arms of a run see it: images, or features of the frozen backbone that all arms share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import Tensor

from hyperdml.data import RetrievalPart, RetrievalSplits
from hyperdml.models import EmbeddingModel
from hyperdml.training.engine.processes import first_goes_ahead
from hyperdml.training.environment import resolve_device
from hyperdml.training.progress import Progress
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.embedding import Tick, embed_part, training_features


class Views:
    """The parts of the data as an arm sees them: images, or features of the frozen backbone, computed once.

    Args:
        config: the run; its arms differ from it in nothing that decides about images or features.
        splits: the images.
        cache: folder of features of frozen backbones; None keeps none.
        progress: told about their computation.
    """

    def __init__(
        self, config: TrainConfig, splits: RetrievalSplits, cache: Path | None = None, progress: Progress | None = None
    ) -> None:
        self.config, self.splits = config, splits
        self.device = resolve_device(config.device)
        self._cache, self._progress = cache, progress
        self._banks: dict[int, Tensor] = {}

    def prepare(self) -> None:
        """Compute what training needs; a collective in a process group, where the others find the file of the first."""
        if self.config.optim.freeze_backbone:
            with first_goes_ahead():
                _ = self.bank

    @property
    def bank(self) -> Tensor:
        """(N, V, F) features of the training images: each itself, and V - 1 changed ones."""
        return self._features(self.splits.train, self.config.optim.views)

    def embed(self, model: EmbeddingModel, part: RetrievalPart) -> Tensor:
        """(N, d) points of all images, on the CPU; `DivergedError` if one is not finite."""
        if not self.config.optim.freeze_backbone:
            return embed_part(model, part, self.config)
        views = self.config.optim.views if part is self.splits.train else 1
        return embed_part(model, part, self.config, self._features(part, views)[:, 0])

    def _features(self, part: RetrievalPart, views: int) -> Tensor:
        if id(part) not in self._banks:
            name = next(name for name in ("train", "validation", "test") if getattr(self.splits, name) is part)
            tick: Tick | None = None
            message: Callable[[str], None] = warnings.warn
            if self._progress is not None:
                self._progress.start(f"features of the {name} part", len(part) * views)
                tick, message = partial(self._progress.advance, figures={}), self._progress.message
            self._banks[id(part)] = training_features(
                self.config, part, self.device, views=views, cache=self._cache, tick=tick, message=message
            )
            if self._progress is not None:
                self._progress.end()
        return self._banks[id(part)]
