"""An exponential moving average of the weights of a module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hyperdml.errors import DataError


class WeightAverage:
    """Average of the trained weights over the steps, the newest counting most.

    ``a_t = sum_s d^(t-s) w_s / sum_s d^(t-s)`` for s = 1..t: the weights of the start have no part in it, as Adam's
    moments have none of their zeros, so that a decay near 1 is right from the first step on and needs no warm-up. For
    large t it is the usual ``a_t = d a_(t-1) + (1 - d) w_t``. A mean of points of a ball lies in the ball.

    Buffers (running statistics) are not averaged: evaluation sees those that the module has. Weights without gradient
    are left alone.

    Args:
        module: whose parameters are averaged.
        decay: d, between 0 and 1.

    Raises:
        ValueError: decay is not between 0 and 1.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"decay must lie between 0 and 1, got {decay}")
        self.decay, self._steps = decay, 0
        self._weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
        self._average = {name: weight.detach().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self._steps += 1
        share = (1 - self.decay) / (1 - self.decay**self._steps)  # of the newest; 1 at the first step
        torch._foreach_lerp_(list(self._average.values()), list(self._weights.values()), share)

    @contextmanager
    @torch.no_grad()
    def applied(self) -> Iterator[None]:
        """A context in which the module has the averaged weights; afterwards it has its own again."""
        own = {name: weight.clone() for name, weight in self._weights.items()}
        try:
            self._fill(self._weights, self._average)
            yield
        finally:
            self._fill(self._weights, own)

    def tensors(self) -> dict[str, Tensor]:
        """The average, by the names of the parameters."""
        return dict(self._average)

    def notes(self) -> dict[str, Any]:
        """How many steps it has seen."""
        return {"steps": self._steps}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Go on from `tensors` and `notes`.

        Raises:
            DataError: they are those of other parameters.
        """
        if tensors.keys() != self._average.keys():
            names = sorted(tensors.keys() ^ self._average.keys())
            raise DataError(f"the stored average is not one of these weights: {', '.join(names[:5])}")
        self._fill(self._average, tensors)
        self._steps = int(notes["steps"])

    @staticmethod
    def _fill(targets: Mapping[str, Tensor], sources: Mapping[str, Tensor]) -> None:
        for name, target in targets.items():
            target.copy_(sources[name])
