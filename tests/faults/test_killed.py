"""A process that is killed while it saves checkpoints leaves the newest or the one before, and no litter for long."""

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from hyperdml.training.claim import claimed
from hyperdml.training.engine.best import BestEpoch
from hyperdml.training.engine.checkpoint import load_checkpoint, save_checkpoint
from hyperdml.training.retrieval.config import TrainConfig

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals")

UNSCALED = torch.amp.GradScaler("cpu", enabled=False)


@dataclass(frozen=True)
class Settings:
    name: str = "x"


class Run:
    """Some weights, their optimiser and the best epoch, all of which say at which step they were saved."""

    def __init__(self, folder):
        self.folder, self.net = folder, nn.Linear(128, 128)
        self.optimizer = torch.optim.AdamW([{"params": list(self.net.parameters()), "name": "all"}])
        self.net(torch.ones(1, 128)).sum().backward()
        self.optimizer.step()
        self.best = BestEpoch(folder / "best", "R@1")

    def fill(self, step):
        with torch.no_grad():
            for weight in self.net.parameters():
                weight.fill_(step)
                self.optimizer.state[weight]["exp_avg"].fill_(step)

    def save(self, step):
        self.fill(step)
        self.best.seen(self.net.state_dict(), step, step, {"R@1": float(step)})
        save_checkpoint(
            self.folder / "checkpoints", step, self.net, self.optimizer, Settings(), 0.0, UNSCALED, {"best": self.best}
        )

    def load(self):
        """The step that everything was saved at."""
        found = load_checkpoint(
            self.folder / "checkpoints", self.net, self.optimizer, Settings(), UNSCALED, {"best": self.best}
        )
        if found is None:
            return 0
        step = found[0]
        saved = [*self.net.parameters(), *self.best.weights().values()]
        saved += [self.optimizer.state[weight]["exp_avg"] for weight in self.net.parameters()]
        for value in saved:
            assert torch.equal(value, torch.full_like(value, step))
        return step


def saved_until_killed(run, first, count, seconds):
    """Save step after step in a process that is killed some time after so many; the last step that it saved."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            for step in range(first, first + 10_000):
                run.save(step)
                os.write(writer, step.to_bytes(4, "little"))
        finally:
            os._exit(1)  # not reached unless a save fails
    os.close(writer)
    known = b"".join(os.read(reader, 4) for _ in range(count))
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    with os.fdopen(reader, "rb") as pipe:
        reported = known + pipe.read()
    assert os.WIFSIGNALED(status)
    return int.from_bytes(reported[-4:], "little") if reported else first - 1


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("rounds", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments_of_saving(tmp_path, rounds):
    chance, config = random.Random(0), TrainConfig()
    run, done = Run(tmp_path), 2
    run.save(1)
    start = time.perf_counter()
    run.save(2)
    save = time.perf_counter() - start
    for _ in range(rounds):
        last = saved_until_killed(run, done + 1, chance.randrange(3), save * chance.uniform(0, 1.5))
        with claimed(tmp_path, config):
            assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]
            done = run.load()
        assert done in (last, last + 1)
    assert done > 2  # it did get on
    run.save(done + 1)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["latest.json", f"step-{done + 1:07d}.safetensors"]


def moments(monkeypatch, run, step, act):
    """Save a step, and call `act` before the n-th thing that happens to the disk; how many there are."""
    happened = 0

    def announced(function):
        def first(*arguments, **options):
            nonlocal happened
            happened += 1
            act(happened)
            return function(*arguments, **options)

        return first

    with monkeypatch.context() as patch:
        for name in ("fsync", "replace", "chmod", "fdopen"):
            patch.setattr(os, name, announced(getattr(os, name)))
        patch.setattr(Path, "unlink", announced(Path.unlink))
        run.save(step)
    return happened


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_every_moment_of_a_save(tmp_path, monkeypatch):
    run = Run(tmp_path)
    run.save(1)
    run.save(2)
    count = moments(monkeypatch, run, 3, lambda moment: None)
    assert count > 15
    kept = []
    for moment in range(1, count + 1):
        step = run.load() + 1

        def die(now, moment=moment):
            if now == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        pid = os.fork()
        if pid == 0:
            with suppress(BaseException):
                moments(monkeypatch, run, step, die)
            os._exit(0)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        kept.append(Run(tmp_path).load() == step)
        run.load()
        run.save(step + 1)
    assert kept == sorted(kept)  # the one before up to some moment, then the new one
    assert not kept[0]
    assert kept[-1]
