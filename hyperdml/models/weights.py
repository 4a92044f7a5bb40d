"""Where the weights of a backbone come from: a package, the hub, a file. Nothing in them is ever run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hyperdml.errors import ConfigError, DataError
from hyperdml.files import sha256, write_atomic
from hyperdml.models.fit_weights import fit_weights
from hyperdml.models.hub import hub_file
from hyperdml.models.lite0 import lite0_weights

PACKAGED = ("tf_efficientnet_lite0",)
SOURCES = ("packaged", "hub", "none")  # anything else is the path of a weight file

_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_LARGEST_HEAD = 1 << 24
"""Bytes of a safetensors head; a model of 10,000 tensors has a tenth of it."""


def check_weights(name: str, published: Any, weights: str) -> None:
    """Whether a source can have weights of a model, before the model is made.

    Args:
        name: timm model name.
        published: timm's `PretrainedCfg` of it, or None.
        weights: see `create_backbone`.

    Raises:
        ConfigError: it has none.
        DataError: it is a file that does not exist.
    """
    if weights == "packaged" and name not in PACKAGED:
        raise ConfigError(
            f"model.weights: no installed package carries weights for {name!r} (only {', '.join(PACKAGED)}); "
            "use 'hub', 'none' or the path of a weight file"
        )
    if weights not in SOURCES and not Path(weights).is_file():
        raise DataError(f"weight file not found: {weights}")
    if weights == "hub" and (published is None or not published.hf_hub_id):
        hint = f"; download {published.url} and give the file" if published is not None and published.url else ""
        raise ConfigError(f"model.weights: the hub has no weights of {name!r}{hint}")


def load_weights(model: nn.Module, published: Any, weights: str) -> None:
    """Load the weights of a source into a timm model without classifier.

    Raises:
        DataError: the file is damaged or does not fit.
        EnvironmentProblem: the package is missing, or the hub cannot be reached.
    """
    if weights == "packaged":
        fit_weights(model, lite0_weights(), "the packaged weights")
    elif weights == "hub":
        path = hub_file(published.hf_hub_id, _HUB_FILES)
        fit_weights(model, _read_state_dict(path), str(path))
    elif weights != "none":
        fit_weights(model, _read_state_dict(Path(weights)), weights)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors in a safetensors file, and its metadata.

    Raises:
        DataError: the file is missing or damaged, or its head is larger than that of any model, so that reading it
            would take long.
    """
    from safetensors import safe_open

    try:
        with path.open("rb") as raw:
            length = int.from_bytes(raw.read(8), "little")
        if length > _LARGEST_HEAD:
            raise ValueError(f"its head says that it is {length} bytes long, more than {_LARGEST_HEAD}")
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except Exception as error:  # safetensors raises its own type for damaged and foreign files
        raise DataError(f"cannot read the weights {path}: {error}") from error


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The state of a module as safetensors takes it: on the CPU, contiguous."""
    return {key: value.detach().cpu().contiguous() for key, value in module.state_dict().items()}


def write_own(module: nn.Module, path: Path, metadata: dict[str, str] | None = None) -> str:
    """Write `own_tensors` to a safetensors file, atomically.

    Returns:
        The SHA-256 of the file.
    """
    from safetensors.torch import save

    data = save(own_tensors(module), metadata=metadata)
    write_atomic(path, data)
    return hashlib.sha256(data).hexdigest()


def check_digest(path: Path, digest: str | None) -> None:
    """Whether a file of weights is the one that was written: a changed number would be a model like any other.

    Args:
        path: the file.
        digest: its SHA-256; None, of models saved before there was one: not checked.

    Raises:
        DataError: it is another file.
    """
    if digest is not None and path.is_file() and sha256(path) != digest:
        raise DataError(f"the weights {path} are damaged or of another model: their SHA-256 is not that of config.json")


def load_own(module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load what `own_tensors` gave, all of it and nothing else.

    Args:
        module: a model of ours.
        tensors: the tensors of a file.
        path: of the file, for messages.

    Raises:
        DataError: the tensors are others than those of the module, or of another shape or type.
    """
    for key, own in module.state_dict().items():
        if isinstance(own, Tensor) and key in tensors and tensors[key].dtype != own.dtype:
            raise DataError(f"cannot read the weights {path}: {key} is {tensors[key].dtype}, expected {own.dtype}")
    try:
        module.load_state_dict(tensors)
    except (RuntimeError, ValueError) as error:  # the second from a state beside the tensors
        raise DataError(f"cannot read the weights {path}: {error}") from error


def _read_state_dict(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever is not a dictionary of tensors, code above all
        reason = str(error).split("\n")[0]
        raise DataError(f"cannot read the weights {path}: {reason}") from error
    for key in ("model", "state_dict"):  # releases put other things beside the weights
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise DataError(f"{path} does not hold a state dict (name -> tensor)")
    return state
