"""`hyperdml export` and `hyperdml push`."""

import json

import pytest
import torch
from cli.commands import run

from hyperdml.models import EmbeddingModel, HeadConfig, ModelConfig, hub
from hyperdml.models import export as export_module
from hyperdml.models.export import ExportReport


@pytest.fixture
def model(tmp_path):
    model = EmbeddingModel(ModelConfig("test_resnet", "none", HeadConfig(embedding_size=4)), 32).eval()
    model.save_pretrained(tmp_path / "run" / "model")
    return model


@pytest.mark.filterwarnings("ignore")
def test_torch_export_of_a_run(model, tmp_path):
    code, out, _ = run("export", "run", "--torch-export", "net.pt2", "--normalise", cwd=tmp_path)
    assert code == 0
    assert out.startswith(
        "net.pt2 written: RGB in [0, 1] of 32 x 32 pixels to 4 dimensions, c = 0.1; its points are within"
    )
    images = torch.rand(2, 3, 32, 32)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.mean, model.std))
    with torch.no_grad():
        expected = model((images - mean) / std)
    torch.testing.assert_close(torch.export.load(tmp_path / "net.pt2").module()(images), expected)


def test_onnx_as_json(model, tmp_path, monkeypatch):
    def export_model(model, path, format, **options):
        assert options == {"normalise": False, "tolerance": 1e-3}
        return ExportReport(path, format, 2e-6, 1e-3, 32, False)

    monkeypatch.setattr(export_module, "export_model", export_model)
    code, out, _ = run("export", "run/model", "--onnx", "n.onnx", "--tolerance", "1e-3", "--json", cwd=tmp_path)
    assert code == 0
    assert json.loads(out) == {
        "path": "n.onnx",
        "format": "onnx",
        "error": 2e-6,
        "tolerance": 1e-3,
        "image_size": 32,
        "normalised": False,
        "c": 0.1,
    }


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "give one of --onnx FILE and --torch-export FILE"),
        (("--onnx", "a.onnx", "--torch-export", "a.pt2"), 2, "give one of --onnx FILE and --torch-export FILE"),
        (("--onnx", "a.pt2"), 2, "the file must end in .onnx, got a.pt2"),
        (("--torch-export", "no/a.pt2"), 2, "there is no folder no to write a.pt2 into"),
        (("--torch-export", "a.pt2", "--tolerance", "0"), 2, "--tolerance must be positive, got 0"),
    ],
)
def test_export_refuses(model, tmp_path, words, code, message):
    found, _, err = run("export", "run", *words, cwd=tmp_path)
    assert (found, message in err) == (code, True)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_is_no_model(tmp_path):
    assert run("export", ".", "--onnx", "a.onnx", cwd=tmp_path)[0] == 3
    assert run("push", ".", "user/name", cwd=tmp_path)[0] == 3


@pytest.mark.parametrize("public", [False, True])
def test_push(model, tmp_path, monkeypatch, public):
    pushed = []

    def push_folder(folder, repo, *, private):
        pushed.append((folder.name, sorted(path.name for path in folder.iterdir()), repo, private))
        return "https://hub/commit/1"

    monkeypatch.setattr(hub, "push_folder", push_folder)
    (tmp_path / "run" / "model" / "README.md").unlink()  # of a model saved before there were cards
    code, out, _ = run("push", "run", "user/name", *["--public"] * public, cwd=tmp_path)
    assert (code, out) == (0, f"run/model is on the hub, {'public' if public else 'private'}: https://hub/commit/1\n")
    assert pushed == [("model", ["README.md", "config.json", "model.safetensors"], "user/name", not public)]


def test_a_damaged_model_is_not_pushed(model, tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "push_folder", None)
    path = tmp_path / "run" / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    code, _, err = run("push", "run", "user/name", cwd=tmp_path)
    assert (code, "model.safetensors" in err) == (3, True)
