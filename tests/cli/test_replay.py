"""`hyperdml replay`: steps that were left out, repeated, with what it says about them."""

import json

import pytest
import torch
from cli.commands import run

from hyperdml.data import load_splits
from hyperdml.training.engine.bad_steps import BadSteps
from hyperdml.training.engine.state_file import write_state
from hyperdml.training.retrieval.task import RetrievalTask
from hyperdml.training.settings import config_from_dict

UNSCALED = torch.amp.GradScaler("cpu", enabled=False)


def config(**changes):
    values = {
        "data": {"subset": "tiny", "image_size": 32},
        "model": {"backbone": "test_efficientnet", "weights": "none", "head": {"embedding_size": 16}},
        "batch": {"size": 24},
        "hier": {"levels": [2, 6, 16], "per_anchor": 6, "warmup": 2},
        "optim": {"steps": 20},
    }
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return config_from_dict(values, "test")


@pytest.fixture(scope="module")
def part():
    return load_splits(config().data).train


def written(folder, part, settings, step=3, spoil=lambda task, batch: None):
    """File of a step that is taken like in training and left out, whether it was bad or not."""
    task = RetrievalTask(settings, part, torch.device("cpu"))
    bad, batch = BadSteps(folder, 9, task, settings), dict(task.batch(step))
    spoil(task, batch)
    bad.fine()
    parts = task.backward(step, batch, UNSCALED)
    bad.left_out(step, {name: float(value) for name, value in parts.items()}, batch)
    return folder / f"step-{step + 1:07d}.safetensors", parts


def test_a_broken_image_is_found(part, tmp_path):
    def spoil(task, batch):
        batch["inputs"] = batch["inputs"].clone()
        batch["inputs"][5, 1, 2, 3] = float("nan")

    path, _ = written(tmp_path, part, config(), spoil=spoil)
    code, out, err = run("replay", path, cwd=tmp_path)
    assert code == 4
    assert err == "hyperdml: error: step 4 is not finite here either\n"
    assert "the inputs hold 1 numbers that are not finite" in out
    assert "first output that is not finite: model.backbone.conv_stem (Conv2d), whose input was 24x3x32x32" in out
    assert "1 not finite" in out
    assert "loss: nan in training, nan here" in out


def test_a_broken_weight_is_found(part, tmp_path):
    def spoil(task, batch):
        with torch.no_grad():
            task.module.model.head.linear.weight[1, 2] = float("inf")

    path, _ = written(tmp_path, part, config(), spoil=spoil)
    code, out, _ = run("replay", path, "--json", cwd=tmp_path)
    found = json.loads(out)
    assert (code, found["came_back"], found["inputs"]) == (4, True, 0)
    assert found["weights"] == ["model.head.linear.weight"]
    assert found["output"].startswith("model.head.linear (Linear), whose input was 24x")
    assert "model.head.linear.weight" in found["gradients"]
    assert found["then"]["loss"] is None  # as JSON says what is not finite


def test_a_gradient_that_breaks_under_a_finite_loss_is_found(part, tmp_path, monkeypatch):
    from hyperdml.models import EmbeddingHead

    def spoiled(self, features, original=EmbeddingHead.forward):
        points = original(self, features)
        points.register_hook(lambda gradient: gradient * float("nan"))
        return points

    monkeypatch.setattr(EmbeddingHead, "forward", spoiled)
    path, parts = written(tmp_path, part, config())
    code, out, _ = run("replay", path, cwd=tmp_path)
    assert code == 4
    assert f"loss: {float(parts['loss']):g} in training, {float(parts['loss']):g} here" in out
    assert "the output of every module is finite" in out
    assert "first gradient that is not finite, on its way back: at the output of model.head" in out
    assert "parameters have a gradient that is not finite: model.backbone.conv_stem.weight, " in out
    assert "embedding radius: least" in out


@pytest.mark.parametrize(
    "changes",
    [{}, {"optim": {"steps": 20, "freeze_backbone": True, "views": 1}}, {"hace": {"weight": 1.0}},
     {"batch": {"size": 24, "piece": 8}, "model": {"freeze_bn": "statistics"}},
     {"optim": {"steps": 20, "precision": "bfloat16"}}],
)  # fmt: skip
def test_a_step_is_repeated_to_the_bit(part, tmp_path, changes):
    path, parts = written(tmp_path, part, config(**changes))
    code, out, err = run("replay", path, "--device", "cpu", "--json", cwd=tmp_path)
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["now"] == {name: float(value) for name, value in parts.items()}
    assert found["now"] == found["then"]
    assert (found["output"], found["gradient"], found["gradients"], found["weights"]) == (None, None, [], [])
    assert found["parameters"] > 0
    assert found["remarks"] == []
    assert "everything is finite here" in run("replay", path, cwd=tmp_path)[1]


def test_what_differs_from_the_training_is_said(part, tmp_path):
    from hyperdml.training.engine.state_file import read_state

    path, _ = written(tmp_path, part, config())
    tensors, notes = read_state(path)
    write_state(path, tensors, notes | {"processes": 2, "torch": "2.6.0", "device": "cuda"})
    code, out, _ = run("replay", path, "--device", "cpu", cwd=tmp_path)
    assert code == 0
    assert "the batch of 2 processes is computed by one" in out
    assert f"the step was taken with torch 2.6.0, this is {torch.__version__}" in out
    assert "the step was taken on cuda, this is cpu" in out


def test_files_that_do_not_fit_are_named(part, tmp_path):
    from hyperdml.training.engine.state_file import read_state

    path, _ = written(tmp_path, part, config())
    code, _, err = run("replay", tmp_path / "none.safetensors", cwd=tmp_path)
    assert code == 3
    assert "none.safetensors is missing" in err
    tensors, notes = read_state(path)
    less = {name: value for name, value in tensors.items() if "linear" not in name}
    write_state(tmp_path / "less.safetensors", less, notes)
    code, _, err = run("replay", tmp_path / "less.safetensors", cwd=tmp_path)
    assert code == 3
    assert "less.safetensors do not fit its configuration" in err
    write_state(tmp_path / "new.safetensors", tensors, notes | {"config": {**notes["config"], "colour": 1}})
    code, _, err = run("replay", tmp_path / "new.safetensors", cwd=tmp_path)
    assert code == 2
    assert "unknown key colour" in err
    data = path.read_bytes()
    path.write_bytes(data[:-7] + bytes([data[-7] ^ 1]) + data[-6:])
    code, _, err = run("replay", path, cwd=tmp_path)
    assert code == 3
    assert f"{path} is damaged" in err
