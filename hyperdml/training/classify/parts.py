"""The data as the arms of a run see it: images, or features of the frozen backbone that all arms share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from hyperdml.data.classification import ClassificationSplits
from hyperdml.data.image_batches import ImageBatches
from hyperdml.data.labelled_images import LabelledImages
from hyperdml.errors import DivergedError
from hyperdml.models.classifier import Classifier
from hyperdml.models.feature_bank import feature_bank
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.feeds import FeatureFeed, Feed, ImageFeed
from hyperdml.training.environment import reading_processes, resolve_device
from hyperdml.training.progress import Progress
from hyperdml.training.settings import settings_errors

_BLOCK = 4096


class Parts:
    """The training and the evaluated part of a run.

    Args:
        config: the run; its arms differ from it in the loss alone.
        splits: the images.
        cache: folder of features of frozen backbones; None keeps none.
        progress: told about their computation.
    """

    def __init__(
        self, config: ClassifyConfig, splits: ClassificationSplits, cache: Path | None, progress: Progress
    ) -> None:
        self.splits, self.config = splits, config
        self.device = resolve_device(config.device)
        self._bank: Tensor | None = None
        self._evaluated: Tensor | None = None
        if config.optim.freeze_backbone:
            progress.start("features of the frozen backbone", len(splits.train) * config.optim.views + len(splits.test))
            self._bank = self._features(splits.train, config.optim.views, cache, progress)
            self._evaluated = self._features(splits.test, 1, cache, progress)[:, 0]
            progress.end()

    def feed(self, model: Classifier) -> Feed:
        """Training batches."""
        if self._bank is None:
            return ImageFeed(self._batches(model, self.splits.train, train=True))
        with settings_errors("optim"):
            return FeatureFeed(
                self._bank, self.splits.train.labels, self.config.optim.batch_size, self.config.seed, self.device
            )

    @torch.no_grad()
    def logits(self, model: Classifier) -> Tensor:
        """(M, N) or (M, C) logits of the evaluated images in evaluation mode, on the CPU.

        Raises:
            DivergedError: one is not finite.
        """
        model.eval()
        if self._evaluated is None:
            batches = self._batches(model, self.splits.test, train=False)
            found = [model(images).float().cpu() for images, _ in batches.epoch(0)]
        else:
            found = [model.head(part.float().to(self.device)).cpu() for part in self._evaluated.split(_BLOCK)]
        logits = torch.cat(found)
        if not logits.isfinite().all():
            raise DivergedError("the model gives logits that are not finite; look at its weights and settings")
        return logits

    def _batches(self, model: Classifier, data: LabelledImages, *, train: bool) -> ImageBatches:
        config = self.config
        with settings_errors("data"):
            return ImageBatches(
                data,
                config.crop,
                batch_size=config.optim.batch_size if train else config.evaluation.batch_size,
                image_size=config.data.image_size,
                mean=model.mean,
                std=model.std,
                train=train,
                seed=config.seed,
                workers=reading_processes(config.workers),
                device=self.device,
            )

    def _features(self, data: LabelledImages, views: int, cache: Path | None, progress: Progress) -> Tensor:
        config = self.config
        with settings_errors("model"):
            return feature_bank(
                config.model,
                data,
                image_size=config.data.image_size,
                crop=config.crop,
                views=views,
                seed=config.seed,
                workers=reading_processes(config.workers),
                device=self.device,
                cache=cache,
                tick=partial(progress.advance, figures={}),
                message=progress.message,
            )
