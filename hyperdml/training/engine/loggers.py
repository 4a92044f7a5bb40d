"""Figures for TensorBoard and Weights & Biases, beside `metrics.jsonl`; a run never ends because of them."""

from __future__ import annotations

import importlib
import json
import uuid
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hyperdml.errors import EnvironmentProblem
from hyperdml.files import write_atomic


class LoggingSettings(Protocol):
    """What is asked for: `LoggingConfig` of a run."""

    @property
    def tensorboard(self) -> bool:
        """Write event files."""

    @property
    def wandb(self) -> str | None:
        """Project of Weights & Biases."""


class Loggers:
    """Hands figures to all sinks. One that fails is named in a warning and asked no more.

    Args:
        sinks: by name.
    """

    def __init__(self, sinks: Mapping[str, _Sink]) -> None:
        self._sinks = dict(sinks)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Pass on the figures of a step; `step` counts the finished ones."""
        self._each(lambda sink: sink.log(step, figures))

    def close(self) -> None:
        """Write what is left and let go."""
        self._each(lambda sink: sink.close())
        self._sinks = {}

    def _each(self, act: Callable[[_Sink], None]) -> None:
        for name, sink in list(self._sinks.items()):
            try:
                act(sink)
            except Exception as error:  # whatever a package of others raises
                del self._sinks[name]
                warnings.warn(f"{name} failed and gets no more figures: {error!r}", stacklevel=3)


def check_loggers(config: LoggingSettings) -> None:
    """Meet a missing package before the work begins.

    Raises:
        EnvironmentProblem: a package that was asked for is not installed.
    """
    if config.tensorboard:
        _load("torch.utils.tensorboard", "logging.tensorboard", "tensorboard")
    if config.wandb is not None:
        _load("wandb", "logging.wandb", "wandb")


def create_loggers(config: LoggingSettings, folder: Path, run_config: Mapping[str, Any], first: int = 0) -> Loggers:
    """The loggers of one training.

    Weights & Biases follows its own environment variables, such as ``WANDB_MODE=offline``; a sitting that goes on with
    a run goes on with its record there, whose id lies in `folder/wandb.json`.

    Args:
        config: which ones.
        folder: of the training; event files go to `folder/tensorboard`.
        run_config: settings to keep with the figures.
        first: steps that earlier sittings finished; events of later steps are dropped, since they come again.

    Returns:
        Loggers, perhaps none; one that cannot start is named in a warning and left out.

    Raises:
        EnvironmentProblem: a package that was asked for is not installed.
    """
    check_loggers(config)
    wanted: dict[str, Callable[[], _Sink]] = {}
    if config.tensorboard:
        wanted["TensorBoard"] = lambda: _TensorBoard(folder / "tensorboard", run_config, first)
    if config.wandb is not None:
        project = config.wandb
        wanted["Weights & Biases"] = lambda: _Wandb(project, folder, run_config)
    sinks = {}
    for name, create in wanted.items():
        try:
            sinks[name] = create()
        except Exception as error:  # no login, no network, no room: nothing that training needs
            warnings.warn(f"{name} cannot start and gets no figures: {error!r}", stacklevel=2)
    return Loggers(sinks)


class _Sink(Protocol):
    def log(self, step: int, figures: Mapping[str, float]) -> None: ...
    def close(self) -> None: ...


class _TensorBoard:
    def __init__(self, folder: Path, run_config: Mapping[str, Any], first: int) -> None:
        module = importlib.import_module("torch.utils.tensorboard")
        self._writer = module.SummaryWriter(folder, purge_step=first + 1)
        if first == 0:
            self._writer.add_text("configuration", f"```\n{json.dumps(run_config, indent=2)}\n```")

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _Wandb:
    def __init__(self, project: str, folder: Path, run_config: Mapping[str, Any]) -> None:
        wandb = importlib.import_module("wandb")
        path = folder / "wandb.json"
        folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            write_atomic(path, json.dumps({"id": uuid.uuid4().hex}).encode())
        self._run = wandb.init(
            project=project,
            name=folder.name,
            id=json.loads(path.read_text())["id"],
            dir=folder,
            config=dict(run_config),
            resume="allow",
        )

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        self._run.finish()


def _load(module: str, key: str, package: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise EnvironmentProblem(f"{key} needs the package {package}: pip install {package} ({error})") from error
