"""Steps that are not finite: left out with all their traces, written down, and too many in a row."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from two_processes import run_two_ranks

from hyperdml.errors import DataError, DivergedError
from hyperdml.hier import HIER
from hyperdml.training.engine.bad_steps import BadSteps, read_bad_step
from hyperdml.training.engine.steps import Pace, take_steps


@dataclass(frozen=True)
class Settings:
    seed: int = 3
    limit: int = 2


class Task:
    """Batches of eight through batch norm and a linear layer; what goes wrong at which step is chosen."""

    def __init__(self, wrong=None):
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))
        self.wrong = wrong or {}

    def batch(self, step):
        images = torch.from_numpy(np.random.default_rng(step).standard_normal((8, 4))).float()
        if self.wrong.get(step) == "input":
            images[3, 2] = float("nan")
        return {"images": images, "labels": torch.arange(8)}

    def backward(self, step, batch, scaler):
        loss = self.module(batch["images"]).square().mean()
        if self.wrong.get(step) == "loss":
            loss = loss + float("inf")
        scaler.scale(loss).backward()
        if self.wrong.get(step) == "gradient":
            self.module[1].weight.grad[1, 2] = float("inf")
        return {"loss": loss.detach(), "half": loss.detach() / 2}


def train(task, folder, steps=6, limit=3, every=100, **hooks):
    bad = BadSteps(folder / "bad_steps", limit, task, Settings())
    group = {"name": "all", "params": list(task.module.parameters()), "lr": 0.1, "base_lr": 0.1}
    take_steps(
        task, torch.optim.SGD([group], momentum=0.9), Pace(steps, every), lambda step, name: 1.0, Settings(),
        folder / "checkpoints", bad=bad, **hooks,
    )  # fmt: skip
    return bad


def state(task):
    return {name: value.clone() for name, value in task.module.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("kind", ["input", "loss", "gradient"])
def test_a_bad_step_leaves_no_trace(tmp_path, kind):
    task, states = Task({2: kind}), {}
    train(task, tmp_path, monitor=lambda done, figures: states.update({done: state(task)}))
    assert same(states[2], states[3])  # statistics of batch norm too
    assert not same(states[3], states[4])
    assert states[6]["0.num_batches_tracked"] == 5
    assert all(value.isfinite().all() for value in states[6].values())


@pytest.mark.parametrize("kind", ["input", "loss", "gradient"])
def test_what_is_written_repeats_the_step(tmp_path, kind):
    task, before = Task({2: kind}), {}
    train(task, tmp_path, monitor=lambda done, figures: before.update({done: state(task)}))
    [path] = (tmp_path / "bad_steps").iterdir()
    assert path.name == "step-0000003.safetensors"
    found = read_bad_step(path)
    assert (found.step, found.processes, found.torch) == (2, 1, torch.__version__)
    assert found.config == {"seed": 3, "limit": 2}
    assert found.parts.keys() == {"loss", "half"}
    assert np.isfinite(found.parts["loss"]) == (kind == "gradient")
    assert same(found.module, before[2])
    expected = task.batch(2)
    for name, value in found.batch.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0, equal_nan=True)
    fresh = Task({2: kind})
    fresh.module.load_state_dict(found.module)
    parts = fresh.backward(found.step, found.batch, torch.amp.GradScaler("cpu", enabled=False))
    assert torch.equal(parts["loss"].isfinite(), torch.tensor(kind == "gradient"))


def test_too_many_in_a_row_are_the_end_and_name_the_first(tmp_path):
    task = Task({1: "loss", 3: "loss", 4: "gradient", 5: "input"})
    with pytest.raises(DivergedError, match=r"3 steps in a row, up to step 6 \(loss nan.*replay .*step-0000004\.") as e:
        train(task, tmp_path, steps=9)
    assert e.value.exit_code == 4
    assert sorted(path.name for path in (tmp_path / "bad_steps").iterdir()) == [
        "step-0000002.safetensors",
        "step-0000004.safetensors",
    ]
    assert same(read_bad_step(tmp_path / "bad_steps" / "step-0000004.safetensors").module, state(task))


def test_the_newest_three_files_are_kept(tmp_path):
    train(Task(dict.fromkeys((0, 2, 4, 6, 8), "loss")), tmp_path, steps=10)
    names = sorted(path.name for path in (tmp_path / "bad_steps").iterdir())
    assert names == [f"step-000000{n}.safetensors" for n in (5, 7, 9)]


def test_the_row_goes_on_after_a_resume(tmp_path):
    wrong = dict.fromkeys((1, 2, 3), "loss")

    def stop(done, figures):
        if done == 3:
            raise RuntimeError("the machine went away")

    with pytest.raises(RuntimeError, match="went away"):
        train(Task(wrong), tmp_path, every=2, monitor=stop)
    starts = []
    with pytest.raises(DivergedError, match=r"3 steps in a row, up to step 4 .*step-0000002"):
        train(Task(wrong), tmp_path, every=2, on_start=starts.append)
    assert starts == [2]


def test_the_warm_up_of_hier_forgets_a_bad_batch():
    hier = HIER(5, levels=(2, 4), warmup=3, per_anchor=2)
    task = type("Task", (), {"module": hier})()
    bad = BadSteps(None, 2, task, Settings())
    points, labels = 0.1 * torch.randn(8, 5), torch.arange(8) // 2
    hier.terms(points, labels)
    bad.fine()
    before = {name: value.clone() for name, value in hier.state_dict().items()}
    hier.terms(points + 1e-3, labels)
    bad._write = lambda *rest: None
    bad.left_out(1, {"loss": float("nan")}, {})
    assert same(before, hier.state_dict())


def test_a_disk_that_does_not_take_the_file_does_not_end_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr("hyperdml.training.engine.bad_steps.write_state", lambda *a: (_ for _ in ()).throw(OSError(28)))
    with pytest.warns(UserWarning, match="step 3 was not finite and cannot be written to .*step-0000003"):
        train(Task({2: "loss"}), tmp_path)
    with (
        pytest.warns(UserWarning, match="cannot be written"),
        pytest.raises(DivergedError, match=r"Lower the learning rates \(optim\)$"),
    ):
        train(Task({0: "loss"}), tmp_path / "other", limit=1)


def test_an_overflow_of_float16_is_not_a_bad_step(tmp_path):
    task = Task({0: "gradient", 1: "gradient"})
    train(task, tmp_path, limit=1, scaler=torch.amp.GradScaler("cpu", init_scale=4.0))
    assert not (tmp_path / "bad_steps").exists()


def test_two_processes_write_one_file_with_the_whole_batch(tmp_path):
    messages = run_two_ranks(Path(__file__).with_name("two_ranks_bad_steps.py"), tmp_path)
    assert messages[0] == messages[1]
    assert "2 steps in a row, up to step 8" in messages[0]
    [path] = (tmp_path / "bad_steps").iterdir()
    assert str(path) in messages[0]
    found = read_bad_step(path)
    assert (found.step, found.processes, found.device) == (6, 2, "cpu")
    assert found.batch["labels"].tolist() == [0, 1, 2, 3, 4]
    assert found.batch["inputs"].tolist() == [[row, row] for row in range(5)]


def test_other_files_are_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"step-1\.safetensors is missing"):
        read_bad_step(tmp_path / "step-1.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DataError, match=r"cannot read .*text"):
        read_bad_step(tmp_path / "text")
    from safetensors.torch import save_file

    save_file({"x": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"other\.safetensors was not written by hyperdml"):
        read_bad_step(tmp_path / "other.safetensors")
    from hyperdml.training.engine.state_file import write_state

    write_state(tmp_path / "best.safetensors", {"x": torch.ones(2)}, {"epoch": 1})
    with pytest.raises(DataError, match=r"best\.safetensors does not hold a step that was left out"):
        read_bad_step(tmp_path / "best.safetensors")
