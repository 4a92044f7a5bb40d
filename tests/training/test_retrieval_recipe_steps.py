"""Two optimiser steps of the recipes of the papers, on made-up releases and with tiny networks."""

import numpy as np
import pytest
import torch

from hyperdml.data import load_splits
from hyperdml.data.miniatures import make_cars, make_cub, make_in_shop, make_sop
from hyperdml.training.engine.steps import Pace, take_steps
from hyperdml.training.retrieval.param_groups import create_optimizer
from hyperdml.training.retrieval.table import retrieval_names
from hyperdml.training.retrieval.task import RetrievalTask
from hyperdml.training.settings import load_config

# Hyp's head starts with all norms past the clip, as released: its points lie on one sphere, which the distance tells
pytestmark = pytest.mark.filterwarnings("ignore:all 8 points have the same norm")

MAKERS = {"cub": make_cub, "cars": make_cars, "sop": make_sop, "in_shop": make_in_shop}

_SMALL = [
    "device=cpu",
    "workers=0",
    "data.complete=false",
    "data.image_size=32",
    "model.weights=none",
    "model.head.embedding_size=16",
    "batch.size=8",
    "batch.per_class=2",
    "optim.epochs=null",
    "optim.steps=2",
    "optim.warmup_epochs=0",
    "optim.lr=1e-3",  # that of a real net differs from recipe to recipe
]
_PUBLISHED = ["hier.num_proxies=16", "hier.k=4"]
_VIT = [*_SMALL, "model.backbone=test_vit", "model.pooling=timm"]
TINY = {"resnet50": [*_SMALL, "model.backbone=test_resnet"], "vit_s": _VIT, "deit_s": _VIT, "dino_s": _VIT}


def tiny(name, *overrides):
    """A recipe with everything that takes time made small."""
    _, net, _, method, *variant = name.split("-")
    if "hier" in method:
        ours = variant == ["ours"]
        overrides = [*overrides, *(["hier.levels=[2,4]", "hier.warmup=1"] if ours else _PUBLISHED)]
    if method == "xbm":
        overrides = [*overrides, "metric_loss.memory=12"]
    return load_config(name, [*TINY[net], *overrides])


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Training images of a data set, made when they are first asked for."""
    made = {}

    def part(config):
        name = config.data.name
        if name not in made:
            root = MAKERS[name](tmp_path_factory.mktemp(name))
            made[name] = load_splits(
                load_config(f"{name}-vit_s-128-pa", [*_SMALL, f"data.root={root}"]).data,
            ).train
        return made[name]

    return part


def take_two_steps(config, parts, folder):
    task = RetrievalTask(config, parts(config), torch.device("cpu"))
    before = {key: value.clone() for key, value in task.module.named_parameters()}
    seen = []
    take_steps(
        task,
        create_optimizer(task.module, config.optim),
        Pace(2, 10, 0, config.optim.clip_value, config.optim.clip_norm),
        lambda step, group: 1.0,
        config,
        folder,
        # a scale at which nothing overflows, so that no step is left out
        scaler=torch.amp.GradScaler("cpu", init_scale=16.0, enabled=config.optim.precision == "float16"),
        monitor=lambda step, figures: seen.append(figures),
    )
    assert len(seen) == 2
    assert all(np.isfinite(list(figures.values())).all() for figures in seen)
    assert {"loss", "metric"} <= set(seen[0])
    assert ("hier_samples" in seen[0]) == (config.hier.weight > 0)
    for key, value in task.module.named_parameters():
        assert torch.equal(value, before[key]) != value.requires_grad, key


def distinct(names):
    """Recipes made small, by name, without those that are another one then."""
    found = {}
    for name in names:
        config = tiny(name)
        found.setdefault(repr(config), (name, config))
    return dict(found.values())


def family(data, net, size):
    return [name for name in retrieval_names() if name.startswith(f"{data}-{net}-{size}-")]


@pytest.mark.parametrize("net", ["resnet50", "vit_s"])
def test_two_steps_of_every_method(net, parts, tmp_path):
    for name, config in distinct(family("cub", net, 128)).items():
        take_two_steps(config, parts, tmp_path / name)


@pytest.mark.parametrize("data", ["cars", "sop", "in_shop"])
def test_two_steps_on_the_other_data(data, parts, tmp_path):
    for method in ("pa_hier", "hyp"):
        take_two_steps(tiny(f"{data}-deit_s-384-{method}"), parts, tmp_path / method)


def test_two_steps_with_the_class_token_in_training(parts, tmp_path):
    overrides = ("model.backbone=deit_tiny_distilled_patch16_224", "model.pooling=cls_train")
    take_two_steps(tiny("cub-deit_s-128-pa_hier-ours", *overrides), parts, tmp_path)


@pytest.mark.slow  # about two minutes: every recipe that differs from the others after it was made small
@pytest.mark.parametrize("data", MAKERS)
def test_two_steps_of_every_recipe(data, parts, tmp_path):
    for name, config in distinct(name for name in retrieval_names() if name.startswith(f"{data}-")).items():
        take_two_steps(config, parts, tmp_path / name)
