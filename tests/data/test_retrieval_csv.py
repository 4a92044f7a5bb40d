"""Tables of images: parts, queries, levels, boxes, and what is refused by line."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperdml.data import DataConfig, load_splits
from hyperdml.errors import ConfigError, DataError

CALM = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)


@pytest.fixture
def world(tmp_path):
    """Sixteen images of eight classes, two a class, each of its own colour."""
    (tmp_path / "img").mkdir()
    for k in range(16):
        Image.new("RGB", (12, 10), (k, 2 * k, 3 * k)).save(tmp_path / "img" / f"{k}.png")
    return tmp_path


def table(world, header, row, rows=range(16), name="df.csv"):
    lines = [header, *(row(k) for k in rows)]
    (world / name).write_text("\n".join(lines) + "\n")
    return DataConfig(name="csv", root=str(world / name))


def refused(config, message, error=DataError):
    with pytest.raises(error, match=message):
        load_splits(config)


def colours(part):
    return [int(part.images.read(row)[0, 0, 0]) for row in range(len(part))]


def test_without_parts_classes_are_drawn_as_those_of_a_folder(world):
    splits = load_splits(table(world, "path,label", lambda k: f"img/{k}.png,{k // 2}"))
    assert [part.num_classes for part in (splits.train, splits.validation, splits.test)] == [4, 1, 3]
    for part in (splits.train, splits.validation, splits.test):
        assert colours(part) == [int(path[4:-4]) for path in part.images.paths]
        assert [part.class_names[label] for label in part.labels] == [str(k // 2) for k in colours(part)]
        assert (part.level_names, part.queries) == (("class",), None)


def test_the_tables_of_open_metric_learning(world):
    # as pandas writes them: an index, nothing in the masks of training images, floats where cells are missing
    config = table(
        world,
        ",label,path,split,is_query,is_gallery,category,sequence",
        lambda k: (
            f"{k},{k // 2},img/{k}.png,"
            + (
                f"train,,,{'ab'[k // 4 % 2]},"
                if k < 8
                else f"validation,{k % 2 == 0},{float(k % 2)},{'ab'[k // 12]},s{k}"
            )
        ),
    )
    splits = load_splits(config)
    assert splits.validation is None
    assert colours(splits.train) == list(range(8))
    assert colours(splits.test) == list(range(8, 16))
    assert splits.train.queries is None
    assert splits.test.queries.tolist() == [True, False] * 4
    assert splits.test.gallery.tolist() == [False, True] * 4
    assert splits.test.level_names == ("category", "class")
    assert [splits.test.coarse_names[k] for k in splits.test.levels[:, 0]] == ["a"] * 4 + ["b"] * 4


def test_categories_are_those_of_most_images(world):
    # open-metric-learning has them for every image: "a" and "b" of class 0 are even, and class 1 is "b" by two of three
    found = {0: "b", 1: "a", 2: "a", 3: "b", 4: "b"}
    config = table(
        world,
        "path,label,split,category",
        lambda k: f"img/{k}.png,{0 if k < 2 else 1},train,{found[k]}" if k < 5 else f"img/{k}.png,9,test,a",
        range(8),
    )
    train = load_splits(config).train
    assert [train.coarse_names[k] for k in train.levels[:, 0]] == ["a"] * 2 + ["b"] * 3


def test_all_of_a_part_query_and_gallery_is_leave_one_out(world):
    def row(k):
        return f"img/{k}.png,{k // 2},{'train' if k < 8 else 'validation'},True,TRUE"

    config = table(world, "path,label,split,is_query,is_gallery", row)
    assert load_splits(config).test.queries is None
    odd = table(
        world, "path,label,split,is_query,is_gallery", lambda k: row(k) if k != 9 else row(k).replace("True", "maybe")
    )
    refused(odd, "df.csv, line 11: is_query must be True or False, got 'maybe'")


def test_queries_within_the_gallery(world):
    config = table(
        world,
        "path,label,split,is_query,is_gallery",
        lambda k: f"img/{k}.png,{k // 2},{'train' if k < 8 else 'test'},{k in (8, 12)},True",
    )
    test = load_splits(config).test
    assert np.flatnonzero(test.queries).tolist() == [0, 4]
    assert test.gallery.all()
    config = table(
        world,
        "path,label,split,is_query,is_gallery",
        lambda k: f"img/{k}.png,{k // 2},{'train' if k < 8 else 'test'},{k < 12},{k > 9}",
    )
    refused(config, r"all queries must be in the gallery, or none: row 2 is, row 0 is not")


def test_three_parts(world):
    config = table(
        world, "path;label;split", lambda k: f"img/{k}.png;x{k // 2};{('train', 'VAL', 'test', 'train')[k // 4]}"
    )
    splits = load_splits(config)
    assert splits.validation.class_names == ("x2", "x3")
    assert splits.test.class_names == ("x4", "x5")
    held = DataConfig(name="csv", root=config.root, validation=0.5)
    refused(held, "data.validation=0.5, but .*df.csv has a validation part of its own", ConfigError)
    two = table(world, "path,label,split", lambda k: f"img/{k}.png,{k // 2},{'train' if k < 8 else 'test'}")
    held = load_splits(DataConfig(name="csv", root=two.root, validation=0.25))
    assert [part.num_classes for part in (held.train, held.validation, held.test)] == [3, 1, 4]


def test_levels_are_nested_by_their_paths(world):
    config = table(
        world,
        "level_group,label,level_colour,path,split",
        lambda k: f"{'AB'[k // 4 % 2]},{k // 2},{('red', 'blue')[k // 2 % 2]},img/{k}.png,{('train', 'test')[k // 8]}",
    )
    train = load_splits(config).train
    assert train.level_names == ("group", "colour", "class")
    assert train.coarse_names == ("A", "B")
    # red of A is not red of B
    assert train.levels[::2].tolist() == [[0, 1, 0], [0, 0, 1], [1, 3, 2], [1, 2, 3]]
    assert train.taxonomy.num_leaves == 4


def test_classes_in_the_order_of_their_numbers(world):
    config = table(world, "path,label,split", lambda k: f"img/{k}.png,{k // 2 * 10},{('train', 'test')[k // 8]}")
    assert load_splits(config).test.class_names == ("40", "50", "60", "70")
    config = table(
        world, "path,label,split", lambda k: f"img/{k}.png,{'a' * (k == 0)}{k // 2},{('train', 'test')[k // 8]}"
    )
    assert load_splits(config).train.class_names == ("0", "1", "2", "3", "a0")


def test_boxes(world):
    config = table(
        world,
        "path,label,split,x_1,x_2,y_1,y_2",
        lambda k: f"img/{k}.png,{k // 2},{('train', 'test')[k // 8]}," + ("2,7.0,1,5" if k else ",,,"),
    )
    train = load_splits(config).train
    assert train.images.read(0).shape == (10, 12, 3)
    assert train.images.read(1).shape == (4, 5, 3)
    assert train.images.size(1) == (5, 4)
    twice = table(
        world,
        "path,label,split,x_1,x_2,y_1,y_2",
        lambda k: f"img/{k // 2}.png,{k // 2},{('train', 'test')[k // 8]},0,{5 + k % 2},0,5",
    )
    assert len(load_splits(twice).train) == 8  # two parts of an image are two images


def test_paths_from_anywhere(world, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.new("RGB", (4, 4), (200, 0, 0)).save(elsewhere / "far.png")
    config = table(
        world,
        "path,label,split",
        lambda k: (
            f"{elsewhere / 'far.png' if k == 3 else world / 'img' / f'{k}.png'},{k // 2},{('train', 'test')[k // 8]}"
        ),
    )
    assert colours(load_splits(config).train) == [0, 1, 2, 200, 4, 5, 6, 7]
    (world / "tables").mkdir()
    config = table(
        world, "path,label,split", lambda k: f"../img/{k}.png,{k // 2},{('train', 'test')[k // 8]}", name="tables/t.csv"
    )
    assert colours(load_splits(config).test) == list(range(8, 16))


def usual(k):
    return f"img/{k}.png,{k // 2},{('train', 'test')[k // 8]}"


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("path,class,split", usual, "df.csv: no column 'label' among 'path', 'class', 'split'"),
        ("Path,label,split", usual, "df.csv: no column 'path' .*, did you mean 'Path'"),
        ("path,label,label", usual, "df.csv: columns given twice: 'label'"),
        ("path,label", usual, "df.csv, line 2: 3 cells, but the header has 2"),
        ("path,label,split", lambda k: usual(k) if k != 4 else "img/4.png,,train", "df.csv, line 6: label is empty"),
        ("path,label,split", lambda k: usual(k) if k != 4 else ",2,train", "df.csv, line 6: path is empty"),
        (
            "path,label,split",
            lambda k: usual(k) if k != 4 else "img/4.png,2,query",
            "line 6: split must be train, valid",
        ),
        ("path,label,split", lambda k: usual(k // 2), "df.csv, line 3: 'img/0.png' is in line 2 already"),
        (
            "path,label,split",
            lambda k: usual(k).replace("4.png", "no.png"),
            r"2 of 16 images are missing in .*\n  img/1?",
        ),
        ("path,label,split", lambda k: f"img/{k}.png,{k // 2},train", "there are no test images"),
        (
            "path,label,split",
            lambda k: f"img/{k}.png,{k // 2},{('train', 'test')[k % 2]}",
            "8 classes are in several of",
        ),
        ("path,label,split,is_query", lambda k: usual(k) + ",1", "is_query, is_gallery and split belong together"),
        ("path,label,is_query,is_gallery", lambda k: f"img/{k}.png,{k},1,1", "is_query, is_gallery and split belong"),
        (
            "path,label,split,is_query,is_gallery",
            lambda k: usual(k) + ",0,0",
            "line 10: the image is neither query nor g",
        ),
        (
            "path,label,split,is_query,is_gallery",
            lambda k: usual(k) + ",1,",
            "line 10: is_gallery must be True or False",
        ),
        ("path,label,split,level_a", lambda k: usual(k) + f",{k}", "line 3: class '0' is of level_a .* in line 2"),
        ("path,label,split,level_a", lambda k: usual(k) + ",", "line 2: level_a is empty"),
        (
            "path,label,split,level_class",
            lambda k: usual(k) + ",a",
            "levels cannot be called alike, or class: level_clas",
        ),
        ("path,label,split,x_1", lambda k: usual(k) + ",1", "a box needs the columns x_1, y_1, x_2, y_2, found 'x_1'"),
        (
            "path,label,split,x_1,x_2,y_1,y_2",
            lambda k: usual(k) + ",5,5,0,3",
            "line 2: expected x_1 < x_2 and y_1 < y_2",
        ),
        (
            "path,label,split,x_1,x_2,y_1,y_2",
            lambda k: usual(k) + ",,5,0,3",
            "line 2: expected x_1 < x_2 and y_1 < y_2",
        ),
        ("path,label,split,x_1,x_2,y_1,y_2", lambda k: usual(k) + ",0,inf,0,3", "line 2: expected x_1 < x_2"),
        ('path,label,"split', usual, "df.csv, line"),
    ],
)
def test_what_is_refused(world, header, row, message):
    refused(table(world, header, row), message)


def test_files_that_are_no_tables(world):
    refused(DataConfig(name="csv", root=str(world)), "no such file: .*; it must be the table itself")
    refused(DataConfig(name="csv", root=str(world / "no.csv")), "no such file: .*no.csv")
    (world / "df.csv").write_bytes(b"")
    refused(DataConfig(name="csv", root=str(world / "df.csv")), "no column 'path' among none")
    (world / "df.csv").write_text("path,label\n")
    refused(DataConfig(name="csv", root=str(world / "df.csv")), "lists no images")
    (world / "df.csv").write_bytes(b"\xff\xfe\x00path")
    refused(DataConfig(name="csv", root=str(world / "df.csv")), "line 1: not text in UTF-8")
    text = "path,label,split\r\n" + "".join(usual(k) + "\r\n" for k in range(16))
    (world / "df.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(load_splits(DataConfig(name="csv", root=str(world / "df.csv"))).train) == 8


CELL = st.one_of(
    st.sampled_from(["img/0.png", "img/1.png", "0", "1", "train", "test", "validation", "True", "False", "", "nan"]),
    st.text(st.one_of(st.sampled_from("0123456789 \t,;\"'./_\r\n\0"), st.characters(codec="utf-8")), max_size=8),
)


@CALM
@given(
    header=st.sampled_from(
        [
            "path,label",
            "path,label,split",
            "path,label,split,is_query,is_gallery",
            "path,label,split,level_a,x_1,x_2,y_1,y_2",
        ]
    ),
    rows=st.lists(st.lists(CELL, min_size=2, max_size=8).map(",".join), max_size=6),
)
def test_any_text_as_a_table(tmp_path_factory, header, rows):
    folder = tmp_path_factory.mktemp("csv")
    (folder / "img").mkdir()
    for k in range(2):
        (folder / "img" / f"{k}.png").touch()
    (folder / "df.csv").write_text("\n".join([header, *rows]), newline="")
    try:
        splits = load_splits(DataConfig(name="csv", root=str(folder / "df.csv")))
    except DataError as error:
        assert str(folder) in str(error)  # noqa: PT017 - some texts are tables
    else:
        assert len(splits.train)
        assert len(splits.test)
