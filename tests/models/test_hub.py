"""The hub: models from its cache and into it, against a stand-in; model cards that its own reader takes."""

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

from hyperdml.errors import ConfigError, DataError, EnvironmentProblem
from hyperdml.models import EmbeddingModel, HeadConfig, ModelConfig, hub
from hyperdml.models.hub import push_folder
from hyperdml.models.model_card import model_card

CONFIG = ModelConfig("test_efficientnet", "none", HeadConfig(embedding_size=8, c=0.25, clip_r=1.5))


def http_error(kind, message):
    """An error of the hub's client, without the answer of a server that its constructor asks for."""
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.server_message = None
    return error


@pytest.fixture
def model():
    return EmbeddingModel(CONFIG, 48).eval()


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr(hub, "_check_reachable", lambda otherwise: None)


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


# reading


def test_a_folder_goes_before_the_hub(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save_pretrained("user/name")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(EmbeddingModel.from_pretrained("user/name")(images), model(images))


@pytest.mark.parametrize("source", [Path("user/name"), "name", "a/b/c", "no such/name", "../name/"])
def test_what_is_no_name_on_the_hub_is_a_folder(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    with pytest.raises(DataError, match=r"cannot read the model configuration .*config\.json"):
        EmbeddingModel.from_pretrained(source)


@pytest.mark.parametrize("state", ["online", "offline"])
def test_a_model_of_the_hub(model, tmp_path, monkeypatch, state, request):
    request.getfixturevalue(state)
    asked = []

    def download(repo, **options):
        asked.append((repo, options["revision"], options["local_files_only"]))
        model.save_pretrained(tmp_path / "snapshot")
        return str(tmp_path / "snapshot")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    loaded = EmbeddingModel.from_pretrained("user/name", revision="v1")
    assert loaded.config == CONFIG
    assert asked == [("user/name", "v1", state == "offline")]


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            http_error(RepositoryNotFoundError, "404"),
            DataError,
            "user/name: the hub has none of this name.* hf auth login",
        ),
        (
            http_error(HfHubHTTPError, "503 busy\nmore"),
            EnvironmentProblem,
            "cannot download the model user/name: 503 busy$",
        ),
        (LocalEntryNotFoundError("no connection"), EnvironmentProblem, "user/name: no connection$"),
    ],
)
def test_what_the_hub_refuses(online, monkeypatch, error, kind, message):
    def download(repo, **options):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(kind, match=message):
        EmbeddingModel.from_pretrained("user/name")


def test_offline_and_not_in_the_cache(offline, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        EnvironmentProblem, match="user/name is neither a folder here nor in the local cache, and HF_HUB_OFF"
    ):
        EmbeddingModel.from_pretrained("user/name")


# pushing


class FakeApi:
    """The part of HfApi that is used; a repository is private or public, or raises."""

    def __init__(self, private=None, error=None):
        self.private, self.error, self.token, self.files = private, error, None, {}

    def __call__(self, token):
        self.token = token
        return self

    def create_repo(self, repo, private, exist_ok):
        assert exist_ok
        if self.error:
            raise self.error
        self.private = private if self.private is None else self.private

    def repo_info(self, repo):
        return SimpleNamespace(private=self.private)

    def upload_folder(self, repo_id, folder_path, allow_patterns, commit_message):
        self.files = {name: (Path(folder_path) / name).read_bytes() for name in allow_patterns}
        return SimpleNamespace(commit_url=f"https://hub/{repo_id}/commit/1")


def test_push(model, online, monkeypatch, tmp_path):
    api = FakeApi()
    monkeypatch.setattr(huggingface_hub, "HfApi", api)
    assert model.push_to_hub("user/name", card="# Mine\n", token="secret") == "https://hub/user/name/commit/1"
    assert (api.private, api.token) == (True, "secret")
    assert api.files["README.md"] == b"# Mine\n"
    for name, content in api.files.items():
        (tmp_path / name).write_bytes(content)
    images = torch.randn(2, 3, 48, 48)
    assert torch.equal(EmbeddingModel.from_pretrained(tmp_path)(images), model(images))
    assert b"secret" not in b"".join(api.files.values())


@pytest.mark.parametrize("private", [True, False])
def test_who_may_see_a_repository_is_not_left_to_chance(model, online, monkeypatch, private):
    api = FakeApi(private=not private)
    monkeypatch.setattr(huggingface_hub, "HfApi", api)
    kind = "public" if private else "private"
    with pytest.raises(ConfigError, match=f"user/name exists and is {kind}: push it as {kind}, or change it"):
        model.push_to_hub("user/name", private=private)
    assert not api.files


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (http_error(HfHubHTTPError, "401 Unauthorized\nlong"), EnvironmentProblem, "cannot push .* 401 Unauthorized$"),
        (HFValidationError("Repo id must be in the form"), DataError, "cannot push .* Repo id must be in the form"),
    ],
)
def test_what_the_hub_refuses_to_take(tmp_path, online, monkeypatch, error, kind, message):
    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi(error=error))
    with pytest.raises(kind, match=message):
        push_folder(tmp_path, "user/name")


@pytest.mark.parametrize("repo", ["name", "user/name/more", "user/", "user/a name", "https://hub/user/name"])
def test_names_of_repositories(tmp_path, offline, repo):
    with pytest.raises(ConfigError, match=f"the repository must be USER/NAME, got '{repo}'"):
        push_folder(tmp_path, repo)


def test_push_without_the_net(model, offline):
    with pytest.raises(EnvironmentProblem, match="was not pushed, and HF_HUB_OFFLINE"):
        model.push_to_hub("user/name")


# cards


def front(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_the_hub_reads_the_card(model):
    text = model_card(
        model,
        title="HIER on CUB | 8",
        data="CUB-200-2011 (class-disjoint)",
        metrics={"R@1": 0.701, "R@2": 1, "MAP@R": float("nan")},
        config={"seed": 0, "data": {"root": "/home/someone/CUB"}, "batch": {"sizes": (1, 2)}, "note": "a: [b"},
        license="apache-2.0",
    )
    data = ModelCard(text).data  # checks the model index
    assert (data.library_name, data.license, data.model_name) == ("hyperdml", "apache-2.0", "HIER on CUB | 8")
    found = {(r.dataset_type, r.dataset_name, r.metric_type): r.metric_value for r in data.eval_results}
    name = "CUB-200-2011 (class-disjoint)"
    assert found == {
        ("cub-200-2011-class-disjoint", name, "R@1"): 0.701,
        ("cub-200-2011-class-disjoint", name, "R@2"): 1,
    }
    body = text.split("---\n", 2)[2]
    assert "\n# HIER on CUB \\| 8\n" in body
    assert "| R@1 | 0.701 |" in body
    assert "nan" not in body
    run = yaml.safe_load(body.split("````")[1].removeprefix("yaml"))
    assert run == {"seed": 0, "data": {"root": "CUB"}, "batch": {"sizes": [1, 2]}, "note": "a: [b"}


def test_the_card_tells_the_geometry_and_the_pixels(model):
    text = model_card(model)
    assert "c = 0.25, a ball of radius 2 |" in text
    assert "no point is further than 3 from the origin" in text
    assert "48 x 48 pixels" in text
    assert "`test_efficientnet`" in text
    assert {"license", "model-index", "base_model"}.isdisjoint(front(text))
    assert f"torch {torch.__version__.split('+')[0]}" in text


def test_the_weights_a_model_comes_from():
    model = EmbeddingModel(CONFIG)
    model.config = ModelConfig("vit_small_patch16_224.dino", "hub")
    assert front(model_card(model))["base_model"] == "timm/vit_small_patch16_224.dino"


def test_a_model_is_saved_with_its_card(model, tmp_path):
    model.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == model_card(model)
    model.save_pretrained(tmp_path, model_card(model, title="Another"))
    assert "# Another" in (tmp_path / "README.md").read_text()
    assert json.loads((tmp_path / "config.json").read_text())["image_size"] == 48


def test_figures_need_data(model):
    with pytest.raises(ValueError, match="metrics need data"):
        model_card(model, metrics={"R@1": 0.5})
