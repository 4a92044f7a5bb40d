"""Exported files: they give the model's points for any batch, say what the points mean, and are kept only then."""

import json

import pytest
import torch
from torch import nn

from hyperdml.errors import ConfigError, EnvironmentProblem
from hyperdml.geometry import distance
from hyperdml.models import EmbeddingModel, HeadConfig, ModelConfig
from hyperdml.models import export as export_module
from hyperdml.models.export import export_model

SIZE = 32
HEADS = {
    "released": HeadConfig(embedding_size=8),
    "plain": HeadConfig("plain", 8, c=0.5, clip_r=1.0, riemannian_gradient=False),
    "scaled": HeadConfig("scaled", 8, c=1.0, soft_clip=True),
}


class TinyBackbone(nn.Module):
    """Stands in for timm's: exporting a real one takes seconds."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 16, 8, 8), nn.BatchNorm2d(16), nn.GELU())

    def forward(self, images):
        return self.net(images).mean((2, 3))


def made(head="released", tiny=True, backbone="test_resnet", size=SIZE, **settings):
    torch.manual_seed(0)
    model = EmbeddingModel(ModelConfig(backbone, "none", HEADS[head], **settings), size)
    if tiny:
        model.backbone = TinyBackbone()
        model.head.linear = nn.Linear(16, 8)
        if head != "plain":
            model.head.norm = nn.LayerNorm(16, elementwise_affine=False)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.1, 0.1)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    return model


def run_onnx(path, images):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["hyperdml"])
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0]), about


def run_torch(path, images):
    files = {"hyperdml.json": ""}
    program = torch.export.load(path, extra_files=files)
    return program.module()(images), json.loads(files["hyperdml.json"])


RUN = {"onnx": (run_onnx, "model.onnx"), "torch-export": (run_torch, "model.pt2")}


def points_of(model, images):
    with torch.no_grad():
        return model.eval()(images)


@pytest.fixture(params=RUN)
def format(request):
    if request.param == "onnx":
        for name in ("onnx", "onnxscript", "onnxruntime"):
            pytest.importorskip(name)
    return request.param


@pytest.mark.filterwarnings("ignore")  # of the readers
@pytest.mark.parametrize("head", HEADS)
def test_the_file_gives_the_points_of_the_model(tmp_path, format, head):
    run, name = RUN[format]
    model = made(head)
    report = export_model(model, tmp_path / name, format)
    assert model.training
    assert next(model.parameters()).requires_grad
    c = model.config.head.c
    for count in (1, 4, 7):  # none of them looked at before
        images = torch.randn(count, 3, SIZE, SIZE)
        points, about = run(tmp_path / name, images)
        expected = points_of(model, images)
        assert points.shape == (count, 8)
        assert points.dtype == torch.float32
        assert distance(points.double(), expected.double(), c).max() <= 1e-4
    assert about["c"] == c
    assert about["image_size"] == SIZE
    assert about["pixels"] == "normalised"
    assert (report.image_size, report.normalised) == (SIZE, False)
    assert 0 <= report.error <= report.tolerance == 1e-4
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.filterwarnings("ignore")
def test_normalisation_in_the_file(tmp_path, format):
    run, name = RUN[format]
    model = made()
    export_model(model, tmp_path / name, format, normalise=True)
    images = torch.rand(3, 3, SIZE, SIZE)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.mean, model.std))
    points, about = run(tmp_path / name, images)
    torch.testing.assert_close(points, points_of(model, (images - mean) / std), rtol=1e-4, atol=1e-5)
    assert about["pixels"] == "RGB in [0, 1]"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("backbone", "settings"),
    [
        ("test_vit", {"pooling": "avg", "freeze": ("patch_embed",)}),
        pytest.param("test_resnet", {"pooling": "avg_max", "freeze_bn": "all"}, marks=pytest.mark.slow),
        pytest.param("deit_tiny_distilled_patch16_224", {"pooling": "cls_train"}, marks=pytest.mark.slow),
    ],
)
def test_real_backbones(tmp_path, backbone, settings):
    model = made("released", False, backbone, **settings)
    export_model(model, tmp_path / "model.pt2", "torch-export")
    images = torch.randn(2, 3, SIZE, SIZE)
    torch.testing.assert_close(run_torch(tmp_path / "model.pt2", images)[0], points_of(model, images))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("backbone", "size", "settings"),
    [
        ("resnet50", 64, {"pooling": "avg_max"}),
        ("vit_s", 64, {}),
        ("deit_s", 64, {"pooling": "cls_train"}),
        ("dinov2_s", 56, {}),
        ("convnext_t", 64, {}),
        ("swin_t", 64, {}),
    ],
)
def test_the_presets_as_onnx(tmp_path, backbone, size, settings):
    pytest.importorskip("onnxscript")
    model = made("released", False, backbone, size, **settings)
    export_model(model, tmp_path / "model.onnx", "onnx")
    images = torch.randn(3, 3, size, size)
    points, _ = run_onnx(tmp_path / "model.onnx", images)
    assert distance(points.double(), points_of(model, images).double(), 0.1).max() <= 1e-4


@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_a_file_with_other_points_is_not_kept(tmp_path, monkeypatch, wrong):
    def bent(net, images, file, about):
        file.write_bytes(b"the new one")
        return lambda batch: net(batch) + (wrong if len(batch) == 5 else 0)

    monkeypatch.setattr(export_module, "_write_torch", bent)
    (tmp_path / "model.pt2").write_bytes(b"the old one")
    with pytest.raises(
        EnvironmentProblem, match=r"differ from the model's by up to .* more than 0.0001; .* not written"
    ):
        export_model(made(), tmp_path / "model.pt2", "torch-export")
    assert (tmp_path / "model.pt2").read_bytes() == b"the old one"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_model_that_torch_cannot_export(tmp_path):
    class Peeking(nn.Module):
        def forward(self, images):
            return images.mean((2, 3)).repeat(1, 6)[:, :16] * (1 if images.sum() > 0 else 2)

    model = made()
    model.backbone = Peeking()
    with pytest.raises(EnvironmentProblem, match="torch-export: torch cannot export 'test_resnet'"):
        export_model(model, tmp_path / "model.pt2", "torch-export")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_missing_packages(tmp_path, monkeypatch, name):
    monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(EnvironmentProblem, match=rf"{name}: pip install 'hyperdml\[export\]'"):
        export_model(made(), tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("model.pt", {}, ConfigError, "onnx: the file must end in .onnx, got .*model.pt"),
        ("model.onnx", {"format": "torch-export"}, ConfigError, "torch-export: the file must end in .pt2"),
        ("model.onnx", {"format": "tflite"}, ValueError, "format must be one of onnx, torch-export, got 'tflite'"),
        ("model.onnx", {"tolerance": 0.0}, ValueError, "tolerance must be positive, got 0.0"),
    ],
)
def test_messages(tmp_path, name, options, error, message):
    with pytest.raises(error, match=message):
        export_model(made(), tmp_path / name, **options)


def test_a_model_without_a_size(tmp_path):
    with pytest.raises(ConfigError, match=r"does not say for which image size .* set model.image_size"):
        export_model(made(size=None), tmp_path / "model.onnx")
