"""The loop under every training: steps of an optimiser, resumable at any of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn

from hyperdml.distributed import is_distributed
from hyperdml.errors import DivergedError, Interrupted
from hyperdml.training.engine.bad_steps import BadSteps
from hyperdml.training.engine.checkpoint import Stateful, load_checkpoint, save_checkpoint
from hyperdml.training.engine.interrupt import InterruptGuard
from hyperdml.training.engine.processes import any_says, is_first, largest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Batch = Mapping[str, Tensor]
"""Inputs of a step by name, on the device."""

Factor = Callable[[int, str], float]
"""Factor of the learning rate for a number of finished steps and the name of a parameter group."""

Start = Callable[[int], None]
"""Called once before the first step, with the number of steps that an earlier sitting finished."""

Monitor = Callable[[int, dict[str, float]], None]
"""Called after every step with the number of finished steps and the step's figures."""

Validate = Callable[[int], bool]
"""Called every so many steps with the number of finished steps; True ends the training."""


class Task(Protocol):
    """What a step computes."""

    @property
    def module(self) -> nn.Module:
        """Everything that a checkpoint holds (model, losses, proxies)."""

    def batch(self, step: int) -> Batch:
        """Inputs after so many finished steps, a pure function of that number and the run's seed."""

    def backward(self, step: int, batch: Batch, scaler: torch.amp.GradScaler) -> dict[str, Tensor]:
        """Leave the gradient of the scaled loss in the parameters; the parts of the loss, detached, "loss" among them.

        Whatever is drawn must follow from `step`, so that a resumed run draws the same.
        """


@dataclass(frozen=True)
class Pace:
    """How many steps, and what happens between them.

    Attributes:
        steps: number of optimiser steps.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations; 0 for none.
        clip_value: largest absolute value of a gradient entry, or None.
        clip_norm: largest Euclidean norm of the whole gradient, after `clip_value` if both are given; or None.
    """

    steps: int
    checkpoint_every: int
    validate_every: int = 0
    clip_value: float | None = None
    clip_norm: float | None = None


def take_steps(
    task: Task,
    optimizer: torch.optim.Optimizer,
    pace: Pace,
    lr_factor: Factor,
    config: DataclassInstance,
    checkpoints: Path,
    *,
    scaler: torch.amp.GradScaler | None = None,
    extras: Mapping[str, Stateful] | None = None,
    bad: BadSteps | None = None,
    on_start: Start | None = None,
    monitor: Monitor | None = None,
    validate: Validate | None = None,
) -> float:
    """Train from the newest checkpoint, or from the start.

    In a process group every process takes the same steps; the first one alone writes checkpoints, and what any of
    them meets (a signal, the end of patience) ends all.

    Args:
        task: gives batches and gradients; parameters without gradients are left alone.
        optimizer: its groups carry a "name" and, as "base_lr", the learning rate at full schedule.
        pace: number of steps, checkpoints, clipping.
        lr_factor: the schedule.
        config: dataclass that a checkpoint must have been written under.
        checkpoints: folder of the checkpoints.
        scaler: scales the loss for float16; None leaves it alone.
        extras: what else a checkpoint keeps, by name.
        bad: told about steps whose loss or gradient is not finite; None ends the training at the first.
        on_start: called once before the first step.
        monitor: called after every step.
        validate: called every `pace.validate_every` steps.

    Returns:
        Training time in seconds, of earlier sittings too.

    Raises:
        ConfigError: the checkpoint was written under another configuration.
        DataError: the checkpoint is damaged.
        DivergedError: the loss or its gradient was not finite; the step was not applied.
        Interrupted: SIGINT or SIGTERM came; the state was saved.
    """
    scaler = scaler or torch.amp.GradScaler("cpu", enabled=False)  # hands everything through
    extras = {**(extras or {}), **({"bad_steps": bad} if bad is not None else {})}
    found = load_checkpoint(checkpoints, task.module, optimizer, config, scaler, extras)
    first, seconds, over = found or (0, 0.0, False)
    start = time.perf_counter() - seconds
    if on_start is not None:
        on_start(first)
    with InterruptGuard() as guard:
        for step in range(first, first if over else pace.steps):
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * lr_factor(step, group["name"])
            figures, came = _step(task, optimizer, pace, scaler, bad, step, guard)
            done, enough = step + 1, False
            if monitor is not None:
                monitor(done, figures)
            if pace.validate_every and done % pace.validate_every == 0:
                enough = bool(any_says(validate is not None and validate(done)))
            if not is_distributed():
                came = guard.signal_number or 0
            if is_first() and (came or (done % pace.checkpoint_every == 0 and done < pace.steps and not enough)):
                spent = time.perf_counter() - start
                save_checkpoint(checkpoints, done, task.module, optimizer, config, spent, scaler, extras, enough)
            if came:
                raise Interrupted(f"interrupted after step {done}; its state is saved", came)
            if enough:
                break
    return time.perf_counter() - start


def _step(
    task: Task,
    optimizer: torch.optim.Optimizer,
    pace: Pace,
    scaler: torch.amp.GradScaler,
    bad: BadSteps | None,
    step: int,
    guard: InterruptGuard,
) -> tuple[dict[str, float], int]:
    """Take a step; its figures, and the signal that any of several processes got."""
    batch = task.batch(step)
    optimizer.zero_grad(set_to_none=True)
    parts = task.backward(step, batch, scaler)
    scaler.unscale_(optimizer)
    with_gradient = [p for p in task.module.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in with_gradient if p.grad is not None])
    numbers = [*parts.values(), norm, *([largest(guard.signal_number)] if is_distributed() else [])]
    # one wait for the device, not one a number
    values = torch.stack([number.to(norm.device, torch.float32) for number in numbers]).tolist()
    figures, total = dict(zip(parts, values, strict=False)), values[len(parts)]
    came = int(values[-1]) if is_distributed() else 0
    wrong = None
    if not math.isfinite(figures["loss"]):
        wrong = f"the loss is not finite at step {step + 1}: {figures}"
    # a scaler leaves out steps that overflow and lowers its scale; at scale 1 it is not the scale's fault
    elif not math.isfinite(total) and scaler.get_scale() <= 1:
        wrong = f"the gradient is not finite at step {step + 1}"
    if wrong is not None:
        if bad is None:
            raise DivergedError(f"{wrong}; lower the learning rates (optim)")
        bad.left_out(step, figures, batch)
        optimizer.zero_grad(set_to_none=True)
        scaler.update()
        return figures, came
    if pace.clip_value is not None and not total <= pace.clip_value:  # no entry is larger than the norm
        torch.nn.utils.clip_grad_value_(with_gradient, pace.clip_value)
        norm = torch.nn.utils.get_total_norm([p.grad for p in with_gradient if p.grad is not None])
    if pace.clip_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(with_gradient, pace.clip_norm, norm)
    scaler.step(optimizer)
    scaler.update()
    if bad is not None:
        bad.fine()
    return figures, came
