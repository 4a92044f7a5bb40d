"""What the laws of a loss look at: fresh losses, and batches by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hyperdml.testing.points import at_norm, directions, spread_points

SEED = 3


@dataclass(frozen=True)
class LossCase:
    """A loss and the batches on which it is tried.

    Attributes:
        make: gives a new loss.
        prepare: called with a new loss on its device, before it is used.
        num_classes: labels are 0 to num_classes - 1.
        device: device of loss and batches.
        points: (3 num_classes, d) float32 embeddings, three of every class, one class after the other.
    """

    make: Callable[[], nn.Module]
    prepare: Callable[[Any], object] | None
    num_classes: int
    device: torch.device
    points: Tensor

    def new(self, seed: int = 0) -> nn.Module:
        """A loss that has not been prepared."""
        torch.manual_seed(seed)
        return self.make().to(self.device)

    def ready(self) -> nn.Module:
        """A prepared loss; always the same one."""
        loss = self.new()
        if self.prepare is not None:
            self.prepare(loss)
        return loss

    def batch(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
        """The ordinary batch: three embeddings of every class, in a mixed order."""
        order = torch.arange(3 * self.num_classes).reshape(self.num_classes, 3).T.flatten()
        return self._given(self.points[order], dtype), order.to(self.device) // 3

    def degenerate(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Batches that come up in practice, at the end of an epoch or of a collapse, by name."""
        x, y = self.batch()
        n = self.num_classes
        origin = torch.cat([torch.zeros_like(x[:1]), x.detach()[1:]])
        chosen = {
            "no points": (x[:0], y[:0]),
            "one point": (x[:1], y[:1]),
            "two points of one class": (x[:2], torch.zeros_like(y[:2])),
            "two points of two classes": (x[:2], y[:2]),
            "four points": (x[:4], y[:4] % 2),
            "one class": (x, torch.zeros_like(y)),
            "all labels different": (x[:n], y[:n]),
            "all points equal": (x[:1].expand_as(x), y),
            "every point twice": (torch.cat([x[:n], x[:n]]), torch.cat([y[:n], y[:n]])),
            "a point at the origin": (origin, y),
        }
        return {name: (self._given(points, torch.float32), labels) for name, (points, labels) in chosen.items()}

    def _given(self, points: Tensor, dtype: torch.dtype) -> Tensor:
        return points.detach().to(self.device, dtype, copy=True).contiguous().requires_grad_()

    @contextmanager
    def seeds_kept(self) -> Iterator[None]:
        """Torch's random numbers go on outside the block as if nothing had been drawn inside."""
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            yield


def class_points(size: int, num_classes: int, c: float | None, generator: torch.Generator) -> Tensor:
    """(3 num_classes, size) embeddings, three around the direction of each class, of mixed radii."""
    centres = directions(num_classes, size, generator).repeat_interleave(3, 0)
    unit = torch.nn.functional.normalize(centres + 0.5 * directions(3 * num_classes, size, generator), dim=1)
    norms = torch.linalg.vector_norm(spread_points(len(unit), size, None, generator), dim=1, keepdim=True)
    return at_norm(unit, norms, c).float()


def evaluate(
    loss: nn.Module, embeddings: Tensor, labels: Tensor, seed: int = SEED, of_torch: int | None = None
) -> Tensor:
    """Value of a loss with its draws seeded: its own by `manual_seed` if it has that, and those of torch."""
    torch.manual_seed(seed if of_torch is None else of_torch)
    own: Any = getattr(loss, "manual_seed", None)
    if own is not None:
        own(seed)
    value: Tensor = loss(embeddings, labels)
    return value
