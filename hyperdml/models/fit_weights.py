"""A state dict into a timm model without classifier, in timm's key names or those of a release."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hyperdml.errors import DataError


def fit_weights(model: nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Load all of the model's own keys; classifier keys of the file are left over and ignored.

    Args:
        model: a timm model without classifier.
        state: tensors by name; where timm knows how to convert them (position embeddings of another size, names of a
            release), it does.
        source: where they are from, for messages.

    Raises:
        DataError: a tensor is missing or of another shape; or parts of the model have further tensors in the file,
            which then is that of a larger model: a ResNet-101 has all that a ResNet-50 has, in the same shapes.
    """
    own = model.state_dict()
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    unlike = any(key not in state or own[key].shape != state[key].shape for key in own)
    if convert is not None and (unlike or _strangers(model, state)):
        try:
            state = convert(state, model)
        except Exception as error:  # whatever timm meets in a file of another model
            raise DataError(f"{source} does not fit the model: {error!r}") from error
    missing = sorted(own.keys() - state.keys())
    wrong = sorted(key for key in own.keys() & state.keys() if own[key].shape != state[key].shape)
    if missing or wrong:
        raise DataError(f"{source} does not fit the model: missing {missing[:3]}, of another shape {wrong[:3]}")
    strangers = _strangers(model, state)
    if strangers:
        raise DataError(
            f"{source} is of a larger model: {len(strangers)} of its tensors have no place, as {strangers[0]}"
        )
    model.load_state_dict({key: state[key] for key in own})


def _strangers(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Keys that lie in parts of the model where it has no such key, its classifier left out."""
    own = model.state_dict().keys()
    published: Any = getattr(model, "pretrained_cfg", None) or {}
    names = published.get("classifier") or ()
    classifiers = {name.split(".")[0] for name in ((names,) if isinstance(names, str) else names)}
    parts = {key.split(".")[0] for key in own} - classifiers
    return sorted(key for key in state.keys() - own if key.split(".")[0] in parts)
