"""Parts of a backbone that are not trained."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hyperdml.errors import ConfigError

FreezeBN = Literal["no", "statistics", "all"]


def freeze(backbone: nn.Module, name: str, parts: Sequence[str], batch_norms: FreezeBN) -> None:
    """Take parts of a backbone from training: their parameters require no gradient.

    Args:
        backbone: a timm model.
        name: its name, for messages.
        parts: names of sub-modules, as `layer1` or `blocks.0`; "patch_embed" stands for the stem of backbones that
            have no module of this name but cut patches in their stem (ConvNeXt).
        batch_norms: "all" freezes scale and shift of every batch norm; "statistics" leaves them to training.

    Raises:
        ConfigError: there is no such part; the backbone has no batch norm to freeze; or `batch_norms` is unknown.
    """
    if batch_norms not in ("no", "statistics", "all"):
        raise ConfigError(f"model.freeze_bn must be 'no', 'statistics' or 'all', got {batch_norms!r}")
    if batch_norms != "no" and not any(isinstance(module, _BatchNorm) for module in backbone.modules()):
        raise ConfigError(f"model.freeze_bn: {name!r} has no batch norm; leave it at 'no'")
    for part in parts:
        if _module(backbone, part) is None:
            raise ConfigError(_unknown(backbone, name, part))
    for module in frozen_modules(backbone, parts, "no" if batch_norms == "statistics" else batch_norms):
        module.requires_grad_(False)


def frozen_modules(backbone: nn.Module, parts: Sequence[str], batch_norms: FreezeBN) -> Iterator[nn.Module]:
    """The modules that stay in evaluation mode while the others are trained.

    They are looked up anew each time, because layers may be exchanged after the start (`SyncBatchNorm`).

    Args:
        backbone: a timm model.
        parts: as in `freeze`.
        batch_norms: every batch norm belongs to them unless this is "no".
    """
    for part in parts:
        module = _module(backbone, part)
        if module is not None:
            yield module
    if batch_norms != "no":
        yield from (module for module in backbone.modules() if isinstance(module, _BatchNorm))


def _module(backbone: nn.Module, part: str) -> nn.Module | None:
    if part == "patch_embed" and not hasattr(backbone, part):
        stem = getattr(backbone, "stem", None)
        # patches do not overlap: the first convolution of the stem moves by its own size
        first = next((layer for layer in stem.modules() if isinstance(layer, nn.Conv2d)), None) if stem else None
        return stem if first is not None and first.kernel_size == first.stride else None
    try:
        return backbone.get_submodule(part) if part else None
    except AttributeError:
        return None


def _unknown(backbone: nn.Module, name: str, part: str) -> str:
    parts = [child for child, _ in backbone.named_children()]
    close = difflib.get_close_matches(part, [each for each, _ in backbone.named_modules() if each], n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"model.freeze: {name!r} has no part {part!r}; {hint}its parts are {', '.join(parts)}, and what is in them"
