"""HACE beside a metric loss and HIER on one embedding: gradients, seeds, groups, arms, resumption, refusals."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperdml.data import DataConfig, load_splits
from hyperdml.errors import ConfigError, Interrupted
from hyperdml.geometry import pairwise_distance
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.retrieval.arms import arms_of
from hyperdml.training.retrieval.create_learner import create_learner, training_taxonomy
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.param_groups import param_groups
from hyperdml.training.retrieval.run import execute
from hyperdml.training.retrieval.train import train
from hyperdml.training.settings import config_from_dict, load_config

CPU = torch.device("cpu")


def config(**changes):
    values = {
        "checkpoint_every": 1000,
        "data": {"subset": "tiny", "image_size": 32},
        "model": {"backbone": "test_efficientnet", "weights": "none", "head": {"embedding_size": 16}},
        "batch": {"size": 24},
        "hier": {"levels": [2, 6, 16], "per_anchor": 6, "warmup": 2},
        "hace": {"weight": 0.5},
        "optim": {"steps": 6, "lr": 1e-3, "class_proxy_lr_mult": 100.0},
    }
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return config_from_dict(values, "test")


@pytest.fixture(scope="module")
def data():
    return load_splits(DataConfig(subset="tiny")).train


def learner_of(settings, data):
    return create_learner(settings, data.num_classes, CPU, training_taxonomy(settings, data))


def batch(learner, data):
    """Features that carry gradients and labels of one image of each class."""
    torch.manual_seed(0)
    width = learner.model.backbone.num_features
    return torch.randn(data.num_classes, width, requires_grad=True), torch.arange(data.num_classes)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_the_tree_of_the_training_classes_has_their_order_and_levels(data):
    taxonomy = data.taxonomy
    assert taxonomy.leaves == data.class_names
    assert taxonomy is data.taxonomy
    assert [taxonomy.names[root] for root in taxonomy.roots] == ["root"]
    images = np.random.default_rng(0).integers(len(data), size=(400, 2))
    one, other = data.levels[images].transpose(1, 0, 2)
    # the height of the common ancestor is the number of levels that differ, in nested levels
    heights = taxonomy.lca_height(*data.labels[images].T)
    np.testing.assert_array_equal(heights, (one != other).sum(1))
    assert {taxonomy.names[v] for v in taxonomy.parent[taxonomy.depths == 1]} == {"root"}
    assert set(np.array(taxonomy.names)[taxonomy.depths == 1]) <= set(data.coarse_names)


def test_leaves_follow_the_labels_where_ids_do_not(data):
    """Ids of the class level may be in any order; the loss reads labels."""
    ids = data.levels.copy()
    ids[:, -1] = ids[:, -1].max() - ids[:, -1]
    assert replace(data, levels=ids).taxonomy.leaves == data.class_names


@pytest.mark.parametrize("hier", [0.0, 0.5])
def test_the_loss_is_that_of_the_room_on_the_points(data, hier):
    """Weighted sum of the parts; HACE written out with a dense matrix of ancestors."""
    settings = config(hier={"weight": hier}, hace={"weight": 0.7, "dilution": 0.3})
    learner = learner_of(settings, data)
    features, labels = batch(learner, data)
    parts = learner.losses(learner.model.head(features), labels)
    rest = parts["metric"] + (hier * (parts["hier_samples"] + parts["hier_proxies"]) if hier else 0)
    torch.testing.assert_close(parts["loss"], rest + 0.7 * parts["hace"])

    taxonomy, head = data.taxonomy, learner.prototypes
    points = learner.model.head(features).double()
    logits = -head.log_scale.exp() * pairwise_distance(points, head.prototypes_on_ball().double(), 0.1)
    below = torch.eye(len(taxonomy), dtype=torch.float64)
    for node in range(len(taxonomy)):  # children come before parents
        if taxonomy.parent[node] >= 0:
            below[taxonomy.parent[node]] += below[node]
    log_prob = (logits.softmax(1) @ below.T).log()
    expected = torch.zeros((), dtype=torch.float64)
    for row, label in enumerate(labels.tolist()):
        group = int(taxonomy.parent[taxonomy.parent[label]])
        for node, weight in ((label, 0.7), (int(taxonomy.parent[label]), 0.21), (group, 0.063)):
            expected -= weight * log_prob[row, node] / len(labels)
    torch.testing.assert_close(parts["hace"].double(), expected, rtol=1e-5, atol=1e-6)


def test_gradient_reaches_embedding_and_prototypes(data):
    learner = learner_of(config(), data)
    features, labels = batch(learner, data)
    learner.losses(learner.model.head(features), labels)["hace"].backward()
    for gradient in (features.grad, learner.prototypes.prototypes.grad, learner.prototypes.log_scale.grad):
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0
    assert all(p.grad is None for p in learner.metric_loss.parameters())


def test_the_loss_falls_on_the_training_classes(data, tmp_path):
    losses, fast = [], {"steps": 40, "lr": 3e-3, "hace_lr_mult": 100.0}
    settings = config(hier={"weight": 0.0}, hace={"weight": 1.0, "scale": 4.0}, optim=fast)
    trained = train(settings, data, tmp_path, monitor=lambda step, figures: losses.append(figures["hace"]))
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
    start = learner_of(settings, data).prototypes.prototypes
    assert not torch.equal(trained.learner.prototypes.prototypes, start)


def test_weight_0_leaves_no_trace(data, tmp_path):
    """The same parts of the loss, state and bits as a run that does not know HACE, whatever its other settings."""
    off = {"weight": 0.0, "dilution": 0.9, "label_smoothing": 0.3, "scale": 9.0}
    without = train(config(hace={"weight": 0.0}), data, tmp_path / "a")
    figures = []
    with_settings = train(config(hace=off), data, tmp_path / "b", monitor=lambda step, f: figures.append(set(f)))
    assert same(without.learner.state_dict(), with_settings.learner.state_dict())
    assert not any("hace" in name or "prototypes" in name for name in without.learner.state_dict())
    assert set.union(*figures) == {"metric", "hier_samples", "hier_proxies", "loss"}
    flat = replace(data, levels=data.levels[:, -1:], level_names=("class",))
    assert training_taxonomy(config(hace=off), flat) is None


def test_the_other_parts_start_alike_with_and_without_it(data):
    with_it, without = learner_of(config(), data), learner_of(config(hace={"weight": 0.0}), data)
    state = {k: v for k, v in with_it.state_dict().items() if not k.startswith(("prototypes.", "hace."))}
    assert same(state, without.state_dict())
    other = learner_of(config(seed=1), data)
    assert not torch.equal(other.prototypes.prototypes, with_it.prototypes.prototypes)
    again = learner_of(config(metric_loss={"name": "TripletMarginLoss"}, hier={"weight": 0.0}), data)
    assert torch.equal(again.prototypes.prototypes, with_it.prototypes.prototypes)


def test_its_parameters_have_a_learning_rate_of_their_own(data):
    settings = config(optim={"lr": 1e-4, "hace_lr_mult": 30.0})
    learner = learner_of(settings, data)
    groups = param_groups(learner, settings.optim)
    rates = {group["name"]: group["lr"] for group in groups}
    assert list(rates) == ["backbone", "head", "class_proxies", "hier_proxies", "hace"]
    assert rates["hace"] == pytest.approx(3e-3)
    grouped = [id(p) for group in groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in learner.parameters())


@pytest.mark.parametrize("hier", [0.0, 0.5])
def test_interrupted_and_resumed_is_bit_for_bit_uninterrupted(data, tmp_path, hier):
    settings = config(hier={"weight": hier})
    whole = train(settings, data, tmp_path / "whole")

    def interrupt(step, figures):
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        train(settings, data, tmp_path / "cut", monitor=interrupt)
    starts = []
    resumed = train(settings, data, tmp_path / "cut", on_start=starts.append)
    assert starts == [4]
    assert same(whole.learner.state_dict(), resumed.learner.state_dict())


def arms(*overrides):
    return arms_of(load_config("quickstart", ["hace.weight=1", *overrides]), Path("runs/x"))


def test_titles_and_controls():
    *controls, main = arms("evaluation.controls=[metric,triplet,official,no_hace]")
    assert [arm.title for arm in [*controls, main]] == [
        "Proxy Anchor",
        "Proxy Anchor + triplets of HIER (default) + HACE",
        "Proxy Anchor + HIER (official) + HACE",
        "Proxy Anchor + HIER (default)",
        "Proxy Anchor + HIER (default) + HACE",
    ]
    assert [arm.config.hace.weight for arm in controls] == [0, 1, 1, 0]
    metric, *_, without = controls
    assert (metric.config.hier.weight, without.config.hier) == (0, main.config.hier)
    assert without.folder == Path("runs/x/controls/no_hace")
    assert replace(without.config, hace=main.config.hace) == main.config


def test_controls_that_repeat_another_arm_are_left_out():
    """Without HIER, "no_hace" is "metric" and the controls of HIER are the run; without HACE, "no_hace" is the run."""
    found = arms("hier.weight=0", "evaluation.controls=[metric,triplet,official,no_hace]")
    assert [arm.title for arm in found] == ["Proxy Anchor", "Proxy Anchor + HACE"]
    found = arms("hier.weight=0", "evaluation.controls=[no_hace]")
    assert [arm.title for arm in found] == ["Proxy Anchor", "Proxy Anchor + HACE"]
    found = arms("hace.weight=0", "evaluation.controls=[no_hace]")
    assert [arm.title for arm in found] == ["Proxy Anchor + HIER (default)"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("hace.weight=-1", r"hace\.weight: .*got -1"),
        ("hace.dilution=1", r"hace\.dilution: .*less than 1, got 1"),
        ("hace.dilution=-0.1", r"hace\.dilution: .*got -0\.1"),
        ("hace.label_smoothing=1.5", r"hace\.label_smoothing: .*got 1\.5"),
        ("hace.scale=0", r"hace\.scale: .*got 0"),
        ("hace.dillution=0.5", r"unknown key hace\.dillution; did you mean hace\.dilution"),
        ("optim.hace_lr_mult=-1", r"optim\.hace_lr_mult: .*got -1"),
    ],
)
def test_bad_settings_name_key_and_value(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("quickstart", [override])


class Silent:
    """Progress that nobody looks at."""

    def message(self, text):
        pass

    def start(self, title, total):
        raise AssertionError(f"work began: {title}")


def test_a_folder_of_classes_is_refused_before_any_work(tmp_path):
    from PIL import Image

    for k in range(8):
        (tmp_path / "photos" / str(k)).mkdir(parents=True)
        for i in range(2):
            Image.new("RGB", (9, 9), (30 * k, 0, 0)).save(tmp_path / "photos" / str(k) / f"{i}.png")
    photos = {"name": "folder", "root": str(tmp_path / "photos"), "subset": "all"}
    settings = config(data=photos, batch={"size": 4}, evaluation={"ks": [1]})
    (tmp_path / "run").mkdir()
    with pytest.raises(ConfigError, match=r"hace\.weight=0\.5 needs levels above the class, and data\.name=folder"):
        execute(settings, tmp_path / "run", Silent())


def test_a_learner_without_the_taxonomy_of_its_classes_is_an_error(data):
    with pytest.raises(ValueError, match="the taxonomy of the 60 training classes, got none"):
        Learner(config(), 60)
    other = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch")])
    with pytest.raises(ValueError, match="the taxonomy of the 60 training classes, got one of 2"):
        Learner(config(), 60, other)


@pytest.mark.gpu
def test_gpu(data, tmp_path):
    figures = []
    train(config(device="cuda"), data, tmp_path, monitor=lambda step, f: figures.append(f["hace"]))
    assert all(np.isfinite(figures))
