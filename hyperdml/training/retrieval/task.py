"""What a step of a retrieval run computes: a `Task` of the engine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from hyperdml.data import RetrievalPart
from hyperdml.data.image_stream import ImageStream
from hyperdml.data.sampling import Sampler, create_sampler
from hyperdml.distributed import is_distributed
from hyperdml.errors import ConfigError
from hyperdml.integrations.metric_loss import class_tree_loss
from hyperdml.seeds import derive_seed
from hyperdml.training.engine.pieces import average_gradients, cached_backward
from hyperdml.training.engine.processes import place
from hyperdml.training.engine.steps import Batch
from hyperdml.training.environment import reading_processes
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.create_learner import create_learner, training_taxonomy
from hyperdml.training.retrieval.embedding import embed_part, training_features
from hyperdml.training.settings import settings_errors

Bank = Callable[[], Tensor]
"""Gives the (N, V, F) features of the training images."""


class RetrievalTask:
    """Batches of a run and their gradients.

    Everything random in a step follows from (seed, step), what happens in a process of a group also from its rank.
    Images or features are read when the first batch is asked for. In a process group every process has a contiguous
    slice of each batch, and module and losses are one `DistributedDataParallel`; with `batch.piece` gradients are
    averaged after the last piece instead.

    Args:
        config: the run.
        part: training images.
        device: where to compute.
        bank: of `optim.freeze_backbone`: gives the features; None computes them.

    Attributes:
        module: the `Learner`.

    Raises:
        ConfigError: settings do not fit the data.
    """

    def __init__(
        self, config: TrainConfig, part: RetrievalPart, device: torch.device, bank: Bank | None = None
    ) -> None:
        self.config, self.part, self.device = config, part, device
        self._place = place()
        if config.batch.size < self._place.world:
            raise ConfigError(f"batch.size={config.batch.size} is less than an image a process: {self._place.world}")
        self.sampler = create_batches(config, part)
        self.module = create_learner(config, part.num_classes, device, training_taxonomy(config, part))
        self._parallel: DistributedDataParallel | None = None
        self._tree = class_tree_loss(self.module.metric_loss)
        self._make_bank = bank or (lambda: training_features(config, part, device))
        self._bank: Tensor | None = None
        self._stream: ImageStream | None = None
        self._next = -1
        self._reading: Iterator[tuple[Tensor, Tensor]] = iter(())

    def __len__(self) -> int:
        """Steps of an epoch."""
        return len(self.sampler)

    def batch(self, step: int) -> Batch:
        """The "inputs" of a step, images or features, and the "labels"; of a process group the slice of this one."""
        if self.config.optim.freeze_backbone:
            return self._features(step)
        if self._stream is None:
            self._stream = self._open()
        if step != self._next:
            self._reading = self._stream.batches(step)
        self._next = step + 1
        inputs, labels = next(self._reading)
        layout = torch.channels_last if self.config.optim.channels_last else torch.contiguous_format
        return {"inputs": inputs.contiguous(memory_format=layout), "labels": labels}

    def backward(self, step: int, batch: Batch, scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
        """Gradient of the loss of the whole batch; the parts of the loss, alike in all processes."""
        learner, labels = self.module, batch["labels"]
        # a step that was left out takes its tree with it
        if self._tree is not None and (step % len(self) == 0 or bool(self._tree.thresholds.isnan().any())):
            features = None if self._bank is None else self._bank[:, 0]
            points = embed_part(learner.model, self.part, self.config, features)
            self._tree.update_tree(points, torch.tensor(self.part.labels))
        learner.train()
        learner.begin(step)
        seed = derive_seed(self.config.seed, "step", step, self._place.rank)  # dropout and the like
        piece = self.config.batch.piece
        if piece is not None:
            loss = lambda points: learner.losses(points, labels)  # noqa: E731
            parts = cached_backward(learner.embed, batch["inputs"], piece, loss, scaler, seed)
            average_gradients(learner)
            return parts
        if is_distributed() and self._parallel is None:
            self._parallel = _parallel(learner)
        torch.manual_seed(seed)
        parts = (self._parallel or learner)(batch["inputs"], labels)
        scaler.scale(parts["loss"]).backward()
        return {name: value.detach() for name, value in parts.items()}

    def _open(self) -> ImageStream:
        config, model = self.config, self.module.model
        with settings_errors("data"):
            return ImageStream(
                self.part.images,
                config.crop,
                self.sampler,
                image_size=config.data.image_size,
                mean=model.mean,
                std=model.std,
                seed=config.seed,
                workers=reading_processes(config.workers),
                device=self.device,
                rank=self._place.rank,
                world=self._place.world,
            )

    def _features(self, step: int) -> Batch:
        """One stored view of each image of a batch."""
        if self._bank is None:
            self._bank = self._make_bank()
        rows = self.sampler.batch(step)
        generator = torch.Generator().manual_seed(derive_seed(self.config.seed, "augment", step))
        views = torch.randint(self._bank.shape[1], (len(rows),), generator=generator)
        own = np.array_split(np.arange(len(rows)), self._place.world)[self._place.rank]
        rows, views = rows[own], views[torch.from_numpy(own)]
        inputs = self._bank[torch.from_numpy(rows), views].to(self.device)
        return {"inputs": inputs, "labels": torch.from_numpy(self.part.labels[rows]).to(self.device)}


def create_batches(config: TrainConfig, part: RetrievalPart) -> Sampler:
    """The sampler of a run; a `ConfigError` names what does not fit the data."""
    batch = config.batch
    return create_sampler(
        batch.sampler,
        part.labels,
        size=batch.size,
        per_class=batch.per_class,
        seed=config.seed,
        replace=batch.replace,
        super_classes=batch.super_classes,
        levels=part.levels,
    )


def _parallel(module: torch.nn.Module) -> DistributedDataParallel:
    device = next(module.parameters()).device
    # buffers are those of a process's own images, or of the joined batch and alike anyway; torch renames the option
    names = inspect.signature(DistributedDataParallel).parameters
    options: dict[str, Any] = {
        "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers": False
    }
    return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None, **options)
