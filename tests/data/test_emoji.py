"""The bundled emoji set, its tree and its splits."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hyperdml.data.emoji import EmojiDataset, load_emoji
from hyperdml.data.emoji.dataset import BUNDLED_FOLDER
from hyperdml.errors import DataError


@pytest.fixture(scope="module")
def emoji() -> EmojiDataset:
    return load_emoji()


@pytest.fixture(scope="module")
def tiny(emoji) -> EmojiDataset:
    index = json.loads((BUNDLED_FOLDER / "emoji.json").read_text(encoding="utf8"))
    return emoji.select(np.array(index["tiny"]))


@pytest.fixture
def copy(tmp_path) -> Path:
    for name in ("emoji.json", "emoji.webp"):
        shutil.copy(BUNDLED_FOLDER / name, tmp_path)
    return tmp_path


def test_counts(emoji):
    assert emoji.images.shape == (5340, 64, 64, 3)
    assert emoji.images.dtype == np.uint8
    assert len(emoji.class_names) == len(emoji.code_points) == len(set(emoji.class_names)) == 1068
    assert emoji.vendor_names == ("noto", "noto-v1", "twemoji", "fluent", "emojione-v2")
    assert len(set(emoji.groups)) == 8
    assert len(set(emoji.subgroups)) == 93


def test_order_is_class_major_and_vendor_minor(emoji):
    np.testing.assert_array_equal(emoji.labels, np.repeat(np.arange(1068), 5))
    np.testing.assert_array_equal(emoji.vendors, np.tile(np.arange(5), 1068))


def test_left_out_emoji(emoji):
    assert "Flags" not in emoji.groups
    assert "family" not in emoji.subgroups
    assert not any(code.endswith(("2640-FE0F", "2642-FE0F")) for code in emoji.code_points)


def test_arrays_are_read_only(emoji, tiny):
    for dataset in (emoji, tiny):
        for array in (dataset.images, dataset.labels, dataset.vendors):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


def test_no_image_is_blank_or_occurs_twice(emoji):
    flat = emoji.images.reshape(len(emoji.images), -1)
    assert (flat.std(axis=1) > 1).all()
    assert len({row.tobytes() for row in flat}) == len(flat)


def test_old_sets_hold_the_sport_and_not_the_insect(emoji):
    assert "cricket game" in emoji.class_names
    assert "cricket" not in emoji.class_names


def test_files_fit_the_package():
    assert (BUNDLED_FOLDER / "emoji.webp").stat().st_size <= 10_000_000
    notice = (BUNDLED_FOLDER / "NOTICE.md").read_text(encoding="utf8")
    index = json.loads((BUNDLED_FOLDER / "emoji.json").read_text(encoding="utf8"))
    for vendor in index["vendors"]:
        assert vendor["package"] in notice
        assert vendor["licence"] in notice


def test_levels_are_consistent(emoji):
    levels = emoji.levels
    assert levels.shape == (5340, 3)
    assert levels.dtype == np.int64
    np.testing.assert_array_equal(levels[:, 2], emoji.labels)
    assert [len(np.unique(column)) for column in levels.T] == [8, 93, 1068]
    for child in (1, 2):  # a child has one parent
        assert len(np.unique(levels[:, [child - 1, child]], axis=0)) == len(np.unique(levels[:, child]))


def test_subgroup_ids_belong_to_the_group():
    blank = np.zeros((2, 4, 4, 3), np.uint8)
    ids = np.arange(2)
    dataset = EmojiDataset(
        blank, ids, ids * 0, ("a", "b"), ("1", "2"), ("noto",), ("Food", "Objects"), ("other", "other")
    )
    np.testing.assert_array_equal(dataset.levels, [[0, 0, 0], [1, 1, 1]])
    assert len(dataset.taxonomy) == 1 + 6


def test_taxonomy_has_the_levels(emoji):
    taxonomy = emoji.taxonomy
    assert (taxonomy.leaves, len(taxonomy), taxonomy.depth) == (emoji.class_names, 1 + 8 + 93 + 1068, 3)
    assert taxonomy.is_tree
    levels = emoji.levels[np.unique(emoji.labels, return_index=True)[1]]
    left, right = np.triu_indices(1068, 1)
    shared = (levels[left] == levels[right]).sum(1)
    np.testing.assert_array_equal(taxonomy.lca_height(left, right), 3 - shared)


def test_select_renumbers(emoji):
    part = emoji.select(np.array([7, 3, 3]))
    assert part.class_names == (emoji.class_names[3], emoji.class_names[7])
    np.testing.assert_array_equal(part.labels, np.repeat([0, 1], 5))
    np.testing.assert_array_equal(part.images, emoji.images[np.isin(emoji.labels, [3, 7])])


@pytest.mark.parametrize("classes", [[], [-1], [1068], [0.5], [True, False], [[0]]])
def test_select_refuses(emoji, classes):
    with pytest.raises(ValueError, match="classes must"):
        emoji.select(np.array(classes))


def test_tiny_subset():
    tiny = load_emoji("tiny")
    assert len(tiny.images) == 600
    assert len(tiny.class_names) == 120
    pairs = list(zip(tiny.groups, tiny.subgroups, strict=True))
    assert len(set(tiny.groups)) == 4
    assert sorted(pairs.count(pair) for pair in set(pairs)) == [10] * 12


def test_unknown_subset():
    with pytest.raises(ValueError, match="'small'"):
        load_emoji("small")


def test_flipped_byte_is_noticed(copy):
    atlas = copy / "emoji.webp"
    content = bytearray(atlas.read_bytes())
    content[len(content) // 2] ^= 1
    atlas.write_bytes(content)
    expected = json.loads((copy / "emoji.json").read_text(encoding="utf8"))["pages"][0]["sha256"]
    with pytest.raises(DataError, match=rf"emoji\.webp has SHA-256 [0-9a-f]{{64}}, expected {expected}"):
        load_emoji(folder=copy)


def test_missing_files(copy):
    (copy / "emoji.webp").unlink()
    with pytest.raises(DataError, match=r"emoji\.webp cannot be read"):
        load_emoji(folder=copy)
    (copy / "emoji.json").unlink()
    with pytest.raises(DataError, match=r"emoji\.json cannot be read"):
        load_emoji(folder=copy)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"classes": 1}', "null"])
def test_broken_index(copy, text):
    (copy / "emoji.json").write_text(text)
    with pytest.raises(DataError, match=r"emoji\.json is not an index"):
        load_emoji(folder=copy)


def test_index_cannot_point_outside_its_folder(copy):
    index = json.loads((copy / "emoji.json").read_text(encoding="utf8"))
    index["pages"][0]["file"] = "../emoji.webp"
    (copy / "inner").mkdir()
    (copy / "inner" / "emoji.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="cannot be read"):
        load_emoji(folder=copy / "inner")


def test_index_that_does_not_fit_the_atlas(copy):
    index = json.loads((copy / "emoji.json").read_text(encoding="utf8"))
    (copy / "emoji.json").write_text(json.dumps(index | {"tile": 63}))
    with pytest.raises(DataError, match=r"emoji\.webp: page of 4736 x 4672 pixels does not hold 5340 tiles"):
        load_emoji(folder=copy)
    (copy / "emoji.json").write_text(json.dumps(index | {"classes": index["classes"][1:]}))
    with pytest.raises(DataError, match="the pages hold 5340 images, the classes 5335"):
        load_emoji(folder=copy)
    (copy / "emoji.json").write_text(json.dumps(index | {"tiny": []}))
    with pytest.raises(DataError, match="no tiny subset"):
        load_emoji("tiny", folder=copy)
