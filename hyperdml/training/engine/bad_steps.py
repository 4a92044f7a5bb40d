"""Steps whose loss or gradient is not finite: left out, written down for a replay, and given up on after some."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn
from torch import distributed as dist

from hyperdml.distributed import gather_batch, is_distributed
from hyperdml.errors import DataError, DivergedError
from hyperdml.training.engine.processes import is_first
from hyperdml.training.engine.state_file import read_state, write_state
from hyperdml.training.settings import config_to_dict

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_FORMAT = "hyperdml.bad_step/1"
_MODULE, _BATCH = "module.", "batch."
_KEPT = 3


class HasModule(Protocol):
    """What is trained: a `Task` of the loop."""

    @property
    def module(self) -> nn.Module:
        """Everything that a checkpoint holds."""


class BadSteps:
    """Leaves out steps that are not finite, and gives up after some in a row.

    The first of a row is written to `folder/step-N.safetensors`: the batch, the module as it was before the step, the
    figures and the configuration, from which everything random in the step follows. The others of a row meet the same
    weights and get no file; the newest three files are kept.

    What the step did outside the weights is undone: buffers and extra state of the module, such as running statistics,
    are put back to what they were after the last good step.

    In a process group every process calls the same methods; the batch is joined, and rank 0 writes.

    Args:
        folder: of the files, created with the first.
        limit: bad steps in a row that are too many.
        task: what is trained.
        config: dataclass of the run.
    """

    def __init__(self, folder: Path, limit: int, task: HasModule, config: DataclassInstance) -> None:
        self.folder, self.limit, self._task, self._config = folder, limit, task, config
        self._in_a_row, self._file = 0, ""
        self._beside = self._beside_weights()

    def left_out(self, step: int, parts: Mapping[str, float], batch: Mapping[str, Tensor]) -> None:
        """Take in a step that must not be applied.

        Args:
            step: number of finished steps.
            parts: its figures.
            batch: its inputs, all with one row for every sample.

        Raises:
            DivergedError: it is one too many in a row; the message names the file to replay.
        """
        self._task.module.load_state_dict({**self._task.module.state_dict(), **self._beside})
        self._beside = self._beside_weights()  # loading may keep what it was given
        if self._in_a_row == 0:
            self._write(step, parts, batch)
        self._in_a_row += 1
        if self._in_a_row >= self.limit:
            figures = ", ".join(f"{name} {value:g}" for name, value in parts.items())
            raise DivergedError(
                f"loss or gradient was not finite in {self._in_a_row} steps in a row, up to step {step + 1} ({figures})"
                f"; none of them was applied. Lower the learning rates (optim)"
                + (f", or find out what broke: hyperdml replay {self._file}" if self._file else "")
            )

    def fine(self) -> None:
        """Take in a step that was applied."""
        self._in_a_row = 0
        self._beside = self._beside_weights()

    def tensors(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def notes(self) -> dict[str, Any]:
        """Length of the row, and the file of its first step."""
        return {"in_a_row": self._in_a_row, "file": self._file}

    def restore(self, tensors: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Go on from `notes`, with the module as it is now."""
        self._in_a_row, self._file = notes["in_a_row"], notes["file"]
        self._beside = self._beside_weights()

    def _beside_weights(self) -> dict[str, Any]:
        """Copy of what a forward pass may change: everything in the module's state but its parameters."""
        module = self._task.module
        weights = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        state = {name: value for name, value in module.state_dict().items() if name not in weights}
        return {name: value.clone() if isinstance(value, Tensor) else value for name, value in state.items()}

    def _write(self, step: int, parts: Mapping[str, float], batch: Mapping[str, Tensor]) -> None:
        joined = dict(zip(batch, gather_batch(*batch.values()), strict=True))
        path = self.folder / f"step-{step + 1:07d}.safetensors"
        self._file = str(path)
        if not is_first():
            return
        tensors = {_MODULE + name: value for name, value in self._task.module.state_dict().items()}
        tensors |= {_BATCH + name: value for name, value in joined.items()}
        notes = {
            "format": _FORMAT,
            "step": step,
            "parts": dict(parts),
            "config": config_to_dict(self._config),
            "processes": dist.get_world_size() if is_distributed() else 1,
            "device": next(iter(joined.values())).device.type,
            "torch": torch.__version__,
        }
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_state(path, tensors, notes)
        except OSError as error:  # a run that can go on must not end because it cannot tell why it stumbled
            self._file = ""
            warnings.warn(f"step {step + 1} was not finite and cannot be written to {path}: {error}", stacklevel=2)
            return
        for old in sorted(self.folder.glob("step-*.safetensors"), key=lambda file: file.stat().st_mtime_ns)[:-_KEPT]:
            old.unlink()


@dataclass(frozen=True)
class BadStep:
    """What a file of `BadSteps` holds.

    Attributes:
        step: number of steps that were finished before it.
        parts: its figures.
        config: the configuration as nested containers.
        processes: that trained together; their batches are joined.
        device: that they computed on: "cpu", "cuda".
        torch: version of torch.
        module: state dict of the trained module before the step.
        batch: inputs of the step.
    """

    step: int
    parts: dict[str, float]
    config: dict[str, Any]
    processes: int
    device: str
    torch: str
    module: dict[str, Tensor]
    batch: dict[str, Tensor]


def read_bad_step(path: Path) -> BadStep:
    """Read a file of `BadSteps`.

    Raises:
        DataError: the file is missing or damaged, or holds something else.
    """
    tensors, notes = read_state(path)
    if notes.get("format") != _FORMAT:
        raise DataError(f"{path} does not hold a step that was left out: format is not {_FORMAT!r}")
    module, batch = (
        {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        for prefix in (_MODULE, _BATCH)
    )
    fields = {name: notes[name] for name in ("step", "parts", "config", "processes", "device", "torch")}
    return BadStep(**fields, module=module, batch=batch)
