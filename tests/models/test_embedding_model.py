"""Head and model: where images land, precision, files."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from hyperdml.data import CropConfig
from hyperdml.errors import DataError
from hyperdml.geometry import dist0, logmap0
from hyperdml.models import EmbeddingHead, EmbeddingModel, HeadConfig, ModelConfig, model_hash


def small(**head):
    return ModelConfig("test_efficientnet", "none", HeadConfig(**{"embedding_size": 16, **head}))


@pytest.mark.parametrize(("width", "size"), [(384, 128), (1280, 128), (2048, 512)])
def test_released_head_clips_every_image(width, size):
    points = EmbeddingHead(width, HeadConfig(embedding_size=size))(torch.randn(50, width))
    torch.testing.assert_close(dist0(points, 0.1), torch.full((50,), 4.6), rtol=1e-4, atol=0)


@pytest.mark.parametrize("radius", [0.3, 1.5])
def test_scaled_head_starts_at_its_radius_and_lets_radii_differ(radius):
    head = EmbeddingHead(384, HeadConfig(kind="scaled", init_radius=radius))
    norms = logmap0(head(torch.randn(200, 384)), 0.1).norm(dim=1)
    assert float(norms.mean().detach()) == pytest.approx(radius, rel=0.05)
    assert norms.std() > 0.01 * radius
    norms.sum().backward()
    assert head.log_radius.grad > 0


def test_plain_head_is_a_linear_layer_into_the_ball():
    head = EmbeddingHead(64, HeadConfig(kind="plain", embedding_size=16, clip_r=2.0, c=0.3))
    torch.testing.assert_close(head.linear.weight @ head.linear.weight.T, torch.eye(16), rtol=0, atol=1e-5)
    assert not head.linear.bias.any()
    features = torch.randn(40, 64) * torch.linspace(0.1, 1, 40)[:, None]
    u = features @ head.linear.weight.T
    short = u.norm(dim=1) < 2
    assert short.any()
    assert not short.all()
    tangent = logmap0(head(features), 0.3)
    torch.testing.assert_close(tangent[short], u[short], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(tangent[~short].norm(dim=1), torch.full((int((~short).sum()),), 2.0), rtol=1e-4, atol=0)
    # the norm of the features counts, which a LayerNorm would take away
    torch.testing.assert_close(logmap0(head(features / 10), 0.3), u / 10, rtol=1e-4, atol=1e-5)


def test_fixed_scale_and_soft_clip():
    head = EmbeddingHead(256, HeadConfig(kind="scaled", learn_scale=False, init_radius=3.0, soft_clip=True))
    norms = logmap0(head(torch.randn(100, 256)), 0.1).norm(dim=1)
    assert norms.max() < 2.3
    assert norms.std() > 1e-3
    assert not head.log_radius.requires_grad


def test_the_size_of_the_weights_does_not_matter_to_the_scaled_head():
    head = EmbeddingHead(64, HeadConfig(kind="scaled", embedding_size=16))
    torch.nn.init.normal_(head.linear.bias)
    features = torch.randn(20, 64)
    before = head(features)
    with torch.no_grad():
        head.linear.weight.mul_(10)
        head.linear.bias.mul_(10)
    torch.testing.assert_close(head(features), before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_head_runs_in_float32_under_autocast(dtype):
    head = EmbeddingHead(64, HeadConfig(embedding_size=8))
    features = torch.randn(5, 64)
    with torch.autocast("cpu", dtype=dtype):
        inside = head(features)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, head(features))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "free"}, "head.kind must be one of released, scaled, plain, got 'free'"),
        ({"soft_clip": True}, "head.soft_clip needs head.kind 'scaled': the released head has no scale"),
        ({"kind": "plain", "soft_clip": True}, "head.soft_clip needs head.kind 'scaled': the plain head has no scale"),
        ({"learn_scale": False}, "head.learn_scale needs head.kind 'scaled'"),
        ({"init_radius": 1.0}, "head.init_radius needs head.kind 'scaled'"),
        ({"kind": "scaled", "init_radius": 0.0}, "head.init_radius must be positive"),
        ({"embedding_size": 0}, "head.embedding_size must be at least 1"),
    ],
)
def test_head_refuses(settings, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingHead(8, HeadConfig(**settings))


@pytest.mark.parametrize("kind", ["released", "scaled", "plain"])
def test_saved_model_gives_the_same_points(tmp_path, kind):
    model = EmbeddingModel(small(kind=kind, c=0.2, clip_r=1.0)).eval()
    images = torch.randn(3, 3, 64, 64)
    model.save_pretrained(tmp_path / "model")
    again = EmbeddingModel.from_pretrained(tmp_path / "model")
    assert again.config == model.config
    assert not again.training
    assert torch.equal(again(images), model(images))
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model"]["head"]["c"] == 0.2


def test_loading_does_not_need_the_first_weights_again(tmp_path):
    config = ModelConfig(head=HeadConfig(embedding_size=4))
    EmbeddingModel(config).save_pretrained(tmp_path)
    assert EmbeddingModel.from_pretrained(tmp_path).config.weights == "packaged"


def test_models_saved_with_fewer_settings_load(tmp_path):
    EmbeddingModel(small()).save_pretrained(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    for key in ("pooling", "freeze", "freeze_bn"):
        del record["model"][key]
    del record["crop"], record["sha256"]
    (tmp_path / "config.json").write_text(json.dumps(record))
    save_file(load_file(tmp_path / "model.safetensors"), tmp_path / "model.safetensors")  # no hash of the settings
    again = EmbeddingModel.from_pretrained(tmp_path)
    assert again.config == small()
    assert (again.crop.kept, again.crop.interpolation) == (1.0, "bicubic")


@pytest.mark.parametrize(
    ("crop", "kept"),
    [
        (CropConfig("resized", scale=(0.2, 1.0)), 0.875),
        (CropConfig("padded", centre=0.9, interpolation="bilinear"), 0.9),
        (CropConfig("affine", interpolation="bilinear"), 1.0),
    ],
)
def test_what_evaluation_looks_at_comes_back(tmp_path, crop, kept):
    model = EmbeddingModel(small(), 64)
    model.crop = crop
    model.save_pretrained(tmp_path / "a")
    again = EmbeddingModel.from_pretrained(tmp_path / "a")
    assert (again.crop.kept, again.crop.interpolation) == (kept, crop.interpolation)
    again.save_pretrained(tmp_path / "b")
    assert model_hash(tmp_path / "b") == model_hash(tmp_path / "a")
    assert f"({crop.interpolation}, antialiased)" in (tmp_path / "a" / "README.md").read_text()


@pytest.mark.parametrize("crop", [{"centre": 0}, {"centre": "all"}, {"interpolation": "nearest"}, {"kind": "none"}, 1])
def test_a_crop_that_is_none(tmp_path, crop):
    EmbeddingModel(small()).save_pretrained(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**record, "crop": crop}))
    with pytest.raises(DataError, match=r"cannot read the model configuration .*config\.json: .*"):
        EmbeddingModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [('"c": 0.1', '"c": 0.2'), ('"image_size": 64', '"image_size": 65'), ('"centre": 1.0', '"centre": 0.9')],
)
def test_a_changed_digit_in_the_settings(tmp_path, old, new):
    EmbeddingModel(small(), 64).save_pretrained(tmp_path)
    text = (tmp_path / "config.json").read_text()
    assert text.count(old) == 1
    (tmp_path / "config.json").write_text(text.replace(old, new))
    with pytest.raises(DataError, match=r"config\.json was damaged or changed after it was written"):
        EmbeddingModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(json.loads(text)))  # other blanks are no other settings
    assert EmbeddingModel.from_pretrained(tmp_path).image_size == 64


def test_frozen_settings_and_the_size_come_back(tmp_path):
    config = ModelConfig("test_vit", "none", HeadConfig(embedding_size=4), "avg", ("patch_embed", "blocks.0"))
    model = EmbeddingModel(config, 64)
    assert (model.image_size, model.fixed_size) == (64, 64)
    model.save_pretrained(tmp_path)
    again = EmbeddingModel.from_pretrained(tmp_path)
    assert (again.config, again.image_size, again.fixed_size) == (config, 64, 64)
    assert {name for name, p in again.named_parameters() if not p.requires_grad} == {
        name for name, p in model.named_parameters() if not p.requires_grad
    }
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(again(images), model.eval()(images))


def test_damaged_models(tmp_path):
    with pytest.raises(DataError, match=r"config\.json"):
        EmbeddingModel.from_pretrained(tmp_path)
    EmbeddingModel(small()).save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.safetensors"):
        EmbeddingModel.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model": {"backbone": "resnet18", "head": {"size": 3}}}')
    with pytest.raises(DataError, match=r"config\.json"):
        EmbeddingModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"), [("backbone", "resnet81"), ("pooling", "cls"), ("freeze", ["stem2"]), ("freeze_bn", True)]
)
def test_settings_that_describe_no_model_are_named_with_their_file(tmp_path, key, value):
    EmbeddingModel(small()).save_pretrained(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    record["model"][key] = value
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"config.json describes no model: model\."):
        EmbeddingModel.from_pretrained(tmp_path)


def test_weights_of_another_type_are_refused(tmp_path):
    model = EmbeddingModel(small())
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["head.linear.bias"] = tensors["head.linear.bias"].double()
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=r"model\.safetensors are damaged or of another model: their SHA-256"):
        EmbeddingModel.from_pretrained(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    del record["sha256"]  # as in models saved before there was one
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(
        DataError, match=r"model\.safetensors: head.linear.bias is torch.float64, expected torch.float32"
    ):
        EmbeddingModel.from_pretrained(tmp_path)


def test_model_of_another_shape(tmp_path):
    EmbeddingModel(small()).save_pretrained(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())
    stored["model"]["head"]["embedding_size"] = 8
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(DataError, match=r"model\.safetensors"):
        EmbeddingModel.from_pretrained(tmp_path)
