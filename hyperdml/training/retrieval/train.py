"""The training of one retrieval arm: task, optimiser, schedule and what is kept beside them, put into the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from hyperdml.data import RetrievalPart
from hyperdml.training.engine.bad_steps import BadSteps
from hyperdml.training.engine.best import BestEpoch
from hyperdml.training.engine.checkpoint import Stateful
from hyperdml.training.engine.ema import WeightAverage
from hyperdml.training.engine.precision import create_scaler
from hyperdml.training.engine.steps import Monitor, Pace, Start, take_steps
from hyperdml.training.environment import resolve_device
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.param_groups import create_optimizer
from hyperdml.training.retrieval.schedule import lr_factor, schedule_of
from hyperdml.training.retrieval.task import Bank, RetrievalTask

Look = Callable[[int, Learner], dict[str, float]]
"""Called with the number of finished steps and the modules; gives the figures of a validation."""

Snapshot = Callable[[int, Learner], None]
"""Called after the epochs of `snapshot_epochs` with the number of the epoch and the modules."""


@dataclass(frozen=True)
class Trained:
    """Result of `train`.

    Attributes:
        learner: the trained modules, in evaluation mode; with `optim.ema` the model has its averaged weights.
        best: the best validation and its weights.
        steps: number of steps; fewer than planned where patience ended.
        seconds: training time, of earlier sittings too.
    """

    learner: Learner
    best: BestEpoch
    steps: int
    seconds: float


def train(
    config: TrainConfig,
    data: RetrievalPart,
    folder: Path,
    bank: Bank | None = None,
    on_start: Start | None = None,
    monitor: Monitor | None = None,
    look: Look | None = None,
    snapshot: Snapshot | None = None,
) -> Trained:
    """Train on one part of a data set, from the newest checkpoint if there is one.

    Every random number of a step is derived from (seed, step), so a run that was interrupted and resumed ends with
    the same bits as one that was not (on one machine, on the CPU). Batches are by global step: a run may be resumed
    with another number of processes, and ends with the same batches, but sums of other roundings.

    Args:
        config: the run.
        data: training images.
        folder: of the arm: checkpoints, best weights and bad steps go there.
        bank: gives the features of the training images if the backbone is frozen.
        on_start: called once before the first step.
        monitor: called after every step.
        look: called for every validation, with averaged weights in the model if there are any.
        snapshot: called after the epochs of `snapshot_epochs`, alike.

    Returns:
        The trained modules.

    Raises:
        ConfigError: settings do not fit the data, or differ from those of the checkpoint.
        DivergedError: the loss or its gradient was not finite in too many steps in a row; none was applied.
        Interrupted: SIGINT or SIGTERM came; the state was saved.
    """
    device, optim, evaluation = resolve_device(config.device), config.optim, config.evaluation
    task = RetrievalTask(config, data, device, bank)
    learner, schedule = task.module, schedule_of(config, len(task))
    best = BestEpoch(folder / "best", evaluation.select, evaluation.patience)
    average = None if optim.ema is None else WeightAverage(learner.model, optim.ema)
    extras: dict[str, Stateful] = {"best": best} | ({} if average is None else {"average": average})

    optimizer, reached = create_optimizer(learner, optim), 0
    if average is not None:  # steps that are left out are none of the optimiser
        optimizer.register_step_post_hook(lambda *_: average.update())

    def start(done: int) -> None:
        nonlocal reached
        reached = done
        if on_start is not None:
            on_start(done)

    def after(done: int, figures: dict[str, float]) -> None:
        nonlocal reached
        reached = done
        if monitor is not None:
            monitor(done, figures)
        if snapshot is not None and done in schedule.snapshots:
            with evaluated():
                snapshot(schedule.snapshots[done], learner)

    def validate(done: int) -> bool:
        if look is None:
            return False
        with evaluated():
            figures = look(done, learner)
            return best.seen(learner.model.state_dict(), done // schedule.per_epoch, done, figures)

    @contextmanager
    def evaluated() -> Iterator[None]:
        """The model as it is evaluated: with its averaged weights, if there are any."""
        learner.eval()
        with nullcontext() if average is None else average.applied():
            yield

    seconds = take_steps(
        task,
        optimizer,
        Pace(schedule.steps, config.checkpoint_every, schedule.validate_every, optim.clip_value, optim.clip_norm),
        lambda step, group: lr_factor(step, group, schedule, optim),
        config,
        folder / "checkpoints",
        scaler=create_scaler(optim.precision, device),
        extras=extras,
        bad=BadSteps(folder / "bad_steps", config.bad_steps, task, config),
        on_start=start,
        monitor=after,
        validate=validate,
    )
    if average is not None:
        with torch.no_grad():
            own = dict(learner.model.named_parameters())
            for name, value in average.tensors().items():
                own[name].copy_(value)
    return Trained(learner.eval(), best, reached, seconds)
