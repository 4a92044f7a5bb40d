"""`hyperdml eval` of embeddings that say which of them ask and which are searched."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from hyperdml.cli.app import run
from hyperdml.data import EmbeddingSet
from hyperdml.training.retrieval.evaluate import score


def shop(seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(8).repeat_interleave(5)
    points = torch.randn(8, 3, generator=generator)[labels] + 0.7 * torch.randn(40, 3, generator=generator)
    asks = torch.arange(40) % 5 < 2
    return EmbeddingSet(
        points=points / (2 * (1 + points.norm(dim=1, keepdim=True))),
        c=0.5,
        labels=labels,
        levels=torch.stack([labels // 4, labels], 1),
        level_names=("gender", "item"),
        class_names=tuple(f"id_{k}" for k in range(8)),
        ks=(1, 10),
        queries=asks,
        gallery=~asks,
    )


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        assert run(["eval", *map(str, words)]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return call


def test_queries_are_searched_in_the_gallery(tmp_path, command):
    stored = shop()
    (tmp_path / "run").mkdir()
    stored.save(tmp_path / "run" / "embeddings.safetensors")
    found = json.loads(command("run", "--json"))
    assert (found["protocol"], found["queries"], found["references"]) == ("query against gallery", 16, 24)
    expected = score(
        stored.points,
        stored.labels,
        stored.levels,
        stored.level_names,
        stored.ks,
        stored.c,
        queries=stored.queries.numpy(),
        gallery=stored.gallery.numpy(),
    )
    for name in ("R@1", "R@10", "MAP@R", "gender MAP@R", "H-AP"):
        assert found["scores"][name] == pytest.approx(expected[name], abs=1e-9), name
    assert found["scores"]["gender R@1"] == pytest.approx(expected["gender@1"], abs=1e-9)
    assert "run, hyperbolic, query against gallery: 16 queries among 24 items" in command("run", "--intervals", "none")


def test_classes_of_one_set_need_no_names(tmp_path, command):
    shop().save(tmp_path / "named.safetensors")
    replace(shop(), class_names=()).save(tmp_path / "nameless.safetensors")
    named, nameless = (json.loads(command(f"{name}.safetensors", "--json")) for name in ("named", "nameless"))
    assert named["scores"] == nameless["scores"]


def test_the_same_as_two_files(tmp_path, command):
    stored = shop()
    stored.save(tmp_path / "both.safetensors")
    for name, mask in (("queries", stored.queries), ("gallery", stored.gallery)):
        stored.select(mask.nonzero()[:, 0]).save(tmp_path / f"{name}.safetensors")
    one = json.loads(command("both.safetensors", "--json"))["scores"]
    two = json.loads(command("queries.safetensors", "--gallery", "gallery.safetensors", "--json"))["scores"]
    # files apart number their levels apart, so that only the class counts
    assert two == {name: value for name, value in one.items() if name in two}
    assert set(one) - set(two) == {"gender R@1", "gender R@10", "gender MAP@R", "gender MAP", "H-AP", "NDCG", "ASI"}
    three = json.loads(command("both.safetensors", "--gallery", "both.safetensors", "--json"))
    assert (three["scores"], three["queries"], three["references"]) == (two, 16, 24)


def test_queries_within_the_gallery(tmp_path, command):
    every = torch.ones(40, dtype=torch.bool)
    replace(shop(), queries=every, gallery=every).save(tmp_path / "inside.safetensors")
    replace(shop(), queries=None, gallery=None).save(tmp_path / "usual.safetensors")
    inside, usual = (json.loads(command(f"{name}.safetensors", "--json")) for name in ("inside", "usual"))
    assert inside["scores"] == pytest.approx(usual["scores"], abs=1e-12)
    assert inside["protocol"] == "query against gallery, queries left out of their own neighbours"
    assert usual["protocol"] == "leave-one-out"
    assert np.isclose(inside["intervals"]["R@1"], usual["intervals"]["R@1"]).all()
