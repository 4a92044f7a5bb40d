"""Mixed precision: the context that a network computes in, and the scaler of its loss."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Context of the network's arithmetic; nothing changes at "float32"."""
    dtype = _DTYPES.get(precision)
    return torch.autocast(device.type, dtype, enabled=dtype is not None)


def create_scaler(precision: Precision, device: torch.device) -> torch.amp.GradScaler:
    """Scaler of the loss, without which small gradients are 0 in float16; it hands all through in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == "float16")
