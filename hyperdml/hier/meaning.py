"""A module whose state says under which settings its parameters mean what they do."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor, nn


class KeepsMeaning(nn.Module):
    """Module that stores `meaning` with its state and refuses a state that was stored under another."""

    def meaning(self) -> dict[str, Any]:
        """Settings without which the parameters cannot be read: JSON values by name."""
        return {}

    def get_extra_state(self) -> Tensor:
        """The meaning, as JSON in bytes: a tensor like the rest of the state."""
        return torch.tensor(list(json.dumps(self.meaning()).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Compare a stored meaning with the module's own.

        Raises:
            ValueError: they differ; the message lists how.
        """
        stored, own = json.loads(bytes(state.tolist())), self.meaning()
        different = [
            f"{name}={stored.get(name)!r}, here {own[name]!r}" for name in own if stored.get(name) != own[name]
        ]
        if different:
            raise ValueError(f"the stored {type(self).__name__} has {'; '.join(different)}")
