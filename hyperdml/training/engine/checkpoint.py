"""Checkpoints in one safetensors file: weights, proxies, optimiser state, position and whatever else a run keeps.

A checkpoint folder holds `step-N.safetensors` and `latest.json`, which names the file to load and its SHA-256. The
payload is on disk before `latest.json` is replaced, so a crash at any moment leaves a loadable checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from hyperdml.errors import DataError
from hyperdml.files import sha256, write_atomic
from hyperdml.training.environment import environment
from hyperdml.training.settings import config_to_dict, refuse_changes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MODULE, _OPTIMIZER, _EXTRA = "module.", "optimizer.", "extra."


class Stateful(Protocol):
    """Something else that a checkpoint keeps, as averaged weights or the best epoch so far."""

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by name."""

    def notes(self) -> dict[str, Any]:
        """The rest of its state, as JSON holds it."""

    def restore(self, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """Take on what `tensors` and `notes` gave."""


def save_checkpoint(
    folder: Path,
    step: int,
    module: nn.Module,
    optimizer: Optimizer,
    config: DataclassInstance,
    seconds: float,
    scaler: GradScaler,
    extras: Mapping[str, Stateful],
    over: bool = False,
) -> None:
    """Write the state after `step` steps, look whether it is on the disk, then remove older files.

    Args:
        folder: created if missing.
        step: number of finished steps.
        module: everything with parameters or buffers.
        optimizer: its state is stored with it.
        config: the run's configuration, a dataclass, compared when the checkpoint is loaded.
        seconds: training time so far.
        scaler: of the loss; its state is stored with it.
        extras: what else is kept, by name.
        over: the training ends here, before its last step.

    Raises:
        OSError: the disk does not take it; the previous checkpoint is kept.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    state = optimizer.state_dict()
    tensors = {_MODULE + key: value for key, value in module.state_dict().items()}
    for index, entries in state["state"].items():
        tensors.update({f"{_OPTIMIZER}{index}.{key}": value for key, value in entries.items()})
    for name, extra in extras.items():
        tensors.update({f"{_EXTRA}{name}.{key}": value for key, value in extra.tensors().items()})
    meta = {
        "step": step,
        "seconds": seconds,
        "over": over,
        "config": config_to_dict(config),
        "param_groups": state["param_groups"],
        "scaler": scaler.state_dict(),
        "extras": {name: extra.notes() for name, extra in extras.items()},
        "environment": environment(),
    }
    path = folder / f"step-{step:07d}.safetensors"
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    payload = save(plain, metadata={"hyperdml": json.dumps(meta)})
    write_atomic(path, payload)
    pointer = {"file": path.name, "sha256": hashlib.sha256(payload).hexdigest()}
    if sha256(path) != pointer["sha256"]:
        raise OSError(f"{path} is not what was written: the disk or the network behind it is at fault")
    write_atomic(folder / "latest.json", json.dumps(pointer).encode())
    for old in folder.glob("*"):
        if old.name not in (path.name, "latest.json"):
            old.unlink()


def load_checkpoint(
    folder: Path,
    module: nn.Module,
    optimizer: Optimizer,
    config: DataclassInstance,
    scaler: GradScaler,
    extras: Mapping[str, Stateful],
) -> tuple[int, float, bool] | None:
    """Restore the newest checkpoint of a folder.

    Args:
        folder: folder that `save_checkpoint` wrote to; may be missing.
        module: receives weights and buffers.
        optimizer: receives its state.
        config: must equal the configuration stored with the checkpoint.
        scaler: receives its state.
        extras: receive theirs.

    Returns:
        Number of finished steps, training seconds and whether the training ended there; None without a checkpoint.

    Raises:
        ConfigError: the configuration differs; the message lists the keys.
        DataError: a file is damaged.
    """
    pointer = folder / "latest.json"
    if not pointer.is_file():
        return None
    try:
        entry = json.loads(pointer.read_text())
        path = folder / entry["file"]
        intact = sha256(path) == entry["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot read checkpoint {pointer}: {error}") from error
    if not intact:
        raise DataError(
            f"checkpoint {path} is damaged: its SHA-256 is not the one in {pointer.name}; without the folder {folder} "
            "this training begins anew"
        )
    tensors, meta = _read(path)
    refuse_changes(meta["config"], config, path)
    module.load_state_dict({k.removeprefix(_MODULE): v for k, v in tensors.items() if k.startswith(_MODULE)})
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(_OPTIMIZER):
            index, name = key.removeprefix(_OPTIMIZER).split(".", 1)
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": meta["param_groups"]})
    if scaler.is_enabled():
        scaler.load_state_dict(meta["scaler"])
    for name, extra in extras.items():
        start = f"{_EXTRA}{name}."
        own = {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
        extra.restore(own, meta["extras"][name])
    return meta["step"], meta["seconds"], meta.get("over", False)  # earlier versions did not note it


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            meta: dict[str, Any] = json.loads(file.metadata()["hyperdml"])
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise DataError(f"cannot read checkpoint {path}: {error}") from error
    return tensors, meta
