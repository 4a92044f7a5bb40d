"""Scores over batches: collect embeddings and labels as they come, score all of them once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hyperdml.metrics.batches import Batches
from hyperdml.metrics.labels import Labels, Levels
from hyperdml.neighbors import make_knn


class Accumulator:
    """Collects batches for a function of all embeddings; see `hyperdml.metrics.accumulators` for the named ones.

    Every process of a distributed evaluation updates with its own batches, as many and as large as it has; `compute`
    joins them, so all processes have to call it, and all get the score. Samplers such as `DistributedSampler` repeat
    items until every process has as many, and a repeated item is a perfect neighbour of its twin: pass `index` to
    `update`, the items' numbers in the data set, and each is counted once, whatever the number of processes.

    Args:
        score: function of ``(embeddings, labels, ..., reference=, reference_labels=)``, as those of
            `hyperdml.metrics`; `levels` and `reference_levels` in place of labels do as well. One without reference
            takes no gallery.
        device: where the batches are kept; None keeps them where they come from.
        settings: keyword arguments for `score`.

    Raises:
        TypeError: `score` has no such argument.
        ValueError: the metric is unknown, or "hyperbolic" came without c.

    Example:
        >>> from hyperdml.metrics import recall_at_k
        >>> recall = Accumulator(recall_at_k, ks=(1,), c=1.0)
        >>> recall.update(torch.tensor([[0.1, 0.0], [0.2, 0.0]]), torch.tensor([0, 0]))
        >>> recall.update(torch.tensor([[-0.3, 0.0], [-0.4, 0.0]]), torch.tensor([1, 1]))
        >>> recall.compute()
        {1: 1.0}
    """

    def __init__(
        self, score: Callable[..., Any], *, device: torch.device | str | None = "cpu", **settings: Any
    ) -> None:
        parameters = inspect.signature(score).parameters
        unknown = [name for name in settings if name not in parameters]
        if unknown:
            raise TypeError(f"{score.__name__} has no argument {unknown[0]!r}; it has {', '.join(parameters)}")
        if "metric" in parameters:  # before an epoch of batches rather than after it
            make_knn(settings.get("metric", parameters["metric"].default), settings.get("c"), engine="torch")
        self.score, self.settings = score, settings
        self.device = None if device is None else torch.device(device)
        names = [name for name in ("reference_labels", "reference_levels") if name in parameters]
        self._reference_labels = names[0] if names else None
        self.reset()

    def reset(self) -> None:
        """Forget all batches."""
        self._queries, self._gallery = Batches(), Batches()

    def update(
        self, embeddings: Tensor, labels: Labels | Levels, *, index: Labels | None = None, gallery: bool = False
    ) -> None:
        """Add a batch.

        Args:
            embeddings: (B, d) points; a detached copy is kept, in their dtype.
            labels: (B,) integer labels, or (B, L) ids where the score takes levels.
            index: (B,) integers, the items' numbers in the data set, by which rows are ordered and repeated ones
                dropped; with all batches of a set or with none.
            gallery: the batch belongs to the gallery; without any, queries are searched among themselves.

        Raises:
            ValueError: shapes do not fit each other or the batches before, labels are not integers, or the score
                takes no gallery. The batch is not added then.
        """
        if gallery and self._reference_labels is None:
            raise ValueError(f"{self.score.__name__} scores one set and takes no gallery")
        (self._gallery if gallery else self._queries).add(embeddings, labels, index, self.device)

    def compute(self) -> Any:
        """The score of all batches of all processes.

        Returns:
            What the function returns.

        Raises:
            ValueError: there are no queries; the batches of different processes do not fit; or what the function
                raises.
        """
        queries, gallery = self._queries.joined("queries"), self._gallery.joined("gallery")
        if queries is None:
            raise ValueError("there is nothing to score: update() was not called, or with empty batches only")
        settings = dict(self.settings)
        if gallery is not None and self._reference_labels is not None:
            settings |= {"reference": gallery[0], self._reference_labels: gallery[1]}
        return self.score(*queries, **settings)
