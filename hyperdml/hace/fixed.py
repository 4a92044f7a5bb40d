"""A module of constants: derived from a taxonomy, moved between devices, never stored, never rounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn


class Constants(nn.Module):
    """Module whose buffers follow `.to(device)` but keep their precision and stay out of the state."""

    def keep(self, name: str, values: np.ndarray | None) -> None:
        """Add a constant as a buffer: int64, or float64 which every use casts to the precision of the logits."""
        self.register_buffer(name, None if values is None else torch.from_numpy(values.copy()), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # .half() on a model that contains its loss would round targets to three digits
        before = {name: buffer for name, buffer in self._buffers.items() if buffer is not None}
        super()._apply(fn, recurse)
        for name, buffer in before.items():
            after = self._buffers[name]
            if after is not None and after.dtype != buffer.dtype:
                self._buffers[name] = buffer.to(after.device)
        return self
