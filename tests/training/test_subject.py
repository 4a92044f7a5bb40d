"""What the commands that show something look at: runs, their controls, files of embeddings, images that are gone."""

import shutil
from dataclasses import replace

import pytest
import torch
from training.classify_case import Quiet

from hyperdml.data import EmbeddingSet, load_splits
from hyperdml.data.miniatures import make_cub
from hyperdml.errors import ConfigError, DataError
from hyperdml.training.folder import create_run
from hyperdml.training.retrieval.run import execute
from hyperdml.training.settings import config_from_dict
from hyperdml.training.subject import subject_of
from hyperdml.viz.subject import Subject


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three arms with snapshots, and its configuration."""
    root = make_cub(tmp_path_factory.mktemp("cub"))
    values = {
        "workers": 0,
        "snapshot_epochs": [2, 1],
        "data": {"name": "cub", "root": str(root), "complete": False, "image_size": 32},
        "crop": {"kind": "resized"},
        "model": {"backbone": "test_efficientnet", "weights": "none", "head": {"embedding_size": 8}},
        "batch": {"size": 8},
        "hier": {"mode": "official", "num_proxies": 8, "k": 4, "per_anchor": 5},
        "optim": {"epochs": 2},
        "evaluation": {"ks": [1], "controls": ["metric", "triplet"], "draws": 2},
    }
    config = config_from_dict(values, "test")
    folder = tmp_path_factory.mktemp("runs") / "birds"
    create_run(config, folder)
    execute(config, folder, Quiet(), folder.parent / "features")
    return folder, config


@pytest.fixture(autouse=True)
def _features(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_run_comes_with_its_images_arms_and_epochs(run):
    folder, config = run
    found = subject_of(folder)
    test = load_splits(config.data).test
    assert found.title == "birds"
    assert len(found) == len(test)
    assert found.images.key == test.images.key
    assert found.missing == ""
    assert found.coarse_names == test.coarse_names
    assert found.clip_r == config.model.head.clip_r
    assert found.own_title == "Proxy Anchor + HIER (official)"
    assert list(found.arms) == ["Proxy Anchor", "Proxy Anchor + triplets of HIER (official)"]
    assert torch.equal(found.arms["Proxy Anchor"].points, EmbeddingSet.load(folder / "controls" / "metric").points)
    assert list(found.epochs) == [1, 2]
    assert torch.equal(found.epochs[2].points, found.embeddings.points)  # the last epoch


def test_a_control_is_a_subject_with_the_other_arms_beside_it(run):
    folder, _ = run
    found = subject_of(folder / "controls" / "metric", images=False)
    assert (found.title, found.images, found.coarse_names) == ("metric", None, ())
    assert torch.equal(found.embeddings.points, EmbeddingSet.load(folder / "controls" / "metric").points)
    assert list(found.arms) == ["Proxy Anchor + triplets of HIER (official)", "Proxy Anchor + HIER (official)"]


def test_the_training_part_is_embedded_by_the_model_of_the_run(run):
    folder, config = run
    found = subject_of(folder, "train")
    train = load_splits(config.data).train
    assert found.embeddings.class_names == train.class_names
    assert found.embeddings.labels.tolist() == train.labels.tolist()
    assert torch.equal(found.embeddings.proxies, EmbeddingSet.load(folder).proxies)
    assert found.embeddings.points.isfinite().all()
    assert not torch.equal(found.embeddings.points[: len(train)], EmbeddingSet.load(folder).points[: len(train)])


def test_images_that_are_gone_are_said_and_nothing_else_is_lost(run, tmp_path):
    folder, _ = run
    copy = shutil.copytree(folder, tmp_path / "copy")
    text = (copy / "config.yaml").read_text()
    root = load_root(text)
    (copy / "config.yaml").write_text(text.replace(root, str(tmp_path / "moved")))
    found = subject_of(copy)
    assert found.images is None
    assert str(tmp_path / "moved") in found.missing
    assert len(found.arms) == 2
    with pytest.raises(DataError, match="moved"):
        subject_of(copy, "train")


def load_root(text):
    return next(line.split(": ", 1)[1] for line in text.splitlines() if line.strip().startswith("root: "))


def test_a_file_of_embeddings_finds_its_images_by_their_ids(tmp_path):
    points = torch.zeros(2, 3)
    stored = EmbeddingSet(points, 0.1, ids=("a/x.png", "b/y.png"), root=str(tmp_path))
    stored.save(tmp_path / "mine.safetensors")
    found = subject_of(tmp_path / "mine.safetensors")
    assert found.title == "mine"
    assert found.images.paths == ("a/x.png", "b/y.png")
    replace(stored, root=str(tmp_path / "nowhere")).save(tmp_path / "lost.safetensors")
    assert "nowhere" in subject_of(tmp_path / "lost.safetensors").missing
    replace(stored, ids=None).save(tmp_path / "bare.safetensors")
    assert "does not say where its images are" in subject_of(tmp_path / "bare.safetensors").missing


def test_what_has_no_embeddings_is_refused(run, tmp_path):
    with pytest.raises(DataError, match=r"embeddings\.safetensors is missing"):
        subject_of(tmp_path)
    with pytest.raises(DataError, match="training part"):
        subject_of(run[0] / "embeddings.safetensors", "train")
    create_run(config_from_dict({"task": "classification"}, "test"), tmp_path / "classes")
    with pytest.raises(ConfigError, match="run of classification"):
        subject_of(tmp_path / "classes")


def test_rows_must_belong_to_the_points():
    two, three = EmbeddingSet(torch.zeros(2, 3), 1.0), EmbeddingSet(torch.zeros(3, 3), 1.0)
    with pytest.raises(ValueError, match="arm 'other': 3 rows for 2 points"):
        Subject("x", two, arms={"other": three})
    with pytest.raises(ValueError, match="epoch 4: 3 rows for 2 points"):
        Subject("x", two, epochs={4: three})
