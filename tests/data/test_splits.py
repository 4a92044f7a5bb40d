"""Parts of the bundled set and of folders, with labels and levels that belong together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hyperdml.data import ArrayImages, DataConfig, FileImages, RetrievalPart, load_splits
from hyperdml.data.retrieval.collection import TEST, TRAIN, ClassLevels, Collection
from hyperdml.data.retrieval.dividing import divide
from hyperdml.data.split_classes import split_classes
from hyperdml.errors import ConfigError, DataError
from hyperdml.taxonomy import Taxonomy


def photos(root, classes=8, images=3):
    rng = np.random.default_rng(0)
    for k in range(classes):
        (root / f"class {k}").mkdir(parents=True)
        for i in range(images):
            pixels = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / f"class {k}" / f"{i}.png")
    return root


def parts_of(splits):
    return [part for part in (splits.train, splits.validation, splits.test) if part is not None]


@pytest.mark.parametrize("by", ["class", "subgroup"])
def test_emoji_parts_are_class_disjoint(by):
    parts = load_splits(DataConfig(split_by=by))
    named = parts_of(parts)
    names = [set(part.class_names) for part in named]
    assert len(names[0] | names[1] | names[2]) == 1068 == sum(map(len, names))
    assert sum(map(len, named)) == 5340
    for part in named:
        assert isinstance(part.images, ArrayImages)
        assert part.num_classes == part.labels.max() + 1
        assert len(part.levels) == len(part.images) == len(part)
        # one group and one subgroup a class
        for k in range(part.num_classes):
            assert len(np.unique(part.levels[part.labels == k], axis=0)) == 1
        assert len(part.coarse_names) == 8
        assert part.queries is None is part.gallery
    if by == "subgroup":
        assert set(parts.train.levels[:, 1]).isdisjoint(parts.test.levels[:, 1])


def test_tiny_set():
    parts = load_splits(DataConfig(subset="tiny"))
    assert [part.num_classes for part in parts_of(parts)] == [60, 18, 42]
    split = split_classes(120, 0)  # the classes of a seed are those of this function
    assert sorted(np.unique(parts.test.levels[:, -1]).tolist()) == split.test.tolist()
    assert sorted(np.unique(parts.train.levels[:, -1]).tolist()) == split.train.tolist()


def test_share_of_the_training_classes_for_validation():
    usual = load_splits(DataConfig(subset="tiny"))
    none = load_splits(DataConfig(subset="tiny", validation=0.0))
    third = load_splits(DataConfig(subset="tiny", validation=1 / 3))
    assert none.validation is None
    assert none.test.class_names == third.test.class_names == usual.test.class_names
    assert set(none.train.class_names) == {*usual.train.class_names, *usual.validation.class_names}
    assert [part.num_classes for part in parts_of(third)] == [52, 26, 42]
    assert set(none.train.class_names) == {*third.train.class_names, *third.validation.class_names}
    whole = load_splits(DataConfig(subset="tiny", validation=0.4, split_by="subgroup"))
    groups = [set(part.levels[:, 1].tolist()) for part in parts_of(whole)]
    assert sum(map(len, groups)) == len(groups[0] | groups[1] | groups[2])


def test_folder(tmp_path):
    parts = load_splits(DataConfig(name="folder", root=str(photos(tmp_path)), image_size=16))
    assert isinstance(parts.train.images, FileImages)
    assert [len(part) for part in parts_of(parts)] == [12, 3, 9]
    assert [part.num_classes for part in parts_of(parts)] == [4, 1, 3]
    assert parts.train.level_names == ("class",)
    assert parts.train.coarse_names == tuple(f"class {k}" for k in range(8))
    assert [parts.test.coarse_names[k] for k in np.unique(parts.test.levels[:, 0])] == list(parts.test.class_names)
    for row in range(len(parts.test)):
        shown = Image.open(tmp_path / parts.test.images.paths[row])
        np.testing.assert_array_equal(parts.test.images.read(row), np.asarray(shown))
        assert parts.test.images.paths[row].split("/")[0] == parts.test.class_names[parts.test.labels[row]]


def test_folders_may_be_deeper_and_hold_other_files(tmp_path):
    photos(tmp_path)
    (tmp_path / "class 0" / "more").mkdir()
    (tmp_path / "class 0" / "0.png").rename(tmp_path / "class 0" / "more" / "0.png")
    (tmp_path / "class 1" / "._0.png").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    parts = parts_of(load_splits(DataConfig(name="folder", root=str(tmp_path))))
    assert sum(map(len, parts)) == 24
    assert sum(part.num_classes for part in parts) == 8
    (tmp_path / "loose.png").touch()
    with pytest.raises(DataError, match=r"but 1 are in no class folder: 'loose\.png'"):
        load_splits(DataConfig(name="folder", root=str(tmp_path)))


def test_folder_below_a_taxonomy(tmp_path):
    photos(tmp_path / "photos")
    table = tmp_path / "classes.csv"
    table.write_text("group,class\n" + "".join(f"{'even' if k % 2 == 0 else 'odd'},class {k}\n" for k in range(8)))
    config = DataConfig(name="folder", root=str(tmp_path / "photos"), taxonomy=str(table))
    parts = load_splits(config)
    for part in parts_of(parts):
        assert part.level_names == ("level 1", "class")
        for label, name in enumerate(part.class_names):
            (group,) = set(part.levels[part.labels == label, 0].tolist())
            assert part.coarse_names[group] == ("odd" if int(name[-1]) % 2 else "even")
    assert "even" in parts.train.taxonomy.names
    with pytest.raises(DataError, match="too few"):  # two bundles for three parts
        load_splits(replace(config, split_by="subgroup"))
    table.write_text("a,b,c\n" + "".join(f"x,{'y' if k else ''},class {k}\n" for k in range(8)))
    with pytest.raises(DataError, match=r"data.taxonomy=.*: levels need all classes equally deep, but 'class 0', 'cl"):
        load_splits(config)


def test_levels_of_taxonomies():
    forest = Taxonomy.from_edges([("a", "x"), ("a", "y"), ("b", "z")], leaves=["z", "x", "y"])
    levels = ClassLevels.of(forest, ["group"])
    assert levels.names == ("group", "class")
    assert [levels.coarse_names[k] for k in levels.ids[:, 0]] == ["b", "a", "a"]
    assert levels.ids[:, 1].tolist() == [0, 1, 2]
    rooted = Taxonomy.from_edges([("r", "a"), ("r", "b"), ("a", "x"), ("a", "y"), ("b", "z")], leaves=["z", "x", "y"])
    np.testing.assert_array_equal(ClassLevels.of(rooted, ["all", "group"]).ids, levels.ids)
    assert ClassLevels.of(rooted, ["all", "group"]).names == levels.names
    flat = ClassLevels.of(Taxonomy.from_edges([("r", "x"), ("r", "y")]))
    assert (flat.names, flat.coarse_names, flat.ids.tolist()) == (("class",), ("x", "y"), [[0], [1]])
    with pytest.raises(ValueError, match="several parents"):
        ClassLevels.of(Taxonomy.from_edges([("a", "x"), ("b", "x"), ("a", "y")], leaves=["x", "y"]))


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (DataConfig(name="folder"), ConfigError, "data.name=folder needs data.root=FOLDER"),
        (DataConfig(name="csv"), ConfigError, "data.name=csv needs data.root=FILE"),
        (DataConfig(name="birds"), ConfigError, "data.name must be one of emoji, folder, csv, cub, cars, sop, in_shop"),
        (DataConfig(name="folder", root="no/such/place"), DataError, "no such folder: no/such/place"),
        (DataConfig(split_seed=-1), ConfigError, "data.split_seed must not be negative, got -1"),
        (DataConfig(image_size=4), ConfigError, "data.image_size must be at least 8, got 4"),
        (DataConfig(split_by="group"), ConfigError, "data.split_by must be class or subgroup, got 'group'"),
        (DataConfig(validation=1.0), ConfigError, r"share of the training classes, in \[0, 1\), got 1.0"),
        (DataConfig(validation=float("nan")), ConfigError, "got nan"),
        (DataConfig(validation=0.999, subset="tiny"), DataError, "cannot hold out data.validation=0.999"),
        (DataConfig(root="no/such/place"), DataError, "no/such/place"),
        (
            DataConfig(complete=False),
            ConfigError,
            "data.complete is an option of cub and cars and sop and in_shop, got",
        ),
        (DataConfig(name="sop", root=".", subset="tiny"), ConfigError, "data.subset is an option of emoji, got 'tiny'"),
        (DataConfig(taxonomy="x.csv"), ConfigError, "data.taxonomy is an option of cub and folder"),
    ],
)
def test_messages(config, error, message):
    with pytest.raises(error, match=message):
        load_splits(config)


def test_folder_without_images_and_with_too_few_classes(tmp_path):
    with pytest.raises(DataError, match="expected images as"):
        load_splits(DataConfig(name="folder", root=str(tmp_path)))
    photos(tmp_path, classes=2)
    with pytest.raises(DataError, match="2 classes are too few"):
        load_splits(DataConfig(name="folder", root=str(tmp_path)))
    with pytest.raises(ConfigError, match="needs a taxonomy"):
        load_splits(DataConfig(name="folder", root=str(tmp_path), split_by="subgroup"))


def collection(labels, parts=None, **masks):
    labels = np.array(labels, dtype=np.int64)
    count = int(labels.max()) + 1
    images = ArrayImages(np.zeros((len(labels), 8, 8, 3), np.uint8), labels)
    names = tuple(f"c{k}" for k in range(count))
    levels = ClassLevels.flat(names)
    return Collection(images, names, levels.ids, levels.names, levels.coarse_names, parts, **masks)


@given(
    labels=st.lists(st.integers(0, 30), min_size=20, max_size=60),
    share=st.one_of(st.none(), st.floats(0, 0.5)),
    seed=st.integers(0, 100),
)
def test_every_image_is_in_one_part_with_its_class(labels, share, seed):
    data = collection(np.unique(labels, return_inverse=True)[1])
    try:
        splits = divide(data, DataConfig(name="folder", root="x", validation=share, split_seed=seed))
    except DataError as error:
        assert "too few" in str(error)  # noqa: PT017 - few classes may be too few or not
        return
    found = parts_of(splits)
    assert sum(map(len, found)) == len(data.images)
    assert sum(part.num_classes for part in found) == len(data.class_names)
    for part in found:
        np.testing.assert_array_equal(np.unique(part.labels), np.arange(part.num_classes))
        assert [part.class_names[k] for k in part.labels] == [data.class_names[k] for k in part.levels[:, -1]]


def test_given_parts():
    config = DataConfig(name="csv", root="x.csv")
    parts = np.array([TRAIN, TRAIN, TEST, TEST])
    with pytest.raises(DataError, match=r"x.csv: 1 classes are in several of the training and test parts: 'c1'"):
        divide(collection([0, 1, 1, 2], parts), config)
    with pytest.raises(DataError, match="there are no test images"):
        divide(collection([0, 1, 1, 2], np.zeros(4, dtype=np.int64)), config)
    splits = divide(collection([0, 5, 1, 2], parts), config)  # classes 3 and 4 have no images
    assert (splits.train.class_names, splits.test.class_names) == (("c0", "c5"), ("c1", "c2"))
    asked = {"queries": np.array([False, False, False, True]), "gallery": np.zeros(4, dtype=bool)}
    with pytest.raises(DataError, match=r"x.csv: gallery holds no item"):
        divide(collection([0, 1, 2, 2], parts, **asked), config)


def test_parts_hold_what_belongs_together():
    data = collection([0, 0, 1])
    part = data.part(np.arange(3))
    assert part.taxonomy.leaves == ("c0", "c1")
    with pytest.raises(ValueError, match=r"levels must be \(3, 1\) ids"):
        replace(part, levels=part.levels[:2])
    with pytest.raises(ValueError, match="queries and gallery belong together"):
        replace(part, queries=np.ones(3, dtype=bool))
    assert isinstance(part, RetrievalPart)
