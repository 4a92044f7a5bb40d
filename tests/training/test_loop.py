"""The loop: learning, groups, schedules, interruption and exact resumption, damaged checkpoints."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from hyperdml.data import DataConfig, load_splits
from hyperdml.errors import ConfigError, DataError, DivergedError, EnvironmentProblem, Interrupted
from hyperdml.training.environment import resolve_device
from hyperdml.training.retrieval.embedding import embed_part, training_features
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.param_groups import param_groups
from hyperdml.training.retrieval.schedule import lr_factor, schedule_of
from hyperdml.training.retrieval.task import RetrievalTask
from hyperdml.training.retrieval.train import train
from hyperdml.training.settings import config_from_dict


def config(**changes):
    values = {
        "checkpoint_every": 1000,
        "data": {"subset": "tiny", "image_size": 32},
        "model": {"backbone": "test_efficientnet", "weights": "none", "head": {"embedding_size": 16}},
        "batch": {"size": 24},
        "hier": {"levels": [2, 6, 16], "per_anchor": 6, "warmup": 2},
        "optim": {"steps": 6, "lr": 1e-3, "class_proxy_lr_mult": 100.0},
    }
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return config_from_dict(values, "test")


@pytest.fixture(scope="module")
def data():
    return load_splits(DataConfig(subset="tiny"))


def state(learner):
    return {name: value.clone() for name, value in learner.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("frozen", [False, True])
def test_metric_loss_falls(data, tmp_path, frozen):
    settings = config(optim={"steps": 40, "lr": 3e-3, "freeze_backbone": frozen}, hier={"weight": 0.0})
    losses = []
    trained = train(settings, data.train, tmp_path, monitor=lambda step, f: losses.append(f["metric"]))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert not trained.learner.training
    assert trained.steps == 40
    before = Learner(settings, 60).model.backbone.state_dict()
    assert same(before, trained.learner.model.backbone.state_dict()) is frozen


def test_frozen_features_are_those_of_the_images(data):
    """Head and losses on features give what the whole network gives on the images."""
    settings = config(optim={"freeze_backbone": True, "views": 2})
    task = RetrievalTask(settings, data.train, torch.device("cpu"))
    whole = Learner(config(), 60).model.eval()
    features = training_features(settings, data.train, torch.device("cpu"))
    assert features.shape[:2] == (300, 2)
    assert not torch.equal(features[:, 0], features[:, 1])
    points = embed_part(task.module.model, data.train, settings, features[:, 0])
    torch.testing.assert_close(points, embed_part(whole, data.train, settings), rtol=1e-4, atol=1e-5)
    rows = task.sampler.batch(0)
    inputs = task.batch(0)["inputs"]
    views = [[torch.equal(inputs[i], features[row, view]) for view in range(2)] for i, row in enumerate(rows)]
    assert all(any(one) for one in views)
    assert {one.index(True) for one in views} == {0, 1}
    assert torch.equal(task.batch(0)["labels"], torch.from_numpy(data.train.labels[rows]))


ADAM = {"precision": "bfloat16", "ema": 0.9, "decay_norms": False, "clip_norm": 1.0}


# an epoch has 12 steps: 1 and 4 lie in the middle of the first, 13 in the second
@pytest.mark.parametrize(
    ("stop", "optim"), [(1, {}), (4, {}), (4, {"freeze_backbone": True}), (13, {"steps": 14}), (4, ADAM)]
)
def test_interrupted_and_resumed_is_bit_for_bit_uninterrupted(data, tmp_path, stop, optim):
    settings = config(optim={"schedule": "cosine", **optim})
    whole = train(settings, data.train, tmp_path / "whole")

    def interrupt(step, figures):
        if step == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=f"interrupted after step {stop}") as caught:
        train(settings, data.train, tmp_path / "cut", monitor=interrupt)
    assert caught.value.exit_code == 130
    starts = []
    resumed = train(settings, data.train, tmp_path / "cut", on_start=starts.append)
    assert starts == [stop]
    assert same(state(whole.learner), state(resumed.learner))


def test_sigterm_has_its_own_exit_code_and_handlers_are_restored(data, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        train(config(), data.train, tmp_path, monitor=lambda s, f: os.kill(os.getpid(), signal.SIGTERM))
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_interrupt_leaves_at_once(data, tmp_path):
    def twice(step, figures):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(config(), data.train, tmp_path, monitor=twice)


def test_arms_start_alike(data):
    both, alone = Learner(config(), 60), Learner(config(hier={"weight": 0.0}), 60)
    assert alone.hier is None
    assert same(state(both.model), state(alone.model))
    assert torch.equal(both.metric_loss.proxies, alone.metric_loss.proxies)
    assert not torch.equal(Learner(config(seed=1), 60).metric_loss.proxies, both.metric_loss.proxies)


def test_learning_rates_of_the_groups():
    settings = config(optim={"lr": 1e-5, "head_lr_mult": 100.0, "class_proxy_lr_mult": 1e4, "hier_proxy_lr_mult": 50.0})
    learner = Learner(settings, 60)
    groups = {g["name"]: g for g in param_groups(learner, settings.optim)}
    rates = {name: group["lr"] for name, group in groups.items()}
    assert rates == pytest.approx({"backbone": 1e-5, "head": 1e-3, "class_proxies": 0.1, "hier_proxies": 5e-4})
    grouped = [id(p) for group in groups.values() for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in learner.parameters())
    frozen = config(optim={"freeze_backbone": True}, hier={"weight": 0.0})
    assert [g["name"] for g in param_groups(Learner(frozen, 60), frozen.optim)] == ["head", "class_proxies"]


def test_norms_biases_and_tokens_have_groups_that_do_not_decay():
    settings = config(model={"backbone": "test_vit"}, optim={"decay_norms": False, "weight_decay": 0.1})
    learner = Learner(settings, 60)
    groups = {g["name"]: g for g in param_groups(learner, settings.optim)}
    assert list(groups) == ["backbone", "backbone/no_decay", "head", "head/no_decay", "class_proxies", "hier_proxies"]
    assert {name: g["weight_decay"] for name, g in groups.items()} == {
        name: 0.0 if name.endswith("no_decay") else 0.1 for name in groups
    }
    exempt = {id(p) for p in groups["backbone/no_decay"]["params"]}
    assert id(learner.model.backbone.pos_embed) in exempt
    assert all(p.ndim > 1 for p in groups["backbone"]["params"])
    assert sum(len(g["params"]) for g in groups.values()) == len(list(learner.parameters()))


def test_schedule_and_warm_up():
    settings = config(optim={"steps": 10, "warmup_steps": 3, "schedule": "cosine"})
    schedule, optim = schedule_of(settings, 5), settings.optim
    assert [lr_factor(s, "backbone", schedule, optim) for s in range(3)] == [0, 0, 0]
    assert lr_factor(2, "backbone/no_decay", schedule, optim) == 0
    assert lr_factor(3, "backbone", schedule, optim) == lr_factor(3, "head", schedule, optim) > 0
    assert lr_factor(0, "head", schedule, optim) == 1
    factors = [lr_factor(s, "head", schedule, optim) for s in range(10)]
    assert factors == sorted(factors, reverse=True)
    assert 0 < factors[-1] < 0.05
    assert lr_factor(9, "head", schedule, replace(optim, schedule="constant")) == 1


def test_step_decay_is_that_of_torch_called_once_an_epoch():
    settings = config(optim={"steps": None, "epochs": 7, "schedule": "step", "decay": 0.3, "decay_epochs": 2})
    schedule = schedule_of(settings, 4)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    torch_schedule = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.3)
    for epoch in range(7):
        for step in range(4 * epoch, 4 * epoch + 4):
            assert lr_factor(step, "head", schedule, settings.optim) == pytest.approx(torch_schedule.get_last_lr()[0])
            optimizer.step()
        torch_schedule.step()


def test_epochs_become_steps():
    settings = config(
        optim={"steps": None, "epochs": 6, "warmup_epochs": 2}, evaluation={"every_epochs": 3}, snapshot_epochs=[1, 6]
    )
    schedule = schedule_of(settings, 32)
    assert (schedule.steps, schedule.warmup, schedule.validate_every) == (192, 64, 96)
    assert schedule.snapshots == {32: 1, 192: 6}
    assert schedule_of(config(optim={"steps": None}), 32).steps == 1000
    with pytest.raises(ConfigError, match="snapshot_epochs: the run ends after 6 epochs, got epoch 7"):
        schedule_of(replace(settings, snapshot_epochs=(7,)), 32)
    with pytest.raises(ConfigError, match=r"optim\.warmup_epochs lasts 192 steps and the run 192"):
        schedule_of(replace(settings, optim=replace(settings.optim, warmup_epochs=6)), 32)


def test_warm_up_leaves_the_backbone_alone(data, tmp_path):
    """Rate 0, not frozen: Adam's moments gather gradients, and batch statistics are those of the weights."""
    settings = config(
        model={"freeze_bn": "statistics"},
        checkpoint_every=2,
        optim={"steps": 3, "warmup_steps": 2, "weight_decay": 0.1},
    )
    start = state(Learner(settings, 60).model.backbone)
    with pytest.raises(Interrupted):
        train(settings, data.train, tmp_path, monitor=lambda step, f: step == 2 and os.kill(os.getpid(), signal.SIGINT))
    tensors = load_file(tmp_path / "checkpoints" / "step-0000002.safetensors")
    stored = {k.removeprefix("module.model.backbone."): v for k, v in tensors.items() if "model.backbone." in k}
    assert same(start, stored)
    assert tensors["optimizer.0.exp_avg"].any()
    assert not same(start, state(train(settings, data.train, tmp_path).learner.model.backbone))


def test_divergence_is_an_error_that_names_the_step_and_the_file(data, tmp_path):
    settings = config(optim={"lr": 1e30, "clip_value": None, "steps": 20}, bad_steps=3)
    with pytest.raises(DivergedError, match=r"3 steps in a row, up to step \d+.*hyperdml replay .*bad_steps") as caught:
        train(settings, data.train, tmp_path)
    assert caught.value.exit_code == 4


def test_a_gradient_that_is_not_finite_is_left_out_and_training_goes_on(data, tmp_path, monkeypatch):
    """A NaN gradient under a finite loss must neither reach the weights nor a checkpoint."""
    from hyperdml.models import EmbeddingHead

    steps = []

    def spoil(self, features, original=EmbeddingHead.forward):
        points = original(self, features)
        if len(steps) == 3 and points.requires_grad:
            points.register_hook(lambda grad: grad * float("nan"))
        return points

    monkeypatch.setattr(EmbeddingHead, "forward", spoil)
    trained = train(config(checkpoint_every=1), data.train, tmp_path, monitor=lambda step, f: steps.append(step))
    assert steps == [1, 2, 3, 4, 5, 6]
    assert all(value.isfinite().all() for value in trained.learner.state_dict().values())
    assert [path.name for path in (tmp_path / "bad_steps").iterdir()] == ["step-0000004.safetensors"]


def test_older_checkpoints_are_removed_and_the_newest_is_loaded(data, tmp_path):
    settings = config(checkpoint_every=2)
    train(settings, data.train, tmp_path)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["latest.json", "step-0000004.safetensors"]
    starts = []
    train(settings, data.train, tmp_path, on_start=starts.append)
    assert starts == [4]


def test_changed_configuration_is_refused_with_its_keys(data, tmp_path):
    train(config(checkpoint_every=2), data.train, tmp_path)
    with pytest.raises(ConfigError, match=r"the configuration changed since .*: hier.per_anchor, optim.lr"):
        train(config(checkpoint_every=2, hier={"per_anchor": 9}, optim={"lr": 1e-2}), data.train, tmp_path)


def test_damaged_checkpoints_are_detected(data, tmp_path):
    settings = config(checkpoint_every=2)
    train(settings, data.train, tmp_path)
    folder = tmp_path / "checkpoints"
    payload = folder / "step-0000004.safetensors"
    intact = payload.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(10):
        broken = bytearray(intact)
        broken[rng.integers(len(broken))] ^= 1 << int(rng.integers(8))
        payload.write_bytes(broken)
        with pytest.raises(DataError, match=r"step-0000004\.safetensors is damaged"):
            train(settings, data.train, tmp_path)
    payload.write_bytes(intact[:1000])
    with pytest.raises(DataError, match="is damaged"):
        train(settings, data.train, tmp_path)
    payload.unlink()
    with pytest.raises(DataError, match="cannot read checkpoint"):
        train(settings, data.train, tmp_path)
    (folder / "latest.json").write_text("{")
    with pytest.raises(DataError, match=r"latest\.json"):
        train(settings, data.train, tmp_path)


def test_a_failed_write_keeps_the_old_checkpoint(data, tmp_path, monkeypatch):
    settings = config(checkpoint_every=2)

    def full(handle):
        raise OSError(28, "No space left on device")

    def after_two(step, figures):
        if step == 4:
            monkeypatch.setattr("os.fsync", full)

    with pytest.raises(OSError, match="No space left"):
        train(settings, data.train, tmp_path, monitor=after_two)
    monkeypatch.undo()
    folder = tmp_path / "checkpoints"
    assert json.loads((folder / "latest.json").read_text())["file"] == "step-0000002.safetensors"
    assert sorted(p.name for p in folder.iterdir()) == ["latest.json", "step-0000002.safetensors"]
    starts = []
    train(settings, data.train, tmp_path, on_start=starts.append)
    assert starts == [2]


def test_batches_too_large_for_the_data(data, tmp_path):
    with pytest.raises(ConfigError, match="needs 500 classes; the training part has 60"):
        train(config(batch={"size": 1000}), data.train, tmp_path)


@pytest.mark.parametrize(
    ("name", "options"), [("ProxyAnchorLoss", {"margin": "wide"}), ("VICRegLoss", {}), ("BaseMetricLossFunction", {})]
)
def test_metric_losses_that_cannot_be_trained_are_found_before_training(data, tmp_path, name, options):
    with pytest.raises(ConfigError, match=f"metric_loss.*{name}"):
        train(config(metric_loss={"name": name, "options": options}), data.train, tmp_path)


def test_devices():
    assert resolve_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="device: "):
        resolve_device("toaster")
    if not torch.cuda.is_available():
        assert resolve_device("auto").type == "cpu"
        with pytest.raises(EnvironmentProblem, match="device=cuda cannot be used here"):
            resolve_device("cuda")


@pytest.mark.gpu
def test_gpu(data, tmp_path):
    losses = []
    train(
        config(device="cuda", optim={"steps": 20}),
        data.train,
        tmp_path,
        monitor=lambda step, figures: losses.append(figures["loss"]),
    )
    assert losses[-1] < losses[0]
