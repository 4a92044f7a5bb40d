"""Pooling as the papers have it, frozen parts, presets: on small models by hand, on the real ones by one step."""

import copy
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from hyperdml.errors import ConfigError
from hyperdml.models import EmbeddingModel, HeadConfig, ModelConfig
from hyperdml.models.freezing import freeze, frozen_modules
from hyperdml.models.model_config import embedding_backbone
from hyperdml.models.pooling import set_pooling
from hyperdml.models.presets import PRESETS, timm_name

SIZES = {"vit_tiny_patch16_224": 48, "swin_tiny_patch4_window7_224": 64}
DEIT = "deit_tiny_distilled_patch16_224"


def made(name, pooling="timm", size=64, **settings):
    torch.manual_seed(0)
    config = ModelConfig(name, "none", HeadConfig(embedding_size=8), pooling, **settings)
    return EmbeddingModel(config, size)


def pooled(values, pooling):
    """(N, positions, F) to (N, F)."""
    mean, largest = values.mean(1), values.amax(1)
    return {"avg": mean, "max": largest, "avg_max": mean + largest}[pooling]


# pooling


@pytest.mark.parametrize("pooling", ["avg", "max", "avg_max"])
@pytest.mark.parametrize(
    ("name", "axes"), [("test_resnet", (2, 3)), ("test_efficientnet", (2, 3)), ("swin_tiny_patch4_window7_224", (1, 2))]
)
def test_feature_maps(name, axes, pooling):
    backbone = made(name, pooling).eval().backbone
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        feature_map = backbone.forward_features(images)
        expected = pooled(feature_map.flatten(*axes) if axes == (1, 2) else feature_map.flatten(2).mT, pooling)
        torch.testing.assert_close(backbone(images), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", ["avg", "max", "avg_max"])
def test_the_norm_behind_the_pooling_of_a_convnext_stays(pooling):
    backbone = made("test_convnext", pooling).eval().backbone
    nn.init.normal_(backbone.head.norm.weight)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        vector = pooled(backbone.forward_features(images).flatten(2).mT, pooling)
        norm = backbone.head.norm
        expected = nn.functional.layer_norm(vector, vector.shape[1:], norm.weight, norm.bias, norm.eps)
        torch.testing.assert_close(backbone(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_tokens_of_the_patches_behind_the_last_norm(pooling):
    backbone = made("vit_tiny_patch16_224", pooling, 48).eval().backbone
    nn.init.normal_(backbone.norm.weight)
    images = torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        tokens = backbone.forward_features(images)
        assert tokens.shape[1] == 1 + 9
        torch.testing.assert_close(backbone(images), pooled(tokens[:, 1:], pooling))


def test_deit_is_trained_by_its_class_token_and_evaluated_by_both():
    backbone = made(DEIT, "cls_train", 32).backbone
    images = torch.randn(2, 3, 32, 32)
    for model in (backbone, copy.deepcopy(backbone)):
        tokens = model.train().forward_features(images)
        assert torch.equal(model(images), tokens[:, 0])
        model(images).sum().backward()
        tokens = model.eval().forward_features(images)
        torch.testing.assert_close(model(images), (tokens[:, 0] + tokens[:, 1]) / 2)
        assert not torch.allclose(tokens[:, 0], tokens[:, 1])


def test_pooling_leaves_names_and_start_of_the_weights():
    for name, pooling in (("test_resnet", "avg_max"), ("vit_tiny_patch16_224", "avg"), (DEIT, "cls_train")):
        ours, plain = made(name, pooling, 32).backbone.state_dict(), made(name, "timm", 32).backbone.state_dict()
        assert ours.keys() == plain.keys()
        assert all(torch.equal(value, plain[key]) for key, value in ours.items())


@pytest.mark.parametrize(
    ("name", "pooling", "fits"),
    [
        ("vit_tiny_patch16_224", "avg_max", "'timm', 'avg' and 'max'"),
        ("vit_tiny_patch16_224", "cls_train", "'timm', 'avg' and 'max'"),
        ("test_resnet", "cls_train", "'timm', 'avg', 'max' and 'avg_max'"),
        (DEIT, "avg", "'timm' and 'cls_train'"),
        ("vit_base_patch16_siglip_224", "max", "'timm'"),
        ("cait_xxs24_224", "avg", "'timm'"),
    ],
)
def test_pooling_that_does_not_fit(name, pooling, fits):
    with torch.device("meta"):
        backbone = timm.create_model(name, num_classes=0)
    with pytest.raises(ConfigError, match=f"model.pooling: '{pooling}' does not fit '{name}', which takes {fits}$"):
        set_pooling(backbone, name, pooling)


def test_unknown_pooling():
    with pytest.raises(ConfigError, match="must be one of timm, avg, max, avg_max, cls_train, got 'mean'"):
        made("test_resnet", "mean")


# freezing


def trained(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("name", "parts", "prefixes"),
    [
        ("test_vit", ("patch_embed",), ("patch_embed.",)),
        ("test_convnext", ("patch_embed",), ("stem.",)),
        ("test_resnet", ("conv1", "layer1.0"), ("conv1.", "layer1.0.")),
    ],
)
def test_frozen_parts(name, parts, prefixes):
    model = made(name, size=64, freeze=parts)
    everything = {key for key, _ in model.named_parameters()}
    frozen = {key for key in everything if key.startswith(tuple(f"backbone.{prefix}" for prefix in prefixes))}
    assert frozen
    assert trained(model) == everything - frozen
    for mode in (model, model.eval(), model.train()):
        still = {key for key, module in mode.named_modules() if not module.training}
        if mode.training:
            assert model.backbone.get_submodule(prefixes[0][:-1]).training is False
            assert still == {
                key
                for key, _ in model.named_modules()
                if f"{key}.".startswith(tuple(f"backbone.{p}" for p in prefixes))
            }


@pytest.mark.parametrize("mode", ["no", "statistics", "all"])
def test_batch_norms(mode):
    model = made("test_resnet", freeze_bn=mode)
    norms = {key: m for key, m in model.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
    before = {key: norm.running_mean.clone() for key, norm in norms.items()}
    for _ in range(2):  # the second time after a switch to evaluation and back
        model.eval()
        model.train()
        model(torch.randn(4, 3, 32, 32)).sum().backward()
    assert all(torch.equal(norm.running_mean, before[key]) == (mode != "no") for key, norm in norms.items())
    assert all((norm.weight.grad is None) == (mode == "all") for norm in norms.values())
    assert all(norm.num_batches_tracked == (2 if mode == "no" else 0) for norm in norms.values())
    others = {name for name, _ in model.named_parameters()} - {
        f"{key}.{p}" for key in norms for p in ("weight", "bias")
    }
    assert others <= trained(model)


def test_batch_norms_that_are_exchanged_later_stay_frozen():
    model = made("test_resnet", freeze_bn="statistics")
    model.backbone = nn.SyncBatchNorm.convert_sync_batchnorm(model.backbone)
    model.train()
    norms = [m for m in model.modules() if isinstance(m, nn.SyncBatchNorm)]
    assert norms
    assert not any(norm.training for norm in norms)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (
            "test_resnet",
            {"freeze": ("patch_embed",)},
            "'test_resnet' has no part 'patch_embed'; its parts are conv1, bn1",
        ),
        ("test_resnet", {"freeze": ("layer1", "layre2")}, "no part 'layre2'; did you mean 'layer2'?"),
        ("test_resnet", {"freeze": ("",)}, "no part ''"),
        ("test_vit", {"freeze_bn": "all"}, "model.freeze_bn: 'test_vit' has no batch norm; leave it at 'no'"),
        ("test_resnet", {"freeze_bn": "some"}, "model.freeze_bn must be 'no', 'statistics' or 'all', got 'some'"),
    ],
)
def test_freezing_that_cannot_be(name, settings, message):
    with pytest.raises(ConfigError) as error:
        made(name, **settings)
    assert message in str(error.value)


def test_freezing_twice_is_freezing_once():
    backbone = timm.create_model("test_resnet")
    freeze(backbone, "test_resnet", ("layer1", "layer1.0"), "all")
    assert not any(p.requires_grad for p in backbone.layer1.parameters())
    assert backbone.conv1[0].weight.requires_grad
    assert backbone.layer1 in list(frozen_modules(backbone, ("layer1",), "no"))


# presets


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_what_timm_has(name):
    preset = PRESETS[name]
    published = timm.models.get_pretrained_cfg(preset.backbone, allow_unregistered=False)
    assert published.hf_hub_id
    assert (published.mean, published.std) == preset.statistics
    assert timm_name(name) == preset.backbone == timm_name(preset.backbone)


def test_the_documentation_has_the_same_presets():
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    rows = [
        f"| `{name}` | `{p.backbone}` | `{p.pooling}` | {''.join(f'`{part}` ' for part in p.freeze)}| `{p.freeze_bn}` |"
        for name, p in PRESETS.items()
    ]
    assert "\n".join(rows) in page


def test_a_preset_is_stored_under_timms_name():
    model = made("dino_s", size=32)
    assert model.config.backbone == "vit_small_patch16_224.dino"
    assert model.mean == (0.485, 0.456, 0.406)


def test_transformers_are_made_for_the_size_of_the_images():
    assert embedding_backbone(ModelConfig("vit_tiny_patch16_224", "none"), 32).patch_embed.grid_size == (2, 2)
    model = made("vit_tiny_patch16_224", size=None)
    assert (model.image_size, model.fixed_size) == (None, 224)
    assert made("test_resnet", size=40).fixed_size is None
    with pytest.raises(ConfigError, match=r"data.image_size must be a multiple of 16, .* got 40: 8 rows and columns"):
        made("vit_tiny_patch16_224", size=40)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ("dinov2_b", "dinov2_l") else ()) for name in PRESETS]
)
def test_one_step_of_the_real_backbones(name):
    preset = PRESETS[name]
    size = 28 if "14" in preset.backbone else 64 if "swin" in preset.backbone else 32
    settings = {"freeze": preset.freeze, "freeze_bn": preset.freeze_bn}
    model = made(name, preset.pooling, size, **settings)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.ones_(norm.weight)  # a residual branch that starts as 0 hands nothing back
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3, weight_decay=1e-2)
    points = model(torch.randn(2, 3, size, size))
    points.square().sum(1).sub(points.prod(1)).sum().backward()
    optimizer.step()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    frozen = {key for key, p in model.named_parameters() if not p.requires_grad}
    stem = "stem." if name == "convnext_t" else "patch_embed."
    assert frozen == {key for key in before if key.startswith(f"backbone.{stem}")} if preset.freeze else not frozen
    assert not changed & frozen
    assert not any("running" in key for key in changed)  # ResNet-50's batch norms
    assert {key for key, _ in model.named_parameters()} - frozen - changed == set()
