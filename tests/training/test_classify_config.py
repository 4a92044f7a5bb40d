"""Classification settings: options that belong together, pairings of learning rates, arms, losses."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from training.classify_case import config

from hyperdml.errors import ConfigError
from hyperdml.hace import HACELoss, HCELoss, HXELoss, SoftLabelLoss
from hyperdml.taxonomy import Taxonomy
from hyperdml.training.classify.arms import class_arms
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.losses import create_loss, head_of, learning_rate
from hyperdml.training.retrieval.config import TrainConfig
from hyperdml.training.settings import config_from_dict, config_to_dict, load_config

TREE = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "eel")])
RUN = Path("runs/x")


def settings(**changes):
    """A configuration whose loss is the given one alone."""
    return config_from_dict({"task": "classification", **changes}, "test")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": {"name": "hace"}}, "loss.name=hace needs loss.dilution"),
        ({"loss": {"name": "hxe"}}, "loss.name=hxe needs loss.alpha"),
        ({"loss": {"name": "soft_labels"}}, "loss.name=soft_labels needs loss.beta"),
        ({"loss": {"name": "hace", "dilution": 1.0}}, "loss.dilution must be from 0 to below 1, got 1.0"),
        (
            {"loss": {"name": "hace", "dilution": 0.5, "alpha": 0.1}},
            "loss.alpha is an option of hxe, got 0.1 with .*hace",
        ),
        ({"loss": {"name": "hce", "normalized": True}}, "loss.normalized is an option of hace and hxe, got True"),
        ({"loss": {"name": "soft_labels", "beta": 4, "label_smoothing": 0.1}}, "loss.label_smoothing is an option of"),
        ({"loss": {"name": "cross_entropy", "root": "virtual"}}, "loss.root is an option of hace"),
        ({"loss": {"name": "hce", "dilution": 0.5}}, "loss.dilution is an option of hace, .*=null clears it"),
        (
            {"loss": {"name": "focal"}},
            "loss.name: .*'hace', 'hce', 'hxe', 'soft_labels' or 'cross_entropy', got 'focal'",
        ),
        ({"optim": {"lr_pairing": "hace"}}, "optim.lr_pairing=hace needs loss.dilution"),
        (
            {"optim": {"name": "adamw", "momentum": 0.9}},
            "optim.momentum and optim.nesterov are options of optim.name=sgd",
        ),
        ({"optim": {"nesterov": True, "momentum": 0}}, "optim.nesterov needs an optim.momentum above 0"),
        ({"optim": {"warmup_epochs": 3}}, "optim.warmup_epochs belongs to optim.schedule=warmup_cosine.*3 with cosine"),
        ({"optim": {"schedule": "warmup_cosine"}}, ".*must be above 0 there, got 0 with warmup_cosine"),
        (
            {"optim": {"schedule": "warmup_cosine", "warmup_epochs": 9, "epochs": 9}},
            "optim.warmup_epochs must be below optim.epochs, 9, got 9",
        ),
        ({"optim": {"views": 2}}, "optim.views=2 belongs to optim.freeze_backbone=true"),
        ({"optim": {"eposhc": 2}}, "unknown key optim.eposhc; did you mean optim.epochs"),
        ({"crop": {"kind": "affine", "flip": 0.1}}, "crop.flip needs crop.kind"),
        ({"hier": {}}, "unknown key hier; expected one of task, seed"),
        ({"task": "regression"}, "task must be one of retrieval, classification, got 'regression'"),
        ({"task": ["retrieval"]}, r"task must be one of retrieval, classification, got \['retrieval'\]"),
    ],
)
def test_settings_that_do_not_go_together(changes, message):
    with pytest.raises(ConfigError, match=f"^test: {message}"):
        settings(**changes)


def test_the_task_chooses_the_configuration(tmp_path):
    assert isinstance(settings(), ClassifyConfig)
    assert config_from_dict({"task": "retrieval", "seed": 3}, "test") == TrainConfig(seed=3)
    path = tmp_path / "mine.yaml"
    path.write_text("task: classification\nloss:\n  name: hce\n")
    found = load_config(str(path), ["optim.epochs=7", "optim.lr=1e-3"])
    assert (found.loss.name, found.optim.epochs, found.optim.lr) == ("hce", 7, 1e-3)
    with pytest.raises(ConfigError, match="task: Input should be 'classification'"):
        load_config(str(path), ["task=retrieval"])
    assert config_from_dict(config_to_dict(found), "test") == found


@pytest.mark.parametrize(
    ("loss", "kind", "head", "width"),
    [
        ({"name": "hace", "dilution": 0.3}, HACELoss, "all_nodes", 5),
        ({"name": "hce"}, HCELoss, "all_nodes", 5),
        ({"name": "hxe", "alpha": 0.2}, HXELoss, "leaves", 3),
        ({"name": "soft_labels", "beta": 10}, SoftLabelLoss, "leaves", 3),
        ({"name": "cross_entropy"}, HACELoss, "leaves", 3),
        ({"name": "hace", "dilution": 0.3, "head": "leaves"}, HACELoss, "leaves", 3),
    ],
)
def test_losses_and_their_heads(loss, kind, head, width):
    chosen = settings(loss=loss).loss
    assert head_of(chosen) == head
    built = create_loss(chosen, TREE)
    assert isinstance(built, kind)
    assert built.aggregation.width == width
    assert built(torch.zeros(2, width), torch.tensor([0, 2])).isfinite()


def test_options_reach_the_losses():
    logits, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 0, 1, 2])
    for options, expected in (
        ({"dilution": 0.3}, HACELoss(TREE, 0.3)),
        ({"dilution": 0.3, "label_smoothing": 0.2}, HACELoss(TREE, 0.3, label_smoothing=0.2)),
        ({"dilution": 0.3, "horizontal": "lca", "beta": 5}, HACELoss(TREE, 0.3, horizontal="lca", beta=5.0)),
        ({"dilution": 0.3, "normalized": True}, HACELoss(TREE, 0.3, normalize=True)),
    ):
        built = create_loss(settings(loss={"name": "hace", **options}).loss, TREE)
        assert torch.equal(built(logits, labels), expected(logits, labels))
    hxe = create_loss(settings(loss={"name": "hxe", "alpha": 0.4, "normalized": True}).loss, TREE)
    assert torch.equal(hxe(logits[:, :3], labels), HXELoss(TREE, 0.4, normalized=True)(logits[:, :3], labels))
    forest = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("fish", "eel"), ("fish", "carp")])
    virtual = create_loss(settings(loss={"name": "hace", "dilution": 0.3, "root": "virtual"}).loss, forest)
    logits, labels = torch.randn(4, 6), torch.arange(4)
    assert torch.equal(virtual(logits, labels), HACELoss(forest, 0.3, root="virtual")(logits, labels))
    assert not torch.equal(virtual(logits, labels), HACELoss(forest, 0.3)(logits, labels))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_torch(smoothing):
    loss = create_loss(settings(loss={"name": "cross_entropy", "label_smoothing": smoothing}).loss, TREE)
    logits, labels = 3 * torch.randn(50, 3, dtype=torch.float64), torch.randint(3, (50,))
    expected = cross_entropy(logits, labels, label_smoothing=smoothing)
    torch.testing.assert_close(loss(logits, labels), expected, rtol=1e-12, atol=1e-12)


def test_what_a_loss_refuses_is_a_config_error():
    with pytest.raises(ConfigError, match=r"loss: horizontal='lca' needs beta"):
        create_loss(settings(loss={"name": "hace", "dilution": 0.5, "horizontal": "lca"}).loss, TREE)
    dag = Taxonomy.from_edges([("a", "x"), ("b", "x"), ("b", "y"), ("r", "a"), ("r", "b")])
    with pytest.raises(ConfigError, match="loss: "):
        create_loss(settings(loss={"name": "hxe", "alpha": 0.1}).loss, dag)


@pytest.mark.parametrize(
    ("pairing", "of_hace", "of_others"), [("none", 0.1, 0.1), ("hace", 0.1, 0.025), ("ce", 0.4, 0.1)]
)
def test_pairings_of_learning_rates(pairing, of_hace, of_others):
    """A.4 with dilution 0.75: the ratio of the rates is 1 - dilution, whichever of the two is kept."""
    optim = {"lr": 0.1, "lr_pairing": pairing}
    controls = {"controls": ["cross_entropy", "label_smoothing"]}
    hace = settings(loss={"name": "hace", "dilution": 0.75}, optim=optim, evaluation=controls)
    *others, main = (learning_rate(arm.config) for arm in class_arms(hace, RUN))
    assert main == pytest.approx(of_hace)
    assert others == pytest.approx([of_others] * 2)
    if pairing != "none":
        hxe = settings(loss={"name": "hxe", "alpha": 0.1, "dilution": 0.75}, optim=optim)
        assert learning_rate(hxe) == pytest.approx(of_others)


def test_controls_come_first_and_differ_in_the_loss_alone():
    run = config(evaluation={"controls": ["label_smoothing", "cross_entropy"]}, seed=4)
    smoothed, plain, main = class_arms(run, RUN)
    assert [arm.title for arm in (smoothed, plain, main)] == [
        "cross-entropy + label smoothing 0.1",
        "cross-entropy",
        "HACE 0.5",
    ]
    assert [arm.folder for arm in (smoothed, plain, main)] == [
        *(RUN / "controls" / name for name in ("label_smoothing", "cross_entropy")),
        RUN,
    ]
    assert main.config == run
    for arm in (smoothed, plain):
        assert (arm.config.optim, arm.config.model, arm.config.seed) == (run.optim, run.model, 4)


def test_a_control_that_is_the_run_is_left_out():
    (alone,) = class_arms(settings(loss={"name": "cross_entropy"}), RUN)
    assert (alone.title, alone.folder) == ("cross-entropy", RUN)
    (named,) = class_arms(settings(loss={"name": "cross_entropy", "head": "leaves"}), RUN)
    assert named.folder == RUN
    arms = class_arms(settings(loss={"name": "cross_entropy", "head": "all_nodes"}), RUN)  # another loss
    assert [arm.title for arm in arms] == ["cross-entropy", "cross-entropy (all nodes)"]
    with pytest.raises(ConfigError, match=r"evaluation\.controls lists a control twice"):
        class_arms(settings(evaluation={"controls": ["cross_entropy", "cross_entropy"]}), RUN)


@pytest.mark.parametrize(
    ("loss", "title"),
    [
        ({"name": "hace", "dilution": 0.5, "label_smoothing": 0.1}, "HACE 0.5 + label smoothing 0.1"),
        ({"name": "hace", "dilution": 0.5, "horizontal": "lca", "beta": 30}, "HACE 0.5 + soft labels 30"),
        ({"name": "hace", "dilution": 0.5, "head": "leaves", "root": "virtual"}, "HACE 0.5 (virtual root, leaves)"),
        ({"name": "hxe", "alpha": 0.1, "normalized": True}, "HXE 0.1 (normalized)"),
        ({"name": "soft_labels", "beta": 4}, "soft labels 4"),
        ({"name": "hce"}, "HCE"),
    ],
)
def test_titles(loss, title):
    assert class_arms(settings(loss=loss), RUN)[-1].title == title
