"""The loop: learning, groups, schedules, interruption and exact resumption, damaged checkpoints."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from hyperdml.data import DataConfig, load_splits
from hyperdml.errors import ConfigError, DataError, DivergedError, EnvironmentProblem, Interrupted
from hyperdml.training.environment import resolve_device
from hyperdml.training.retrieval.features import training_features
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.param_groups import param_groups
from hyperdml.training.retrieval.train import lr_factor, train
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
    bank = None
    if frozen:
        bank = training_features(Learner(settings, 60).model, data.train, settings)
        assert bank.shape[:2] == (300, 4)
    losses = []
    trained = train(settings, data.train, tmp_path, bank, monitor=lambda step, f: losses.append(f["metric"]))
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert not trained.learner.training
    before = Learner(settings, 60).model.backbone.state_dict()
    assert same(before, trained.learner.model.backbone.state_dict()) is frozen


def test_frozen_features_are_those_of_the_images(data):
    settings = config(optim={"freeze_backbone": True, "views": 2})
    model = Learner(settings, 60).model
    bank = training_features(model, data.train, settings)
    from hyperdml.data import to_input

    images = to_input(torch.from_numpy(data.train.images[:5].copy()), 32, model.mean, model.std)
    with torch.no_grad():
        torch.testing.assert_close(bank[:5, 0], model.eval().backbone(images), rtol=1e-4, atol=1e-5)
    assert not torch.equal(bank[:, 0], bank[:, 1])
    assert torch.equal(bank, training_features(model, data.train, settings))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("stop", [1, 4])
def test_interrupted_and_resumed_is_bit_for_bit_uninterrupted(data, tmp_path, stop, frozen):
    settings = config(optim={"freeze_backbone": frozen, "schedule": "cosine"})
    bank = training_features(Learner(settings, 60).model, data.train, settings) if frozen else None
    whole = train(settings, data.train, tmp_path / "whole", bank)

    def interrupt(step, figures):
        if step == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=f"interrupted after step {stop}") as caught:
        train(settings, data.train, tmp_path / "cut", bank, monitor=interrupt)
    assert caught.value.exit_code == 130
    starts = []
    resumed = train(settings, data.train, tmp_path / "cut", bank, on_start=starts.append)
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
    groups = {g["name"]: g for g in param_groups(learner.model, learner.metric_loss, learner.hier, settings.optim)}
    rates = {name: group["lr"] for name, group in groups.items()}
    assert rates == pytest.approx({"backbone": 1e-5, "head": 1e-3, "class_proxies": 0.1, "hier_proxies": 5e-4})
    grouped = [id(p) for group in groups.values() for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in learner.parameters())
    learner.model.backbone.requires_grad_(False)
    names = [g["name"] for g in param_groups(learner.model, learner.metric_loss, None, settings.optim)]
    assert names == ["head", "class_proxies"]


def test_schedule_and_warm_up():
    optim = config(optim={"steps": 10, "warmup_steps": 3, "schedule": "cosine"}).optim
    assert [lr_factor(s, "backbone", optim) for s in range(3)] == [0, 0, 0]
    assert lr_factor(0, "head", optim) == 1
    factors = [lr_factor(s, "head", optim) for s in range(10)]
    assert factors == sorted(factors, reverse=True)
    assert 0 < factors[-1] < 0.05
    assert lr_factor(9, "head", replace(optim, schedule="constant")) == 1


def test_warm_up_leaves_the_backbone_alone(data, tmp_path):
    settings = config(optim={"steps": 2, "warmup_steps": 2, "freeze_bn": True, "weight_decay": 0.1})
    start = state(Learner(settings, 60).model.backbone)
    assert same(start, state(train(settings, data.train, tmp_path).learner.model.backbone))


def test_divergence_is_an_error_that_names_the_step(data, tmp_path):
    with pytest.raises(DivergedError, match="not finite at step") as caught:
        train(config(optim={"lr": 1e30, "clip_value": None}), data.train, tmp_path)
    assert caught.value.exit_code == 4


def test_a_gradient_that_is_not_finite_is_not_applied(data, tmp_path, monkeypatch):
    """A NaN gradient under a finite loss must neither reach the weights nor a checkpoint."""
    from hyperdml.models import EmbeddingHead

    steps = []

    def spoil(self, features, original=EmbeddingHead.forward):
        points = original(self, features)
        if len(steps) == 3 and points.requires_grad:
            points.register_hook(lambda grad: grad * float("nan"))
        return points

    monkeypatch.setattr(EmbeddingHead, "forward", spoil)
    with pytest.raises(DivergedError, match="the gradient is not finite at step 4"):
        train(config(checkpoint_every=1), data.train, tmp_path, monitor=lambda step, f: steps.append(step))
    monkeypatch.undo()
    trained = train(config(checkpoint_every=1), data.train, tmp_path)
    assert all(value.isfinite().all() for value in trained.learner.state_dict().values())


def test_older_checkpoints_are_removed_and_the_newest_is_loaded(data, tmp_path):
    settings = config(checkpoint_every=2)
    train(settings, data.train, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest.json", "step-0000004.safetensors"]
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
    payload = tmp_path / "step-0000004.safetensors"
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
    (tmp_path / "latest.json").write_text("{")
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
    assert json.loads((tmp_path / "latest.json").read_text())["file"] == "step-0000002.safetensors"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest.json", "step-0000002.safetensors"]
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
