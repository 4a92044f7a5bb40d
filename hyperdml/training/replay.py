"""A step that was left out, once more: does it break again, and where first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from hyperdml.data import load_splits
from hyperdml.errors import DataError
from hyperdml.metrics import radius_report
from hyperdml.training.engine.bad_steps import BadStep, read_bad_step
from hyperdml.training.engine.watch import is_finite, watched
from hyperdml.training.environment import resolve_device
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.task import RetrievalTask
from hyperdml.training.settings import config_from_dict


@dataclass(frozen=True)
class Replay:
    """What a repeated step showed.

    Attributes:
        step: number of the step, counted from 1.
        then: its figures in training.
        now: its figures in the replay.
        inputs: entries of the inputs that are not finite.
        weights: parameters and buffers that were not finite before the step, by name.
        output: what is known of the first module whose output was not finite; None if all were.
        gradient: the module at whose output the gradient was first not finite, on its way back; None if there is none.
        gradients: parameters whose gradient was not finite, by name.
        parameters: number of parameters that got a gradient.
        radii: lines on the radii of the embeddings.
        remarks: how the replay differs from the training.
    """

    step: int
    then: Mapping[str, float]
    now: Mapping[str, float]
    inputs: int
    weights: tuple[str, ...]
    output: str | None
    gradient: str | None
    gradients: tuple[str, ...]
    parameters: int
    radii: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def came_back(self) -> bool:
        """Whether loss or gradient is not finite again."""
        return self.now["loss"] - self.now["loss"] != 0 or bool(self.gradients)


def replay(path: Path, device: str = "auto") -> Replay:
    """Repeat a step that was left out: the same weights, batch and seeds.

    The modules are built anew from the configuration in the file, without their pretrained weights, which the file
    replaces; the data set is read for its classes. Nothing is compiled, and the loss is not scaled: float16 overflows
    of a scaled loss are no bad steps.

    Args:
        path: file in RUN/bad_steps.
        device: where to compute.

    Returns:
        What it showed.

    Raises:
        DataError: the file is damaged or no such file, its weights do not fit, or the data set is not where it was.
        ConfigError: its configuration cannot be read by this version.
    """
    bad = read_bad_step(path)
    config = config_from_dict(bad.config, str(path))
    if not isinstance(config, TrainConfig):
        raise DataError(f"{path} is of a classification run; only retrieval runs can be replayed")
    place = resolve_device(device)
    task = RetrievalTask(_plain(config), load_splits(config.data).train, place)
    try:
        task.module.load_state_dict(bad.module)
    except RuntimeError as error:
        raise DataError(f"the weights in {path} do not fit its configuration: {error}") from error
    batch = {name: value.to(place) for name, value in bad.batch.items()}
    scaler = torch.amp.GradScaler(place.type, init_scale=1.0, enabled=config.optim.precision == "float16")
    with watched(task.module) as seen, _points(task.module) as points:
        parts = task.backward(bad.step, batch, scaler)
    graded = {name: p.grad for name, p in task.module.named_parameters() if p.grad is not None}
    return Replay(
        step=bad.step + 1,
        then=bad.parts,
        now={name: float(value) for name, value in parts.items()},
        inputs=int((~bad.batch["inputs"].isfinite()).sum()),
        weights=tuple(name for name, value in bad.module.items() if not is_finite(value)),
        output=seen.output,
        gradient=seen.gradient,
        gradients=tuple(name for name, gradient in graded.items() if not is_finite(gradient)),
        parameters=len(graded),
        radii=_radii(points, config),
        remarks=tuple(_remarks(bad, place)),
    )


@contextmanager
def _points(learner: Learner) -> Iterator[list[Tensor]]:
    """Embeddings that get a gradient, as the head gives them."""
    found: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Tensor) -> None:
        if output.requires_grad:  # of a batch in pieces, the second pass
            found.append(output.detach())

    handle = learner.model.head.register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()


def _plain(config: TrainConfig) -> TrainConfig:
    """The configuration without what only costs time here."""
    return replace(
        config,
        start_from=None,
        model=replace(config.model, weights="none"),
        optim=replace(config.optim, compile=False),
    )


def _radii(points: list[Tensor], config: TrainConfig) -> tuple[str, ...]:
    if not points:
        return ()
    found, head = torch.cat(points), config.model.head
    whole = found.isfinite().all(1)
    lines = [] if whole.all() else [f"embeddings that are not finite: {int((~whole).sum())} of {len(found)}"]
    if whole.any():
        lines += radius_report(found[whole], c=head.c, clip_r=head.clip_r).lines()
    return tuple(lines)


def _remarks(bad: BadStep, device: torch.device) -> Iterator[str]:
    if bad.processes > 1:
        yield f"the batch of {bad.processes} processes is computed by one: what dropout drops differs"
    if bad.torch != torch.__version__:
        yield f"the step was taken with torch {bad.torch}, this is {torch.__version__}"
    if bad.device != device.type:
        yield f"the step was taken on {bad.device}, this is {device.type}"
