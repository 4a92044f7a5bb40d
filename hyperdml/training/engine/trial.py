"""One batch forward and backward without a step of the optimiser: what a run needs, before it is begun."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from hyperdml.training.engine.steps import Batch, Task


@dataclass(frozen=True)
class GroupLine:
    """A group of parameters.

    Attributes:
        name: of the group.
        lr: learning rate at full schedule.
        weight_decay: of its parameters.
        tensors, parameters: how many.
    """

    name: str
    lr: float
    weight_decay: float
    tensors: int
    parameters: int


@dataclass(frozen=True)
class Trial:
    """What one batch shows.

    Attributes:
        figures: parts of the loss.
        batch_seconds: reading a batch once the readers are at work.
        step_seconds: forward and backward, the first batch (which compiles and allocates) left out.
        memory: largest number of bytes: of the GPU's, or of this process.
        groups: of the optimiser.
        frozen: parameters without gradient, by the first two names of their path.
    """

    figures: dict[str, float]
    batch_seconds: float
    step_seconds: float
    memory: int
    groups: tuple[GroupLine, ...]
    frozen: dict[str, int]


def try_batch(
    task: Task,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    device: torch.device,
    batch: Callable[[int], Batch] | None = None,
) -> Trial:
    """Take two batches, the second of which is timed.

    Args:
        task: the run.
        optimizer: its groups are told about; it takes no step.
        scaler: of the loss.
        device: of the run.
        batch: gives the batches; None asks the task.
    """
    give = batch or task.batch
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    for step in range(2):
        begun = time.perf_counter()
        inputs = give(step)
        _wait(device)
        read = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        parts = task.backward(step, inputs, scaler)
        _wait(device)
        times.append((read - begun, time.perf_counter() - read))
    return Trial(
        {name: float(value) for name, value in parts.items()},
        *times[-1],
        _memory(device),
        tuple(
            GroupLine(
                group["name"],
                group["base_lr"],
                group["weight_decay"],
                len(group["params"]),
                sum(p.numel() for p in group["params"]),
            )
            for group in optimizer.param_groups
        ),
        _frozen(task.module),
    )


def _frozen(module: nn.Module) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            place = ".".join(name.split(".")[:-1][:3]) or name
            found[place] = found.get(place, 0) + parameter.numel()
    return found


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # in bytes there, in KiB elsewhere
