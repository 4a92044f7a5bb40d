"""Training of classifiers: exact resumption, schedules, groups, mixed precision, divergence."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from training.classify_case import config, few_images, state, trained

from hyperdml.errors import ConfigError, DivergedError, Interrupted
from hyperdml.training.classify.config import ClassOptimConfig
from hyperdml.training.classify.feeds import FeatureFeed
from hyperdml.training.classify.optimizer import create_optimizer, lr_factor, parameter_groups
from hyperdml.training.classify.train import start_classifier


@pytest.fixture(scope="module")
def splits():
    return few_images()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


ADAMW = {"name": "adamw", "lr": 1e-3, "schedule": "warmup_cosine", "warmup_epochs": 0.5, "clip_norm": 1.0}
FROZEN = {"freeze_backbone": True, "views": 2}


# after 2 steps in the middle of the first epoch, after 3 between the two
@pytest.mark.parametrize(
    ("stop", "optim"), [(2, {}), (3, {}), (2, ADAMW), (2, FROZEN), (3, FROZEN), (2, {"precision": "float16"})]
)
def test_interrupted_and_resumed_is_bit_for_bit_uninterrupted(splits, tmp_path, stop, optim):
    settings = config(optim=optim)
    whole = trained(settings, splits, tmp_path / "whole")

    def interrupt(step, figures):
        if step == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=f"interrupted after step {stop}"):
        trained(settings, splits, tmp_path / "cut", monitor=interrupt)
    starts = []
    resumed = trained(settings, splits, tmp_path / "cut", on_start=starts.append)
    assert starts == [stop]
    assert same(state(whole), state(resumed))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("frozen", [False, True])
def test_the_loss_falls_and_a_frozen_backbone_stays(splits, tmp_path, frozen, precision):
    lr = 0.1 if frozen else 3e-3  # features of a random backbone hardly differ
    optim = {"epochs": 12, "freeze_backbone": frozen, "precision": precision, "name": "adamw", "lr": lr}
    settings, losses = config(optim=optim), []
    model = trained(settings, splits, tmp_path / "run", monitor=lambda step, figures: losses.append(figures["loss"]))
    assert len(losses) == 36
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])
    start = start_classifier(settings, splits.taxonomy)
    assert same(state(start.backbone), state(model.backbone)) is frozen
    assert not torch.equal(start.head.linear.weight, model.head.linear.weight)


def test_a_step_of_sgd_is_the_one_by_hand(splits, tmp_path):
    """One step on frozen features: w - lr (gradient + decay w), the gradient that of the mean of torch's losses."""
    optim = {"epochs": 1, "batch_size": 96, "freeze_backbone": True, "weight_decay": 0.01}
    settings = config(optim=optim, loss={"name": "cross_entropy", "dilution": None}, model={"drop_rate": 0.0})
    model = trained(settings, splits, tmp_path / "run")
    start = start_classifier(settings, splits.taxonomy)
    from hyperdml.data.image_batches import ImageBatches

    arguments = {"batch_size": 96, "image_size": 32, "mean": start.mean, "std": start.std, "train": False}
    ((images, labels),) = ImageBatches(splits.train, settings.crop, **arguments).epoch(0)
    with torch.no_grad():
        features = start.eval().features(images)
    weight = start.head.linear.weight.detach().clone().requires_grad_()
    nn.functional.cross_entropy(features @ weight.T + start.head.linear.bias.detach(), labels).backward()
    expected = weight.detach() - 0.05 * (weight.grad + 0.01 * weight.detach())
    torch.testing.assert_close(model.head.linear.weight.detach(), expected, rtol=1e-5, atol=1e-6)


def test_arms_start_from_the_same_backbone_and_leaf_outputs(splits):
    hace = start_classifier(config(), splits.taxonomy)
    plain = start_classifier(config(loss={"name": "cross_entropy", "dilution": None}), splits.taxonomy)
    assert same(state(hace.backbone), state(plain.backbone))
    leaves = splits.taxonomy.num_leaves
    assert len(hace.head.names) > len(plain.head.names) == leaves
    assert torch.equal(hace.head.linear.weight[:leaves], plain.head.linear.weight)


def test_cosine_is_that_of_torch():
    optim = ClassOptimConfig()
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert lr_factor(step, 20, 0, optim) == pytest.approx(schedule.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        schedule.step()
    assert lr_factor(20, 20, 0, optim) == pytest.approx(0)
    assert lr_factor(19, 20, 0, replace(optim, schedule="constant")) == 1


def test_warm_up_rises_linearly_to_the_top_of_the_cosine():
    optim = ClassOptimConfig(schedule="warmup_cosine", warmup_epochs=1, epochs=3)
    factors = [lr_factor(step, 12, 4, optim) for step in range(12)]
    assert factors[:5] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    assert factors[4:] == pytest.approx([0.5 * (1 + np.cos(np.pi * k / 8)) for k in range(8)])


def test_parameters_that_do_not_decay(splits):
    model = start_classifier(config(model={"backbone": "test_vit"}), splits.taxonomy)
    (group,) = parameter_groups(model, ClassOptimConfig(weight_decay=0.3), 0.1)
    assert (group["name"], group["weight_decay"], group["base_lr"]) == ("all", 0.3, 0.1)
    decay, rest = parameter_groups(model, ClassOptimConfig(weight_decay=0.3, decay_norms=False), 0.1)
    assert (decay["weight_decay"], rest["weight_decay"]) == (0.3, 0)
    grouped = [id(p) for group in (decay, rest) for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    exempt = {id(p) for p in rest["params"]}
    assert id(model.backbone.pos_embed) in exempt
    assert id(model.head.linear.bias) in exempt
    assert id(model.head.linear.weight) not in exempt
    assert all(p.ndim > 1 for p in decay["params"])


def test_optimizers(splits):
    model = start_classifier(config(), splits.taxonomy)
    sgd = create_optimizer(model, ClassOptimConfig(nesterov=True), 0.2)
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.9, True)
    assert isinstance(create_optimizer(model, ClassOptimConfig(name="adamw"), 0.2), torch.optim.AdamW)


def test_feature_feed_visits_every_image_once_an_epoch_and_all_views():
    bank = torch.arange(10.0)[:, None, None] + torch.tensor([0.0, 0.5])[None, :, None]  # image, view, value
    feed = FeatureFeed(bank, np.arange(10), 4, seed=0, device=torch.device("cpu"))
    assert len(feed) == 3
    epochs = [torch.cat([feed.batch(3 * epoch + place)[0][:, 0] for place in range(3)]) for epoch in range(20)]
    for values in epochs:
        assert sorted(values.floor().tolist()) == list(range(10))
    assert not torch.equal(epochs[0], epochs[1])
    assert len({value for values in epochs for value in values.tolist()}) == 20
    features, labels = feed.batch(7)
    assert torch.equal(features[:, 0].floor().long(), labels)
    other = FeatureFeed(bank, np.arange(10), 4, seed=0, device=torch.device("cpu"))
    assert torch.equal(other.batch(7)[0], features)


def test_divergence_names_the_step(splits, tmp_path):
    with pytest.raises(DivergedError, match="not finite at step"):
        trained(config(optim={"lr": 1e30}), splits, tmp_path / "run")


def test_a_changed_configuration_is_refused(splits, tmp_path):
    trained(config(checkpoint_every=2), splits, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"the configuration changed since .*: loss.dilution"):
        trained(config(checkpoint_every=2, loss={"dilution": 0.3}), splits, tmp_path / "run")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_gpu(splits, tmp_path, precision):
    losses = []
    settings = config(device="cuda", optim={"epochs": 15, "precision": precision, "name": "adamw", "lr": 3e-3})
    trained(settings, splits, tmp_path / "run", monitor=lambda step, figures: losses.append(figures["loss"]))
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
