"""Recipes of the papers: what each says, held to tables typed from the papers and scripts."""

import re

import numpy as np
import pytest

from hyperdml.data.sampling import create_sampler
from hyperdml.errors import ConfigError
from hyperdml.models.presets import PRESETS
from hyperdml.training.bundled import recipe_line, recipe_names, recipe_text
from hyperdml.training.retrieval.learner import Learner
from hyperdml.training.retrieval.param_groups import param_groups
from hyperdml.training.retrieval.schedule import lr_factor, schedule_of
from hyperdml.training.retrieval.table import PARTS, retrieval_names
from hyperdml.training.settings import load_config

DATA = ("cub", "cars", "sop", "in_shop")
NETS = ("resnet50", "vit_s", "deit_s", "dino_s")

COUNTS = {"cub": (5864, 100), "cars": (8054, 98), "sop": (59551, 11318), "in_shop": (25882, 3997)}
"""Training images and classes of the releases."""

RELEASED = {  # lr, multiplier of the last layer, weight decay, epochs, warm-up, steps an epoch, all steps
    ("cub", "resnet50"): (1e-4, 1, 1e-2, 100, 1, 32, 3200),
    ("cub", "vit_s"): (1e-5, 1, 1e-2, 100, 1, 32, 3200),
    ("cub", "deit_s"): (1e-5, 1, 1e-2, 100, 1, 32, 3200),
    ("cub", "dino_s"): (5e-6, 1, 1e-2, 100, 1, 32, 3200),
    ("cars", "resnet50"): (1e-4, 1, 1e-2, 100, 1, 44, 4400),
    ("cars", "vit_s"): (1e-5, 1, 1e-2, 100, 1, 44, 4400),
    ("cars", "deit_s"): (1e-5, 1, 1e-2, 100, 1, 44, 4400),
    ("cars", "dino_s"): (5e-6, 1, 1e-2, 100, 1, 44, 4400),
    ("sop", "resnet50"): (6e-4, 1, 1e-4, 150, 5, 330, 49500),
    ("sop", "vit_s"): (1e-5, 100, 1e-4, 150, 5, 330, 49500),
    ("sop", "deit_s"): (1e-5, 100, 1e-4, 150, 5, 330, 49500),
    ("sop", "dino_s"): (5e-6, 100, 1e-4, 150, 5, 330, 49500),
    ("in_shop", "resnet50"): (6e-4, 1, 1e-4, 150, 5, 143, 21450),
    ("in_shop", "vit_s"): (1e-5, 100, 1e-4, 150, 5, 143, 21450),
    ("in_shop", "deit_s"): (1e-5, 100, 1e-4, 150, 5, 143, 21450),
    ("in_shop", "dino_s"): (5e-6, 100, 1e-4, 150, 5, 143, 21450),
}

HYP = {  # batch, per class, epochs, steps an epoch, all steps
    "cub": (900, 9, 50, 1, 50),
    "cars": (882, 9, 300, 1, 300),
    "sop": (900, 2, 200, 25, 5000),
    "in_shop": (900, 2, 400, 8, 3200),
}

WEIGHTS = {  # timm name, mean, pooling
    "resnet50": ("resnet50.tv_in1k", (0.485, 0.456, 0.406), "avg_max"),
    "vit_s": ("vit_small_patch16_224.augreg_in21k_ft_in1k", (0.5, 0.5, 0.5), "timm"),
    "deit_s": ("deit_small_distilled_patch16_224.fb_in1k", (0.485, 0.456, 0.406), "cls_train"),
    "dino_s": ("vit_small_patch16_224.dino", (0.485, 0.456, 0.406), "timm"),
}


def dim(net):
    return 512 if net == "resnet50" else 384


def labels_of(data):
    """As many labels as the release has, every class with some."""
    images, classes = COUNTS[data]
    return np.sort(np.arange(images) % classes)


def schedule_on(data, config):
    batch = config.batch
    sampler = create_sampler(
        batch.sampler,
        labels_of(data),
        size=batch.size,
        per_class=batch.per_class,
        seed=0,
        replace=batch.replace,
    )
    return schedule_of(config, len(sampler))


@pytest.fixture(scope="module")
def learner():
    """Everything that has parameters, with a tiny backbone: groups depend on the configuration alone."""
    overrides = ["model.backbone=test_vit", "model.weights=none", "data.image_size=32"]
    config = load_config("cub-vit_s-128-pa_hier", overrides)
    return Learner(config, 4)


@pytest.mark.parametrize(("data", "net"), RELEASED)
def test_groups_and_schedule_of_the_released_scripts(data, net, learner):
    lr, last, decay, epochs, warmup, per_epoch, steps = RELEASED[data, net]
    config = load_config(f"{data}-{net}-{dim(net)}-pa_hier")
    groups = {group["name"]: group for group in param_groups(learner, config.optim)}
    expected = {"backbone": lr, "head": lr * last, "hier_proxies": lr * 50, "class_proxies": lr * 1e4}
    assert {name: group["lr"] for name, group in groups.items()} == pytest.approx(expected)
    assert {group["weight_decay"] for group in groups.values()} == {decay}  # biases and norms decay as well
    optim = config.optim
    assert (optim.eps, optim.clip_value, optim.clip_norm, optim.precision) == (1e-4, 10, None, "float16")

    found = schedule_on(data, config)
    assert (found.per_epoch, found.steps, found.epochs, found.warmup) == (per_epoch, steps, epochs, warmup * per_epoch)
    assert found.validate_every == per_epoch * (5 if data == "sop" else 1)
    for group in ("head", "hier_proxies", "class_proxies"):
        assert lr_factor(0, group, found, optim) == 1
    assert lr_factor(found.warmup - 1, "backbone", found, optim) == 0
    assert lr_factor(found.warmup, "backbone", found, optim) == 1


@pytest.mark.parametrize(("data", "decay", "every"), [("cub", 0.5, 5), ("cars", 0.5, 10), ("sop", 0.3, 25)])
def test_step_decay_of_resnet_50(data, decay, every):
    config = load_config(f"{data}-resnet50-512-ms_hier")
    found = schedule_on(data, config)
    for epoch in (every, 3 * every):
        step = epoch * found.per_epoch
        assert lr_factor(step - 1, "head", found, config.optim) == pytest.approx(decay ** (epoch // every - 1))
        assert lr_factor(step, "backbone", found, config.optim) == pytest.approx(decay ** (epoch // every))


@pytest.mark.parametrize("data", DATA)
def test_hyp(data):
    size, per_class, epochs, per_epoch, steps = HYP[data]
    for net, lr in (("vit_s", 3e-5), ("deit_s", 3e-5), ("dino_s", 1e-5)):
        config = load_config(f"{data}-{net}-128-hyp")
        found = schedule_on(data, config)
        assert (config.batch.size, config.batch.per_class, config.optim.epochs) == (size, per_class, epochs)
        assert (found.per_epoch, found.steps, found.warmup, found.validate_every) == (per_epoch, steps, 0, 0)
        assert (config.optim.lr, config.optim.weight_decay, config.optim.schedule) == (lr, 1e-2, "constant")
        assert (config.optim.clip_norm, config.optim.clip_value, config.hier.weight) == (3, None, 0)
        head = config.model.head
        assert (head.kind, head.riemannian_gradient, head.c, head.clip_r) == ("plain", False, 0.1, 2.3)
        loss = config.metric_loss
        assert (loss.name, loss.options["temperature"], loss.distance) == ("HypLoss", 0.2, "poincare")
        assert config.crop.centre == (0.875 if data == "cub" else 1.0)
        sphere = load_config(f"{data}-{net}-128-hyp_sph").metric_loss
        assert (sphere.name, sphere.options["temperature"], sphere.distance) == ("HypLoss", 0.1, "cosine")


@pytest.mark.parametrize("net", NETS)
def test_networks_and_crops(net):
    name, mean, pooling = WEIGHTS[net]
    assert PRESETS[net].statistics[0] == mean
    for data in DATA:
        config = load_config(f"{data}-{net}-128-pa_hier")
        model = config.model
        assert (model.backbone, model.weights, model.pooling) == (name, "hub", pooling)
        assert model.freeze == (() if net == "resnet50" else ("patch_embed",))
        assert model.freeze_bn == ("statistics" if net == "resnet50" else "no")
        assert (model.head.kind, model.head.c, model.head.clip_r, model.head.embedding_size) == (
            "released",
            0.1,
            2.3,
            128,
        )
        assert (config.crop.kind, config.crop.interpolation, config.crop.kept) == ("resized", "bicubic", 0.875)
        assert config.crop.scale == (0.08 if net == "resnet50" else 0.2, 1)
        assert (config.data.name, config.data.image_size) == (data, 224)
        batch = config.batch
        assert (batch.size, batch.per_class, batch.sampler, batch.replace) == (180, 2, "m_per_class", True)


@pytest.mark.parametrize(
    ("data", "ks"),
    [("cub", (1, 2, 4, 8)), ("cars", (1, 2, 4, 8)), ("sop", (1, 10, 100, 1000)), ("in_shop", (1, 10, 20, 30))],
)
def test_recalls(data, ks):
    for name in ("vit_s-128-pa_hier", "resnet50-512-pa-ours", "dino_s-384-hyp", "deit_s-128-softtriple"):
        assert load_config(f"{data}-{name}").evaluation.ks == ks


def test_hier_of_scripts_paper_and_ours():
    scripts = load_config("cars-deit_s-128-pa_hier").hier
    paper = load_config("cars-deit_s-128-pa_hier-paper").hier
    ours = load_config("cars-deit_s-128-pa_hier-ours").hier
    assert (scripts.mode, scripts.weight, paper.mode, paper.weight) == ("official", 0.5, "paper", 1)
    assert {(x.num_proxies, x.k, x.margin) for x in (scripts, paper)} == {(512, 20, 0.1)}
    assert (ours.mode, ours.num_proxies) == ("default", None)
    for variant in ("", "-paper", "-ours"):
        assert load_config(f"cars-deit_s-128-ms_hier_sph{variant}").hier.geometry == "spherical"


def test_the_papers_epochs():
    for data, epochs in (("cub", 50), ("cars", 50), ("sop", 150), ("in_shop", 150)):
        for net in ("vit_s", "deit_s", "dino_s"):
            assert load_config(f"{data}-{net}-128-pa_hier-paper").optim.epochs == epochs


def test_resnet_50_of_the_paper_has_the_training_of_proxy_anchor():
    for data, batch, lr, warmup, frozen, decay in (
        ("cub", 120, 1e-4, 5, "all", (0.5, 5)),
        ("cars", 120, 1e-4, 5, "all", (0.5, 10)),
        ("sop", 180, 6e-4, 1, "no", (0.25, 20)),
        ("in_shop", 180, 6e-4, 1, "no", (0.25, 20)),
    ):
        config = load_config(f"{data}-resnet50-512-pa-paper")
        optim = config.optim
        assert (config.batch.size, config.batch.sampler, config.model.freeze_bn) == (batch, "shuffle", frozen)
        assert (optim.lr, optim.warmup_epochs, optim.weight_decay) == (lr, warmup, 1e-4)
        assert (optim.decay, optim.decay_epochs, optim.class_proxy_lr_mult) == (*decay, 100)
        assert load_config(f"{data}-resnet50-512-pa_hier-paper").optim.class_proxy_lr_mult == 1e4
        pairs = load_config(f"{data}-resnet50-512-ms_hier-paper").batch
        assert (pairs.size, pairs.sampler, pairs.per_class, pairs.replace) == (batch, "m_per_class", 2, False)


def test_ours_looks_at_nothing_before_the_end_and_does_not_warm_up_resnet_50():
    for data in DATA:
        for net in NETS:
            config = load_config(f"{data}-{net}-128-pa_hier-ours")
            assert (config.evaluation.on, config.evaluation.every_epochs) == ("validation", 0)
            assert (config.optim.precision, config.optim.eps, config.batch.replace) == ("bfloat16", 1e-8, False)
            assert config.optim.warmup_epochs == (0 if net == "resnet50" else RELEASED[data, net][4])
            assert config.optim.lr * config.optim.hier_proxy_lr_mult == pytest.approx(5e-3, rel=1e-3)


def test_softtriple_has_as_many_proxies_as_in_table_4():
    for data, proxies in (("cub", 1000), ("cars", 980), ("sop", 113180), ("in_shop", 39970)):
        options = load_config(f"{data}-deit_s-384-softtriple").metric_loss.options
        assert options["centers_per_class"] * COUNTS[data][1] == proxies


def test_names():
    names = retrieval_names()
    assert len({*recipe_names()}) == len(recipe_names())
    for pattern in (
        "(resnet50-(128|512)|(vit|deit|dino)_s-(128|384))-(pa|ms)_hier(_sph)?(-paper|-ours)?",
        "(resnet50-(128|512)|(vit|deit|dino)_s-(128|384))-(pa|ms)(-ours)?",
        "(resnet50-(128|512)|(vit|deit|dino)_s-(128|384))-(hyp|hyp_sph|nsoftmax|softtriple|proxynca|xbm|htl|triplet)",
    ):
        found = [name for name in names if re.fullmatch(f"(cub|cars|sop|in_shop)-{pattern}", name)]
        assert len(found) == 4 * 8 * (12 if "_hier" in pattern else 4 if "ours" in pattern else 8)
    # without HIER paper and scripts differ in the epochs of CUB and Cars alone, ResNet-50 in more
    alone = {name for name in names if re.search("-(pa|ms)-paper$", name)}
    assert alone == {
        f"{data}-{net}-{size}-{loss}-paper"
        for data in DATA
        for net in NETS
        if data in ("cub", "cars") or net == "resnet50"
        for size in ((128, 512) if net == "resnet50" else (128, 384))
        for loss in ("pa", "ms")
    }
    with pytest.raises(ConfigError, match="did you mean 'cub-vit_s-384-pa_hier'"):
        load_config("cub-vits-384-pa_hier")
    with pytest.raises(ConfigError, match=r"unknown key optim.epoch; did you mean optim.epochs\?"):
        load_config("cub-vit_s-384-pa_hier", ["optim.epoch=3"])
    assert load_config("cub-vit_s-384-pa_hier", ["data.root=/data"]).data.root == "/data"


def test_texts_say_where_values_are_from():
    for name in (
        "sop-vit_s-384-pa_hier",
        "cub-resnet50-512-pa_hier-paper",
        "cars-dino_s-128-hyp",
        "cub-deit_s-128-xbm",
    ):
        text = recipe_text(name)
        assert text.startswith(f"# {recipe_line(name)}\n")
        assert f"hyperdml train {name} data.root=FOLDER" in text
        silent = [line for line in text.splitlines() if ": " in line and "# " not in line]
        assert {line.split(":")[0].strip() for line in silent} <= {"name", "weights", "freeze_bn", "weight"}
    assert "head_lr_mult: 100.0  # source: paper, Table 3" in recipe_text("sop-vit_s-384-pa_hier")
    assert "weight: 0.5  # source: scripts; the paper has 1" in recipe_text("sop-vit_s-384-pa_hier")
    assert "batch.piece=100" in recipe_text("cars-dino_s-128-hyp")
    assert "Hyp-ViT, Ermolov et al." in recipe_text("cars-dino_s-128-hyp")
    assert "Proxy Anchor, Kim et al." in recipe_text("cub-resnet50-512-pa_hier-paper")
    assert "workers" not in recipe_text("sop-vit_s-384-pa_hier")  # a matter of the machine


@pytest.mark.parametrize("data", DATA)
def test_held_out_classes_leave_enough_for_a_batch(data):
    """What the documentation says about data.validation=0.15."""
    labels = labels_of(data)
    labels = labels[labels < 0.85 * COUNTS[data][1]]
    batch = load_config(f"{data}-vit_s-384-pa_hier-ours").batch
    make = lambda size: create_sampler(batch.sampler, labels, size=size, per_class=2, seed=0)  # noqa: E731
    if data in ("cub", "cars"):
        with pytest.raises(ConfigError, match=r"batch\.size 180 with batch\.per_class 2 needs 90 classes"):
            make(batch.size)
        assert len(make(160)) > 0
    else:
        assert len(make(batch.size)) > 0


def test_every_sampler_has_pairs_where_the_loss_needs_them():
    """Losses without class proxies learn nothing from batches of single images."""
    for name in retrieval_names():
        if re.match("(cub|sop)-resnet50-512", name):
            config = load_config(name)
            if config.batch.sampler == "shuffle":
                assert config.metric_loss.name == "ProxyAnchorLoss", name


def test_parts_have_titles():
    assert set(PARTS["DATA"]) == set(DATA)
    assert set(PARTS["NET"]) == set(NETS)
    assert all(part.title for parts in PARTS.values() for part in parts.values())
