"""Bundled classification recipes: all valid, what Table 8 says, the sources of the rest."""

import re

import pytest

from hyperdml.errors import ConfigError
from hyperdml.training.bundled import file_names, recipe_line, recipe_names, recipe_text
from hyperdml.training.classify.config import ClassifyConfig
from hyperdml.training.classify.recipe_losses import LOSSES
from hyperdml.training.classify.recipe_nets import NETS
from hyperdml.training.classify.table import PARTS, classification_names
from hyperdml.training.recipe_part import overview, recipe_yaml
from hyperdml.training.retrieval.table import retrieval_names
from hyperdml.training.settings import load_config
from hyperdml.training.yaml_text import read_yaml

TABLE8 = {  # net: batch, optimiser, epochs of CIFAR-100, FGVC-Aircraft, NABirds
    "resnet18": (128, "sgd", "cosine", 450, 750, 750),
    "resnet34": (128, "sgd", "cosine", 450, 750, 750),
    "resnet50": (128, "sgd", "cosine", 450, 750, 750),
    "convnext_t": (128, "adamw", "cosine", 400, 400, 500),
    "swin_t": (128, "adamw", "warmup_cosine", 500, 500, 500),
    "vit_b16": (64, "adamw", "warmup_cosine", 300, 300, 300),
}


def test_all_recipes_load_and_differ():
    """One net of each data set with every loss, every net with one loss: the parts do not depend on each other."""
    names = [name for name in classification_names() if "resnet18" in name or "lite0" in name or name.endswith("-hace")]
    found = [load_config(name) for name in names]
    assert all(isinstance(config, ClassifyConfig) for config in found)
    assert len({repr(config) for config in found}) == len(names)


def test_names():
    names = classification_names()
    assert recipe_names() == [*file_names(), *retrieval_names(), *names]
    assert len(set(recipe_names())) == len(recipe_names())
    for name in ("cifar100-resnet18-hace", "aircraft-vit_b16-ce", "nabirds-dinov2_l-hxe", "emoji-lite0-hace"):
        assert name in names
    assert not [
        name for name in names if re.search("emoji-(?!lite0|small)|(lite0|small)", name) and "emoji" not in name
    ]
    with pytest.raises(ConfigError, match="did you mean 'cifar100-resnet18-hace'"):
        load_config("cifar10-resnet18-hace")


@pytest.mark.parametrize("net", TABLE8)
def test_table_8(net):
    batch, optimizer, schedule, *epochs = TABLE8[net]
    for data, count in zip(("cifar100", "aircraft", "nabirds"), epochs, strict=True):
        optim = load_config(f"{data}-{net}-ce").optim
        assert (optim.batch_size, optim.name, optim.schedule, optim.epochs) == (batch, optimizer, schedule, count)


def test_what_the_paper_does_not_say_is_marked_as_ours():
    for net in NETS:
        for key, (_, source) in NETS[net].values.items():
            if key in ("optim.lr", "optim.weight_decay", "optim.momentum", "model.drop_rate"):
                assert source.startswith("ours"), f"{net} {key}"
    text = recipe_text("aircraft-swin_t-hace")
    assert re.search(r"lr: 0\.000125  # source: ours: Liu et al\. 2021, 1e-3 at batch 1024, scaled linearly", text)
    assert re.search(r"epochs: 500  # source: Table 8", text)
    assert re.search(r"dilution: 0\.5  # source: ours: no value is the paper's", text)


def test_small_images_get_a_small_stem():
    config = load_config("cifar100-resnet50-ce")
    assert (config.data.image_size, config.model.stem, config.crop.kind) == (32, "small", "padded")
    config = load_config("cifar100-vit_b16-ce")
    assert (config.data.image_size, config.model.stem) == (224, "standard")
    assert (config.model.drop_rate, config.optim.lr) == (0.1, pytest.approx(3e-3 * 64 / 4096))


def test_probes():
    config = load_config("nabirds-dinov2_l-hace")
    assert (config.model.backbone, config.model.normalize) == ("vit_large_patch14_dinov2", True)
    for net in ("dinov2_l", "lite0"):
        assert NETS[net].values["optim.freeze_backbone"][0] is True
    assert "hyperdml probe nabirds-dinov2_l-hace data.root=FOLDER" in recipe_text("nabirds-dinov2_l-hace")


def test_the_overview_names_every_part():
    text = "\n".join(overview(PARTS))
    for name in [*NETS, *LOSSES]:
        assert re.search(rf"\s{name}:\s", text)


def test_every_recipe_has_a_line_of_its_own():
    lines = [recipe_line(name) for name in recipe_names()]
    assert len(set(lines)) == len(lines)
    for name in ("quickstart", "nabirds-swin_t-hxe", "cars-dino_s-128-hyp"):
        assert recipe_text(name).splitlines()[0] == f"# {recipe_line(name)}"


def test_written_recipes_read_back():
    values = {
        "seed": (3, ""),
        "model.head.c": (0.1, "paper, Sec. 4.1: # and : inside"),
        "model.freeze": (["a", "b"], "x"),
        "model.weights": ("no", ""),
        "optim.eps": (1e-8, ""),
        "optim.clip_value": (None, "y"),
    }
    text = recipe_yaml(["A title.", "A remark."], values)
    assert text.startswith("# A title.\n# A remark.\nseed: 3\nmodel:\n")
    assert read_yaml(text, "test") == {
        "seed": 3,
        "model": {"head": {"c": 0.1}, "freeze": ["a", "b"], "weights": "no"},
        "optim": {"eps": 1e-8, "clip_value": None},
    }
    assert "  eps: 1.0e-08\n" in text
    assert "  freeze: [a, b]  # source: x\n" in text
