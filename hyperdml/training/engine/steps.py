"""The loop under every training: steps of an optimiser, resumable at any of them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hyperdml.errors import DivergedError, Interrupted
from hyperdml.training.engine.checkpoint import load_checkpoint, save_checkpoint
from hyperdml.training.engine.interrupt import InterruptGuard

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Losses = Callable[[int], dict[str, Tensor]]
"""Called with the number of finished steps; gives the parts of the step's loss by name, scalars, of which "loss" is
minimised. Whatever it draws must follow from that number, so that a resumed run draws the same."""

Factor = Callable[[int, str], float]
"""Factor of the learning rate for a number of finished steps and the name of a parameter group."""

Start = Callable[[int], None]
"""Called once before the first step, with the number of steps that an earlier sitting finished."""

Monitor = Callable[[int, dict[str, float]], None]
"""Called after every step with the number of finished steps and the step's figures."""

Validate = Callable[[int], None]
"""Called every so many steps with the number of finished steps."""


@dataclass(frozen=True)
class Pace:
    """How many steps, and what happens between them.

    Attributes:
        steps: number of optimiser steps.
        checkpoint_every: steps between checkpoints.
        validate_every: steps between validations; 0 for none.
        clip_value: largest absolute value of a gradient entry, or None.
        clip_norm: largest Euclidean norm of the whole gradient, or None.
    """

    steps: int
    checkpoint_every: int
    validate_every: int = 0
    clip_value: float | None = None
    clip_norm: float | None = None


def take_steps(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    losses: Losses,
    pace: Pace,
    lr_factor: Factor,
    config: DataclassInstance,
    checkpoints: Path,
    scaler: torch.amp.GradScaler | None = None,
    on_start: Start | None = None,
    monitor: Monitor | None = None,
    validate: Validate | None = None,
) -> float:
    """Train a module from its newest checkpoint, or from its start.

    Args:
        module: everything that a checkpoint holds; parameters without gradients are left alone.
        optimizer: its groups carry a "name" and, as "base_lr", the learning rate at full schedule.
        losses: gives the loss of a step.
        pace: number of steps, checkpoints, clipping.
        lr_factor: the schedule.
        config: dataclass that a checkpoint must have been written under.
        checkpoints: folder of the checkpoints.
        scaler: scales the loss for float16; None leaves it alone.
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
    first, seconds = load_checkpoint(checkpoints, module, optimizer, config, scaler) or (0, 0.0)
    start = time.perf_counter() - seconds
    if on_start is not None:
        on_start(first)
    with InterruptGuard() as guard:
        for step in range(first, pace.steps):
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * lr_factor(step, group["name"])
            figures = _step(module, optimizer, losses(step), pace, scaler, step)
            done = step + 1
            if monitor is not None:
                monitor(done, figures)
            if validate is not None and pace.validate_every and done % pace.validate_every == 0:
                validate(done)
            if guard.signal_number is not None or (done % pace.checkpoint_every == 0 and done < pace.steps):
                spent = time.perf_counter() - start
                save_checkpoint(checkpoints, done, module, optimizer, config, spent, scaler)
            if guard.signal_number is not None:
                raise Interrupted(f"interrupted after step {done}; its state is saved", guard.signal_number)
    return time.perf_counter() - start


def _step(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    parts: dict[str, Tensor],
    pace: Pace,
    scaler: torch.amp.GradScaler,
    step: int,
) -> dict[str, float]:
    figures = {name: float(value.detach()) for name, value in parts.items()}
    if not math.isfinite(figures["loss"]):
        raise DivergedError(f"the loss is not finite at step {step + 1}: {figures}; lower the learning rates (optim)")
    optimizer.zero_grad(set_to_none=True)
    scaler.scale(parts["loss"]).backward()
    scaler.unscale_(optimizer)
    with_gradient = [p for p in module.parameters() if p.grad is not None]
    norm = torch.nn.utils.get_total_norm([p.grad for p in with_gradient if p.grad is not None])
    # a scaler leaves out steps that overflow and lowers its scale; at scale 1 it is not the scale's fault
    if not math.isfinite(float(norm)) and scaler.get_scale() <= 1:
        raise DivergedError(f"the gradient is not finite at step {step + 1}; lower the learning rates (optim)")
    if pace.clip_value is not None:
        torch.nn.utils.clip_grad_value_(with_gradient, pace.clip_value)
    if pace.clip_norm is not None:
        torch.nn.utils.clip_grads_with_norm_(with_gradient, pace.clip_norm, norm)
    scaler.step(optimizer)
    scaler.update()
    return figures
