"""Feature banks: the features a classifier would give, and files that are used only where they are the right ones."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hyperdml.data.image_batches import ImageBatches
from hyperdml.data.labelled_images import ArrayImages
from hyperdml.data.views import CropConfig
from hyperdml.errors import DataError
from hyperdml.models import presets
from hyperdml.models.classifier import Classifier
from hyperdml.models.classifier_backbone import ClassifierConfig, make_backbone
from hyperdml.models.embedding_model import EmbeddingModel
from hyperdml.models.feature_bank import feature_bank
from hyperdml.models.head import HeadConfig
from hyperdml.models.model_config import ModelConfig
from hyperdml.models.presets import PRESETS, Preset
from hyperdml.seeds import derive_seed
from hyperdml.taxonomy import Taxonomy

bank_module = import_module("hyperdml.models.feature_bank")  # the package has the function under this name
CONFIG = ClassifierConfig("test_resnet")
FLAT = Taxonomy.from_edges([("all", "a"), ("all", "b")])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return ArrayImages(rng.integers(0, 256, (10, 24, 24, 3), dtype=np.uint8), np.arange(10, dtype=np.int64) % 2)


def make(data, cache=None, config=CONFIG, **options):
    """The bank and what was said about the cache."""
    said = []
    options = {"image_size": 32, "crop": CropConfig(), "batch_size": 4, **options}
    return feature_bank(config, data, cache=cache, message=said.append, **options), said


def weights_of_a_backbone():
    return {key: value.contiguous() for key, value in make_backbone(CONFIG, 32).state_dict().items()}


@pytest.fixture
def count_backbones(monkeypatch):
    built = []

    def counted(*args):
        built.append(args)
        return make_backbone(*args)

    monkeypatch.setattr(bank_module, "make_backbone", counted)
    return built


@pytest.mark.parametrize("normalize", [False, True])
def test_features_are_those_of_the_classifier_of_the_seed(data, normalize):
    config = ClassifierConfig("test_resnet", normalize=normalize)
    bank, _ = make(data, config=config, views=3, seed=4)
    torch.manual_seed(derive_seed(4, "model"))
    model = Classifier(config, FLAT, image_size=32).eval()
    assert bank.shape == (10, 3, model.head.linear.in_features)
    for view in range(3):
        made = ImageBatches(
            data,
            CropConfig(),
            batch_size=4,
            image_size=32,
            mean=model.mean,
            std=model.std,
            train=view > 0,
            shuffle=False,
            seed=4,
        )
        with torch.no_grad():
            expected = torch.cat([model.features(images) for images, _ in made.epoch(view)])
        assert torch.equal(bank[:, view], expected)
    assert not torch.allclose(bank[:, 1], bank[:, 2])
    assert not bank.requires_grad
    torch.nn.Linear(bank.shape[2], 2)(bank[:, 0]).sum().backward()  # not a tensor of inference mode


@pytest.mark.parametrize("pooling", ["timm", "avg_max"])
def test_features_are_those_of_the_embedding_model_before_its_head(data, tmp_path, pooling):
    config = ModelConfig("test_resnet", "none", HeadConfig(embedding_size=4), pooling)
    bank, _ = make(data, tmp_path, config=config, seed=4)
    torch.manual_seed(derive_seed(4, "model"))
    model = EmbeddingModel(config, 32).eval()
    batches = ImageBatches(
        data,
        CropConfig(),
        batch_size=4,
        image_size=32,
        mean=model.mean,
        std=model.std,
        train=False,
        shuffle=False,
        seed=4,
    )
    with torch.no_grad():
        expected = torch.cat([model.backbone(images) for images, _ in batches.epoch(0)])
    assert torch.equal(bank[:, 0], expected)
    # the file is shared by all heads and by whatever is frozen, and by classifiers if they pool so too
    frozen = replace(config, freeze=("conv1",), freeze_bn="all", head=HeadConfig(embedding_size=8))
    make(data, tmp_path, config=frozen, seed=4)
    assert len(list(tmp_path.iterdir())) == 1
    assert torch.equal(make(data, tmp_path, seed=4)[0], bank) == (pooling == "timm")
    assert len(list(tmp_path.iterdir())) == 1 + (pooling != "timm")


def test_a_preset_and_its_name_share_the_file(data, tmp_path, monkeypatch):
    preset = Preset("test_resnet", PRESETS["resnet50"].statistics)
    monkeypatch.setattr(presets, "PRESETS", {"small": preset})
    for name in ("small", "test_resnet"):
        make(data, tmp_path, config=ModelConfig(name, "none"))
    assert len(list(tmp_path.iterdir())) == 1


def test_random_state_and_progress(data, tmp_path):
    before, done = torch.get_rng_state(), []
    make(data, tmp_path, views=2, tick=done.append)
    assert done == [4, 4, 2] * 2
    assert torch.equal(torch.get_rng_state(), before)
    make(data, tmp_path, views=2, tick=done.append)
    assert done[6:] == [20]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_second_time_is_read(data, tmp_path, dtype, count_backbones):
    first, said = make(data, tmp_path / "new" / "cache", dtype=dtype, views=2)
    second, said_again = make(data, tmp_path / "new" / "cache", dtype=dtype, views=2)
    assert first.dtype == second.dtype == getattr(torch, dtype)
    assert torch.equal(first, second)
    assert len(count_backbones) == 1
    assert said == said_again == []
    second += 1  # what was read may be changed without harm to the file
    assert torch.equal(make(data, tmp_path / "new" / "cache", dtype=dtype, views=2)[0], first)
    (path,) = (tmp_path / "new" / "cache").iterdir()
    assert torch.equal(load_file(path)["features"], first)
    with safe_open(path, framework="pt") as file:
        assert '"pooling": "timm", "backbone": "test_resnet", "stem": "standard"' in file.metadata()["key"]


def test_float16_is_the_rounded_float32(data):
    assert torch.equal(make(data, dtype="float16")[0], make(data)[0].half())


def test_whatever_decides_about_the_features_makes_another_file(data, tmp_path):
    weights = tmp_path / "w.safetensors"
    cache = tmp_path / "cache"
    seen = [torch.tensor(0.0)]

    def new(**options):
        source = options.pop("data", data)
        bank, _ = make(source, cache, **options)
        is_new = not any(bank.shape == other.shape and torch.equal(bank, other) for other in seen)
        seen.append(bank)
        return is_new and len(list(cache.iterdir())) == len(seen) - 1

    assert new()
    assert new(config=replace(CONFIG, normalize=True))
    assert new(config=replace(CONFIG, backbone="test_efficientnet"))
    assert new(seed=1)  # random weights
    assert new(image_size=40)
    assert new(crop=CropConfig(centre=0.5))
    assert new(crop=CropConfig(interpolation="bilinear"))
    assert new(dtype="float16")
    assert new(views=2)
    assert new(views=2, crop=CropConfig(scale=(0.5, 1.0)))
    assert new(data=data.select(np.arange(9)))
    changed = data.images.copy()
    changed[0, 12, 12] ^= 255
    assert new(data=ArrayImages(changed, data.labels))
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_file(weights_of_a_backbone(), weights)
        assert new(config=replace(CONFIG, weights=str(weights)))  # another content under the same name


def test_what_does_not_decide_shares_the_file(data, tmp_path, count_backbones):
    weights = tmp_path / "w.safetensors"
    save_file(weights_of_a_backbone(), weights)
    config = replace(CONFIG, weights=str(weights))
    cache = tmp_path / "cache"
    make(data, cache, config)
    make(data, cache, config, seed=1)  # no chance in one view of given weights
    make(data, cache, config, batch_size=3)
    make(data, cache, config, crop=CropConfig(flip=0.0))
    make(data, cache, replace(config, drop_rate=0.5, drop_path_rate=0.1))
    make(ArrayImages(data.images, 1 - data.labels), cache, config)
    moved = tmp_path / "moved.safetensors"
    weights.rename(moved)
    make(data, cache, replace(config, weights=str(moved)))
    assert len(count_backbones) == 1


def damage(path, kind):
    content = bytearray(path.read_bytes())
    if kind == "bit":
        content[-5] ^= 1
    elif kind == "cut":
        content = content[:-8]
    elif kind == "empty":
        content = bytearray()
    elif kind == "head":
        content[3] = 255
    elif kind == "text":
        content = bytearray(b"nothing of the kind, but long enough")
    elif kind == "plain":
        save_file({"features": torch.zeros(10, 1, 4)}, path)
        return
    elif kind == "shape":
        content = bytearray(bytes(content).replace(b'"shape": [10, 1, ', b'"shape": [1, 10, '))
    path.write_bytes(content)


@pytest.mark.parametrize("kind", ["bit", "cut", "empty", "head", "text", "plain", "shape"])
def test_damaged_files_are_computed_again_with_a_message(data, tmp_path, kind):
    first, _ = make(data, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    damage(path, kind)
    again, said = make(data, tmp_path)
    assert torch.equal(again, first)
    (line,) = said
    assert str(path) in line
    assert "computed again" in line
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_other_features_is_not_used(data, tmp_path):
    make(data, tmp_path)
    (first,) = tmp_path.iterdir()
    make(data, tmp_path, seed=1)
    (second,) = set(tmp_path.iterdir()) - {first}
    second.write_bytes(first.read_bytes())
    expected, _ = make(data, seed=1)
    bank, said = make(data, tmp_path, seed=1)
    assert torch.equal(bank, expected)
    assert "it holds other features" in said[0]


def test_without_a_listener_the_message_is_a_warning(data, tmp_path):
    make(data, tmp_path)
    (path,) = tmp_path.iterdir()
    damage(path, "bit")
    with pytest.warns(UserWarning, match="its checksum is wrong"):
        feature_bank(CONFIG, data, image_size=32, crop=CropConfig(), batch_size=4, cache=tmp_path)


def test_an_interrupted_bank_leaves_no_file(data, tmp_path):
    def stop(count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(data, tmp_path, tick=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_is_told_before_the_work(data, tmp_path, count_backbones):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match="cache"):
        make(data, tmp_path / "cache")
    assert not count_backbones


def test_features_that_are_not_finite_are_refused(data, tmp_path):
    state, path, cache = weights_of_a_backbone(), tmp_path / "w.safetensors", tmp_path / "cache"
    config = replace(CONFIG, weights=str(path))
    state["layer4.0.bn2.bias"] += 1e5
    save_file(state, path)
    assert make(data, cache, config)[0].max() > 65504
    with pytest.raises(DataError, match=r"not finite for image 0; look at its weights; float16 ends at 65504"):
        make(data, cache, config, dtype="float16")
    state["conv1.0.weight"] = torch.full_like(state["conv1.0.weight"], torch.nan)
    save_file(state, path)
    files = len(list(cache.iterdir()))
    with pytest.raises(DataError, match=r"not finite for image 0; look at its weights$"):
        make(data, cache, config)
    assert len(list(cache.iterdir())) == files


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 0}, "views must be at least 1, got 0"),
        ({"dtype": "bfloat16"}, "dtype must be 'float32' or 'float16'"),
    ],
)
def test_refuses(data, options, message):
    with pytest.raises(ValueError, match=message):
        make(data, **options)


@pytest.mark.gpu
def test_on_a_gpu(data, tmp_path):
    on_gpu, _ = make(data, tmp_path, device="cuda", views=2)
    assert not on_gpu.is_cuda
    torch.testing.assert_close(on_gpu, make(data, views=2)[0], atol=1e-3, rtol=1e-3)
