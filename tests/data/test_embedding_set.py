"""Stored embeddings: everything comes back, and damage is met by name."""

import os
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperdml.data import EmbeddingSet
from hyperdml.errors import DataError


def full(seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.tensor([0, 1, 0, 2**40])
    return EmbeddingSet(
        points=torch.rand(4, 3, generator=generator) / 4,
        c=0.30000000000000004,
        labels=labels % 3,
        levels=torch.stack([labels, labels % 3], 1),
        level_names=("group", "class"),
        class_names=("a", "ü\n", "<b>"),
        ids=("x/1.png", os.fsdecode(b"x/\xff.png"), "", "y z.png"),
        root="photos",
        proxies=torch.rand(2, 3, dtype=torch.float64, generator=generator) / 4,
        ks=(1, 8),
        model="abc",
        model_folder="run/model",
        image_size=64,
    )


def same(left, right):
    for field in fields(EmbeddingSet):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(one, torch.Tensor):
            assert torch.equal(one, other)
            assert one.dtype == other.dtype
        else:
            assert one == other, field.name


def test_everything_comes_back(tmp_path):
    stored = full()
    stored.save(tmp_path / "embeddings.safetensors")
    same(EmbeddingSet.load(tmp_path / "embeddings.safetensors"), stored)
    same(EmbeddingSet.load(tmp_path), stored)
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings.safetensors"]


def test_labels_may_be_a_view_of_the_levels(tmp_path):
    levels = torch.tensor([[0], [1]])
    stored = EmbeddingSet(torch.zeros(2, 2), 1.0, labels=levels[:, 0], levels=levels)
    stored.save(tmp_path / "e.safetensors")
    same(EmbeddingSet.load(tmp_path / "e.safetensors"), stored)


def test_points_alone_come_back(tmp_path):
    stored = EmbeddingSet(torch.zeros(0, 5), 1.0)
    stored.save(tmp_path / "e.safetensors")
    same(EmbeddingSet.load(tmp_path / "e.safetensors"), stored)


def test_numbers_of_numpy_come_back(tmp_path):
    replace(full(), c=np.float64(0.1)).save(tmp_path / "e.safetensors")
    same(EmbeddingSet.load(tmp_path / "e.safetensors"), replace(full(), c=0.1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": torch.zeros(4)}, r"points must be \(N, d\) floating-point numbers, got \(4,\)"),
        ({"points": torch.zeros(4, 3, dtype=torch.int64)}, "points must be .* of torch.int64"),
        ({"c": -0.3}, "c must be positive .* got -0.3"),
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"labels must have one row per point, got \(3,\) for 4 points"),
        ({"levels": torch.zeros(4, dtype=torch.int64)}, r"levels must have one row per point, got \(4,\)"),
        ({"level_names": ("class",)}, "there are 2 levels and 1 names"),
        ({"class_names": ("a",)}, "label 1 of row 1 is none of the 1 class names"),
        ({"labels": torch.tensor([0, 0, -1, 0])}, "label -1 of row 2"),
        ({"ids": ("a", "b")}, "there are 4 points and 2 ids"),
        ({"ids": ("a", "b", "c", "b")}, "id 'b' occurs twice"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, monkeypatch, change, message):
    with pytest.raises(ValueError, match=message):
        replace(full(), **change)
    with monkeypatch.context() as patch:  # a file that somebody else wrote
        patch.setattr(EmbeddingSet, "__post_init__", lambda self: None)
        replace(full(), **change).save(tmp_path / "e.safetensors")
    with pytest.raises(DataError, match=rf"cannot read .*e\.safetensors: .*{message}"):
        EmbeddingSet.load(tmp_path / "e.safetensors")


def test_class_of_items():
    assert full().class_of_items() == ["a", "ü\n", "a", "ü\n"]
    assert replace(full(), labels=None).class_of_items() is None
    assert replace(full(), class_names=()).class_of_items() is None


@given(data=st.data())
def test_a_flipped_byte_is_found(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "e.safetensors"
    full().save(path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        found, message = EmbeddingSet.load(path), ""
    except DataError as error:
        found, message = None, str(error)
    if found is None:
        assert str(path) in message
    else:  # white space of the header can change without changing what it says
        same(found, full())


@pytest.mark.parametrize("length", [0, 7, 8, 100, 700])
def test_a_cut_file_is_found(tmp_path, length):
    path = tmp_path / "e.safetensors"
    full().save(path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"e\.safetensors"):
        EmbeddingSet.load(path)


def test_missing_and_foreign_files_are_named(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(DataError, match=r"embeddings\.safetensors is missing: .* is not the folder of a finished run"):
        EmbeddingSet.load(tmp_path)
    with pytest.raises(DataError, match=r"other\.safetensors is missing"):
        EmbeddingSet.load(tmp_path / "other.safetensors")
    save_file({"points": torch.zeros(1, 2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(DataError, match=r"foreign\.safetensors does not hold embeddings of this version"):
        EmbeddingSet.load(tmp_path / "foreign.safetensors")
