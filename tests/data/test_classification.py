"""Settings, emoji by vendor, folders with a taxonomy, and the drawn validation part."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hyperdml.data.classification import ClassificationDataConfig, load_classification
from hyperdml.data.classification.validation import tenth_of_each
from hyperdml.data.emoji import load_emoji as read_emoji
from hyperdml.data.image_files import UnreadableImage
from hyperdml.errors import ConfigError, DataError

TINY = ClassificationDataConfig(subset="tiny")


@cache
def load_emoji(subset="all", folder=None):
    return read_emoji(subset, folder)


@pytest.fixture(autouse=True)
def _emoji_are_decoded_once(monkeypatch):
    monkeypatch.setattr("hyperdml.data.classification.emoji.load_emoji", load_emoji)


def rows_of(part, emoji):
    """Row of the emoji set for every image of a part, by its pixels."""
    index = {image.tobytes(): row for row, image in enumerate(emoji.images)}
    return [index[part.read(k).tobytes()] for k in range(len(part))]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "cifar10"}, "data.name must be one of emoji, cifar100, aircraft, nabirds, folder, got 'cifar10'"),
        ({"evaluate_on": "train"}, "data.evaluate_on must be test or validation, got 'train'"),
        ({"image_size": 4}, "data.image_size must be at least 8, got 4"),
        ({"split_seed": -1}, "data.split_seed must not be negative, got -1"),
        ({"name": "nabirds"}, "data.name=nabirds needs data.root=FOLDER"),
        ({"name": "nabirds", "root": "x", "split": "vendor"}, "data.split of nabirds is official, got 'vendor'"),
        ({"split": "official"}, "data.split of emoji is vendor, got 'official'"),
        ({"name": "folder", "root": "x", "held_out": "noto"}, "data.held_out is an option of emoji, got 'noto' with"),
        ({"name": "cifar100", "root": "x", "subset": "tiny"}, "data.subset is an option of emoji, got 'tiny'"),
        ({"taxonomy": "tree.csv"}, "data.taxonomy is an option of folder, got 'tree.csv' with data.name=emoji"),
        ({"boxes": True}, "data.boxes is an option of nabirds"),
        ({"complete": False}, "data.complete is an option of cifar100 and aircraft and nabirds, got False"),
        ({"held_out": "twemojo"}, "data.held_out must be one of noto, .*, got 'twemojo', did you mean 'twemoji'"),
    ],
)
def test_settings_that_do_not_go_together(options, message):
    with pytest.raises(ConfigError, match=message):
        load_classification(ClassificationDataConfig(**options))


def test_the_bundled_set_as_a_whole():
    found = load_classification(ClassificationDataConfig())
    assert (len(found.train), len(found.test)) == (4 * 1068, 1068)
    taxonomy = found.taxonomy
    assert np.bincount(taxonomy.depths).tolist() == [1, 8, 93, 1068]
    assert np.bincount(found.train.labels).tolist() == [4] * 1068
    assert sorted(found.test.labels) == list(range(1068))


@pytest.mark.parametrize("held_out", [None, "noto", "noto-v1", "twemoji", "fluent", "emojione-v2"])
def test_one_vendor_is_held_out(held_out):
    emoji = load_emoji("tiny")
    vendor = emoji.vendor_names.index(held_out or "noto")
    test = load_classification(replace(TINY, held_out=held_out))
    assert {emoji.vendors[row] for row in rows_of(test.test, emoji)} == {vendor}
    assert {emoji.vendors[row] for row in rows_of(test.train, emoji)} == set(range(5)) - {vendor}
    tuning = load_classification(replace(TINY, held_out=held_out, evaluate_on="validation"))
    after = (vendor + 1) % 5
    assert {emoji.vendors[row] for row in rows_of(tuning.test, emoji)} == {after}
    assert {emoji.vendors[row] for row in rows_of(tuning.train, emoji)} == set(range(5)) - {vendor, after}
    for part in (test.train, test.test, tuning.train, tuning.test):
        names = [emoji.class_names[emoji.labels[row]] for row in rows_of(part, emoji)]
        assert [test.taxonomy.leaves[label] for label in part.labels] == names
        assert len(set(names)) == 120


def test_vendors_draw_differently():
    emoji = load_emoji()
    by_vendor = np.stack([emoji.images[emoji.vendors == vendor] for vendor in range(5)]).astype(np.int16)
    for a in range(5):
        for b in range(a):
            apart = np.abs(by_vendor[a] - by_vendor[b]).mean(axis=(1, 2, 3))
            assert apart.min() > 0, "no tile of one is a tile of the other"
            assert (apart < 2).mean() <= 0.003
            assert np.median(apart) > 30


def test_a_set_with_too_few_vendors(tmp_path, monkeypatch):
    emoji = load_emoji("tiny")
    two = emoji.vendors < 2
    small = replace(
        emoji, images=emoji.images[two], labels=emoji.labels[two], vendors=emoji.vendors[two], vendor_names=("a", "b")
    )
    monkeypatch.setattr("hyperdml.data.classification.emoji.load_emoji", lambda subset, folder: small)
    assert len(load_classification(TINY).train) == 120
    with pytest.raises(DataError, match=r"2 vendors are too few, data\.evaluate_on=validation needs 3"):
        load_classification(replace(TINY, evaluate_on="validation"))


def test_a_class_that_only_the_held_out_vendor_drew(monkeypatch):
    emoji = load_emoji("tiny")
    kept = (emoji.labels != 7) | (emoji.vendors == 0)
    small = replace(emoji, images=emoji.images[kept], labels=emoji.labels[kept], vendors=emoji.vendors[kept])
    monkeypatch.setattr("hyperdml.data.classification.emoji.load_emoji", lambda subset, folder: small)
    name = emoji.class_names[7]
    with pytest.raises(DataError, match=f"1 classes are evaluated but have no training images: '{name}'"):
        load_classification(TINY)
    assert 7 not in load_classification(replace(TINY, held_out="fluent")).test.labels


@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=12), seed=st.integers(0, 99))
def test_a_tenth_of_each_class(sizes, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    drawn = tenth_of_each(labels, seed)
    for label, size in enumerate(sizes):
        count = int(drawn[labels == label].sum())
        assert count == (0 if size < 2 else max(1, int(size / 10 + 0.5)))
    np.testing.assert_array_equal(drawn, tenth_of_each(labels, seed))


def test_the_tenth_depends_on_the_seed_and_on_nothing_else_of_the_class():
    labels = np.repeat(np.arange(3), 500)
    assert (tenth_of_each(labels, 0) != tenth_of_each(labels, 1)).any()
    shares = np.mean([tenth_of_each(labels, seed) for seed in range(200)], axis=0)
    assert abs(shares - 0.1).max() < 0.1  # no image is favoured: 4.7 standard deviations


def photos(root, **parts):
    """`part={"class": count}` as root/part/class/0.png, each of its own colour."""
    for part, classes in parts.items():
        for name, count in classes.items():
            for k in range(count):
                path = root / part / name / f"{k}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (12, 9), (len(part), len(name), k)).save(path)
    return root


def folder_config(root, **options):
    return ClassificationDataConfig(name="folder", root=str(root), **options)


def test_folder_without_a_taxonomy(tmp_path):
    root = photos(tmp_path / "set", train={"wren": 3, "finch": 2, "root": 2}, test={"wren": 1, "finch": 2})
    found = load_classification(folder_config(root))
    assert found.taxonomy.names == ("finch", "root", "wren", "all classes")
    assert found.train.labels.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert found.test.labels.tolist() == [0, 0, 2]
    assert found.test.paths == ("test/finch/0.png", "test/finch/1.png", "test/wren/0.png")
    assert found.test.read(1)[0, 0].tolist() == [4, 5, 1]
    assert found.test.read(1).shape == (9, 12, 3)
    tuning = load_classification(folder_config(root, evaluate_on="validation"))
    assert len(tuning.train) + len(tuning.test) == 7
    assert not set(tuning.train.paths) & set(tuning.test.paths)
    assert {path.split("/")[0] for path in tuning.train.paths + tuning.test.paths} == {"train"}
    photos(root, val={"root": 4})
    assert load_classification(folder_config(root, evaluate_on="validation")).test.labels.tolist() == [1] * 4


def test_folder_with_a_taxonomy(tmp_path):
    root = photos(tmp_path / "set", train={"wren": 2, "finch": 2, "trout": 2}, test={"trout": 1})
    (tmp_path / "tree.csv").write_text(
        "parent,child\nanimal,bird\nanimal,fish\nbird,wren\nbird,finch\nbird,auk\nfish,trout\n"
    )
    found = load_classification(folder_config(root, taxonomy=str(tmp_path / "tree.csv")))
    assert found.taxonomy.leaves == ("finch", "trout", "wren")
    assert "auk" not in found.taxonomy.names
    assert [found.taxonomy.leaves[label] for label in found.test.labels] == ["trout"]
    assert found.taxonomy.lca_height("wren", "finch") == 1
    photos(root, train={"wern": 1, "auk": 1})
    with pytest.raises(
        DataError, match=r"tree\.csv: 1 of 5 classes .*\n- 'wern' is not in the file, did you mean 'wren'"
    ):
        load_classification(folder_config(root, taxonomy=str(tmp_path / "tree.csv")))
    with pytest.raises(DataError, match=r"cannot read .*none\.csv"):
        load_classification(folder_config(root, taxonomy=str(tmp_path / "none.csv")))


def test_class_folders_called_by_ids(tmp_path):
    (tmp_path / "cells.obo").write_text(
        "format-version: 1.2\n\n[Term]\nid: CL:1\nname: cell\n\n[Term]\nid: CL:2\nname: neuron\nis_a: CL:1\n\n"
        "[Term]\nid: CL:3\nname: acinar cell\nis_a: CL:1\n"
    )
    root = photos(tmp_path / "set", train={"CL:2": 1, "CL:3": 1}, test={"CL:3": 1})
    found = load_classification(folder_config(root, taxonomy=str(tmp_path / "cells.obo")))
    assert found.taxonomy.leaves == ("neuron", "acinar cell")
    assert found.test.labels.tolist() == [1]


def test_broken_folders(tmp_path):
    root = tmp_path / "set"
    with pytest.raises(DataError, match=r"data.root: no such folder: .*set/train; images are expected as train/CLASS"):
        load_classification(folder_config(root))
    photos(root, train={"a": 2})
    with pytest.raises(DataError, match="needs at least 2 classes, found 'a'"):
        load_classification(folder_config(root))
    photos(root, train={"b": 2})
    with pytest.raises(DataError, match=r"no such folder: .*set/test"):
        load_classification(folder_config(root))
    (root / "test" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no images .* in .*set/test"):
        load_classification(folder_config(root))
    photos(root, test={"c": 1, "d": 1})
    with pytest.raises(DataError, match="2 classes of test are not in train: 'c', 'd'"):
        load_classification(folder_config(root))
    Image.new("RGB", (4, 4)).save(root / "train" / "loose.png")
    with pytest.raises(DataError, match=r"1 images are in no class folder: 'loose\.png'"):
        load_classification(folder_config(root))


def test_folders_that_cannot_be_classes(tmp_path):
    root = photos(tmp_path / "set", train={"cat": 1, "cat ": 1}, test={"cat": 1})
    with pytest.raises(DataError, match=r"its folders cannot be classes: .*'cat'"):
        load_classification(folder_config(root))
    root = photos(tmp_path / "other", train={"cat": 1, "d\x01g": 1}, test={"cat": 1})
    (tmp_path / "tree.csv").write_text("parent,child\nanimal,cat\nanimal,dog\n")
    for taxonomy in (None, str(tmp_path / "tree.csv")):
        with pytest.raises(DataError, match=r"name 'd\\x01g' holds a control character"):
            load_classification(folder_config(root, taxonomy=taxonomy))


def test_classes_of_one_image_leave_nothing_to_validate_on(tmp_path):
    root = photos(tmp_path, train={"a": 1, "b": 1})
    with pytest.raises(DataError, match="there are no validation images"):
        load_classification(folder_config(root, evaluate_on="validation"))


def test_broken_images_are_named_when_they_are_read(tmp_path):
    root = photos(tmp_path, train={"a": 2, "b": 2}, test={"a": 1})
    (root / "train" / "b" / "1.png").write_text("no")
    found = load_classification(folder_config(root))
    with pytest.raises(UnreadableImage, match=r"train/b/1\.png: no image in a known format"):
        found.train.read(3)
