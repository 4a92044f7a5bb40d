"""TensorBoard and Weights & Biases by way of stand-ins: what they are told, and that their failures stay theirs."""

import json
import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import pytest

from hyperdml.errors import EnvironmentProblem
from hyperdml.training.engine.loggers import check_loggers, create_loggers


@dataclass(frozen=True)
class Logging:
    tensorboard: bool = False
    wandb: str | None = None


class Recorder:
    """Stands in for a SummaryWriter and for a run of W&B."""

    def __init__(self, calls, fails=()):
        self.calls, self.fails = calls, fails

    def __getattr__(self, name):
        def call(*arguments, **options):
            if name in self.fails:
                raise ConnectionError("the server went away")
            self.calls.append((name, *arguments, *options.values()))

        return call


@pytest.fixture
def packages(monkeypatch):
    """Modules tensorboard and wandb, what they were told, and which of their calls fail."""
    calls, fails, started = [], set(), []
    board, wandb = ModuleType("torch.utils.tensorboard"), ModuleType("wandb")

    def start(**options):
        if "init" in fails:
            raise RuntimeError("no api key")
        started.append(options)
        return Recorder(calls, fails)

    board.SummaryWriter = lambda folder, purge_step: start(folder=folder, purge_step=purge_step)
    wandb.init = start
    monkeypatch.setitem(sys.modules, board.__name__, board)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    return SimpleNamespace(calls=calls, fails=fails, started=started)


def test_without_any_nothing_is_needed(tmp_path):
    loggers = create_loggers(Logging(), tmp_path, {})
    loggers.log(1, {"loss": 2.0})
    loggers.close()
    assert not list(tmp_path.iterdir())


def test_both_are_told_everything(packages, tmp_path):
    loggers = create_loggers(Logging(True, "birds"), tmp_path, {"seed": 3})
    loggers.log(1, {"loss": 2.0, "metric": 1.5})
    loggers.close()
    loggers.log(2, {"loss": 1.0})  # nobody listens any more
    assert packages.calls == [
        ("add_text", "configuration", '```\n{\n  "seed": 3\n}\n```'),
        ("add_scalar", "loss", 2.0, 1),
        ("add_scalar", "metric", 1.5, 1),
        ("log", {"loss": 2.0, "metric": 1.5}, 1),
        ("close",),
        ("finish",),
    ]
    board, wandb = packages.started
    assert board == {"folder": tmp_path / "tensorboard", "purge_step": 1}
    assert (wandb["project"], wandb["config"], wandb["resume"]) == ("birds", {"seed": 3}, "allow")


def test_a_later_sitting_goes_on_with_the_same_records(packages, tmp_path):
    for first in (0, 50):
        create_loggers(Logging(True, "birds"), tmp_path, {}, first)
    assert [entry["purge_step"] for entry in packages.started[::2]] == [1, 51]
    first, second = packages.started[1::2]
    assert first["id"] == second["id"] == json.loads((tmp_path / "wandb.json").read_text())["id"]
    create_loggers(Logging(wandb="birds"), tmp_path / "other", {})
    assert packages.started[-1]["id"] != first["id"]


def test_one_that_fails_is_named_once_and_the_other_goes_on(packages, tmp_path):
    loggers = create_loggers(Logging(True, "birds"), tmp_path, {})
    packages.fails.add("add_scalar")
    with pytest.warns(UserWarning, match="TensorBoard failed and gets no more figures: ConnectionError"):
        loggers.log(0, {"loss": 1.0})
    for step in (1, 2):  # a warning would be an error here
        loggers.log(step, {"loss": 1.0})
    loggers.close()
    assert [call[0] for call in packages.calls] == ["add_text", "log", "log", "log", "finish"]


def test_one_that_cannot_start_is_left_out(packages, tmp_path):
    packages.fails.add("init")
    with pytest.warns(UserWarning, match="Weights & Biases cannot start and gets no figures: .*no api key"):
        loggers = create_loggers(Logging(wandb="birds"), tmp_path, {})
    loggers.log(1, {"loss": 2.0})


@pytest.mark.parametrize(
    ("settings", "module", "package"),
    [(Logging(tensorboard=True), "torch.utils.tensorboard", "tensorboard"), (Logging(wandb="x"), "wandb", "wandb")],
)
def test_a_missing_package_is_told_before_the_work(monkeypatch, tmp_path, settings, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    for attempt in (lambda: check_loggers(settings), lambda: create_loggers(settings, tmp_path, {})):
        with pytest.raises(EnvironmentProblem, match=f"needs the package {package}: pip install {package}") as error:
            attempt()
        assert error.value.exit_code == 5


def test_event_files_of_tensorboard_itself(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, values in ((0, [3.0, 2.0, 1.0]), (2, [0.5, 0.25])):
        loggers = create_loggers(Logging(tensorboard=True), tmp_path, {"seed": 1}, first)
        for step, value in enumerate(values, start=first + 1):
            loggers.log(step, {"loss": value})
        loggers.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 3), (2, 2), (3, 0.5), (4, 0.25)]
