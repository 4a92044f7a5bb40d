"""Numbers that are not finite, in images, loss and gradient, through the whole of training and its command."""

import re

import pytest
import torch
from cli.commands import run

from hyperdml.data import load_splits
from hyperdml.models import EmbeddingHead, EmbeddingModel
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.task import RetrievalTask
from hyperdml.training.retrieval.train import train
from hyperdml.training.settings import config_from_dict

SMALL = {
    "checkpoint_every": 2,
    "bad_steps": 3,
    "data": {"subset": "tiny", "image_size": 32},
    "model": {"backbone": "test_efficientnet", "weights": "none", "head": {"embedding_size": 16}},
    "batch": {"size": 24},
    "hier": {"levels": [2, 6, 16], "per_anchor": 6, "warmup": 4},
    "evaluation": {"controls": []},
    "optim": {"steps": 8, "lr": 1e-3},
}


def spoil(monkeypatch, kind, value, steps):
    """Let something become `value` at these steps, for as long as the patch lasts."""
    now = {"step": -1}
    batch, backward = RetrievalTask.batch, RetrievalTask.backward
    losses, forward = Learner.losses, EmbeddingHead.forward

    def spoiled_batch(self, step):
        now["step"] = step
        found = dict(batch(self, step))
        if kind == "image" and step in steps:
            found["inputs"] = found["inputs"].clone()
            found["inputs"][7, 0, 3, 3] = value
        return found

    def spoiled_losses(self, points, labels):
        parts = losses(self, points, labels)
        return {**parts, "loss": parts["loss"] * value} if kind == "loss" and now["step"] in steps else parts

    def spoiled_forward(self, features):
        points = forward(self, features)
        if kind == "gradient" and now["step"] in steps and points.requires_grad:
            points.register_hook(lambda gradient: gradient * value)
        return points

    def spoiled_backward(self, step, batch, scaler):
        now["step"] = step  # a replay asks for no batch
        return backward(self, step, batch, scaler)

    monkeypatch.setattr(RetrievalTask, "batch", spoiled_batch)
    monkeypatch.setattr(RetrievalTask, "backward", spoiled_backward)
    monkeypatch.setattr(Learner, "losses", spoiled_losses)
    monkeypatch.setattr(EmbeddingHead, "forward", spoiled_forward)


@pytest.fixture(scope="module")
def part():
    return load_splits(config_from_dict(SMALL, "test").data).train


@pytest.mark.parametrize(
    ("kind", "value"),
    [("image", float("nan")), ("image", float("inf")), ("loss", float("-inf")), ("gradient", float("nan"))],
)
@pytest.mark.parametrize("moment", [3, 6])  # at the end of HIER's warm-up, and after it
def test_such_a_step_is_left_out_and_training_goes_on(part, tmp_path, monkeypatch, kind, value, moment):
    settings, states = config_from_dict(SMALL, "test"), {}
    task = []
    original = RetrievalTask.__init__

    def remember(self, *rest):
        original(self, *rest)
        task.append(self)

    def keep(done, figures):
        states[done] = {name: entry.clone() for name, entry in task[0].module.state_dict().items()}

    with monkeypatch.context() as patch:
        patch.setattr(RetrievalTask, "__init__", remember)
        spoil(patch, kind, value, {moment})
        trained = train(settings, part, tmp_path, monitor=keep)
    assert trained.steps == 8
    assert all(entry.isfinite().all() for entry in trained.learner.state_dict().values())
    before, after = states[moment], states[moment + 1]
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before if "hier.proxies" not in name)
    assert any(not torch.equal(after[name], states[moment + 2][name]) for name in after)
    [path] = (tmp_path / "bad_steps").iterdir()
    assert path.name == f"step-{moment + 1:07d}.safetensors"
    code, out, _ = run("replay", path, cwd=tmp_path)
    # the image is in the file; loss and gradient were spoilt by hand, and are fine by themselves
    assert code == (4 if kind == "image" else 0)
    if kind == "image":
        assert "first output that is not finite: model.backbone." in out


def test_too_many_end_the_command_with_code_four(tmp_path, monkeypatch):
    words = [f"data.{key}={value}" for key, value in SMALL["data"].items()]
    words += ["model.backbone=test_efficientnet", "model.weights=none", "model.head.embedding_size=16"]
    words += ["batch.size=24", "hier.levels=[2,6,16]", "hier.per_anchor=6", "hier.warmup=2", "evaluation.controls=[]"]
    words += ["optim.steps=10", "optim.freeze_backbone=false", "checkpoint_every=2", "bad_steps=3"]
    with monkeypatch.context() as patch:
        spoil(patch, "loss", float("nan"), range(4, 100))
        code, _, err = run("train", "quickstart", *words, "--out", "run", cwd=tmp_path)
        assert code == 4
        assert "was not finite in 3 steps in a row, up to step 7" in err
        file = re.search(r"hyperdml replay (\S+)", err)[1]
        code, out, _ = run("replay", file, cwd=tmp_path)
        assert code == 4
        assert "the output of every module is finite" in out
    # with the cause away the run goes on from its last checkpoint
    code, _, err = run("resume", "run", cwd=tmp_path)
    assert code == 0, err
    model = EmbeddingModel.from_pretrained(tmp_path / "run" / "model")
    assert all(value.isfinite().all() for value in model.state_dict().values())
