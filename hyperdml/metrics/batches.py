"""Batches of a set, kept as they come and joined over all processes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch import distributed as dist

from hyperdml.distributed import gather_batch, is_distributed
from hyperdml.metrics.labels import Labels, Levels, integers

_Kind = tuple[int, torch.dtype, tuple[int, ...], bool]


class Batches:
    """Batches of one set, of this process; `joined` has those of all processes."""

    def __init__(self) -> None:
        self.batches: list[tuple[Tensor, ...]] = []

    def add(
        self, embeddings: Tensor, labels: Labels | Levels, index: Labels | None, device: torch.device | None
    ) -> None:
        """Keep a detached copy of a batch; see `Accumulator.update`."""
        if embeddings.ndim != 2 or not embeddings.dtype.is_floating_point:
            raise ValueError(
                f"embeddings must be (B, d) floating-point, got {tuple(embeddings.shape)} of {embeddings.dtype}"
            )
        parts = [embeddings.detach(), integers(labels, "labels")]
        if index is not None:
            parts.append(integers(index, "index"))
        shapes = [tuple(part.shape) for part in parts[1:]]
        long_enough = all(shape[:1] == (len(embeddings),) for shape in shapes)
        if not long_enough or len(shapes[0]) > 2 or any(len(shape) > 1 for shape in shapes[1:]):
            raise ValueError(f"a batch of {len(embeddings)} embeddings needs as many labels and indices, got {shapes}")
        home = embeddings.device if device is None else device
        batch = tuple(part.to(home, copy=True) for part in parts)
        if self.batches and _kind(batch) != _kind(self.batches[0]):
            raise ValueError(
                f"the batch has {_words(_kind(batch))}, those before it had {_words(_kind(self.batches[0]))}"
            )
        self.batches.append(batch)

    def joined(self, name: str) -> tuple[Tensor, Tensor] | None:
        """Rows and labels of all processes, each index once and in its order; None if there are none anywhere."""
        kinds = _everywhere(_kind(self.batches[0]) if self.batches else None)
        found = {kind for kind in kinds if kind is not None}
        if not found:
            return None
        if len(found) > 1:
            raise ValueError(f"the {name} of the processes differ: {' and '.join(map(_words, sorted(found, key=str)))}")
        (kind,) = found
        parts = [torch.cat(column) for column in zip(*self.batches, strict=True)] if self.batches else _nothing(kind)
        embeddings, labels, *index = _gathered(parts)
        if len(embeddings) == 0:
            return None
        if index:
            embeddings, labels = _in_order(embeddings, labels, index[0])
        return embeddings, labels


def _kind(batch: tuple[Tensor, ...]) -> _Kind:
    """What all batches of a set have in common: dimension, dtype, shape of a label, and whether they have an index."""
    return batch[0].shape[1], batch[0].dtype, tuple(batch[1].shape[1:]), len(batch) > 2


def _words(kind: _Kind) -> str:
    dimension, dtype, label, indexed = kind
    levels = f"{label[0]} levels" if label else "one label"
    return f"dimension {dimension}, {dtype}, {levels} an item, {'an' if indexed else 'no'} index"


def _nothing(kind: _Kind) -> list[Tensor]:
    """The part of a process that had no batch."""
    dimension, dtype, label, indexed = kind
    parts = [torch.empty(0, dimension, dtype=dtype), torch.empty(0, *label, dtype=torch.int64)]
    return [*parts, torch.empty(0, dtype=torch.int64)] if indexed else parts


def _everywhere(kind: _Kind | None) -> list[_Kind | None]:
    """The kinds of all processes."""
    if not is_distributed():
        return [kind]
    kinds: list[_Kind | None] = [None] * dist.get_world_size()
    dist.all_gather_object(kinds, kind)
    return kinds


def _gathered(parts: list[Tensor]) -> list[Tensor]:
    """Rows of all processes, in the order of their ranks, where this process keeps its own."""
    if not is_distributed():
        return parts
    home = parts[0].device
    # NCCL moves tensors between GPUs only
    there = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
    return [part.to(home) for part in gather_batch(*(part.to(there) for part in parts))]


def _in_order(embeddings: Tensor, labels: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Rows by index, the first of those that share one.

    Raises:
        ValueError: rows of one index have different labels, as where processes number their items each from 0.
    """
    index, order = index.sort(stable=True)
    embeddings, labels = embeddings[order], labels[order]
    again = index[1:] == index[:-1]
    differ = again & (labels[1:] != labels[:-1]).reshape(len(again), -1).any(1)
    if differ.any():
        row = int(differ.nonzero()[0])
        raise ValueError(
            f"index {int(index[row])} occurs with labels {labels[row].tolist()} and {labels[row + 1].tolist()}; index "
            "must be an item's number in the whole data set"
        )
    kept = torch.cat([again.new_ones(min(1, len(index))), ~again])
    return embeddings[kept], labels[kept]
