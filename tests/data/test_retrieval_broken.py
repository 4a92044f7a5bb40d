"""Every way in which the files of a release are broken: one message that names the file and the line."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from hyperdml.data import DataConfig, load_splits
from hyperdml.data.miniatures import make_cars, make_cub, make_in_shop, make_sop
from hyperdml.errors import DataError

CALM = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)


def load(name, root, **options):
    return load_splits(DataConfig(**{"name": name, "root": str(root), "complete": False, **options}))


def refused(name, root, message, **options):
    with pytest.raises(DataError, match=message) as caught:
        load(name, root, **options)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cub", "holds no folder images with classes as images/001.NAME, nor does a folder in it; in it are: 'other'"),
        ("cars", "holds no cars_annos.mat with car_ims/, cars_train/ with cars_test/ and devkit/, or train/CLASS/"),
        ("sop", "holds no Ebay_train.txt or Ebay_test.txt, nor"),
        ("in_shop", "holds no list_eval_partition.txt, nor"),
    ],
)
def test_what_is_missing_is_said(tmp_path, name, message):
    (tmp_path / "other").mkdir()
    refused(name, tmp_path, message)
    refused(name, tmp_path / "nowhere", "data.root: no such folder")


def test_several_releases_in_a_folder(tmp_path):
    make_sop(tmp_path / "a", per_class=1)
    (tmp_path / "a" / "Stanford_Online_Products").rename(tmp_path / "one")
    make_sop(tmp_path / "a", per_class=1)
    (tmp_path / "a" / "Stanford_Online_Products").rename(tmp_path / "two")
    refused("sop", tmp_path, "holds several folders with Ebay_train.txt or Ebay_test.txt: 'one', 'two'; name one of th")
    (tmp_path / "Ebay_train.txt").touch()  # what is nearer comes first
    refused("sop", tmp_path, "Ebay_train.txt, line 1: expected the header")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "images" / "albatross").mkdir(), None),  # an empty folder is no class
        (lambda f: (f / "images" / "001.Other").mkdir(), None),
        (
            lambda f: add(f / "images" / "albatross" / "x.jpg"),
            r"expected images/001.NAME/IMAGE to 200.NAME, got images",
        ),
        (lambda f: add(f / "images" / "x.jpg"), r"expected images/001.NAME/IMAGE .* got images/x.jpg"),
        (lambda f: add(f / "images" / "201.More" / "x.jpg"), "got images/201.More/x.jpg"),
        (
            lambda f: add(f / "images" / "001.Other" / "x.jpg"),
            "two classes have a number: '001.Black_footed_Albatross'",
        ),
        (
            lambda f: (f / "images.txt").write_text("1 a/x.jpg\n3 a/y.jpg\n"),
            "images.txt, line 2: expected image 2, got",
        ),
        (lambda f: (f / "images.txt").write_text("1 a/x.jpg\n2 a/x.jpg\n"), "images.txt, line 2: a/x.jpg is listed t"),
        (lambda f: (f / "images.txt").write_text("1\n"), "images.txt, line 1: expected 2 cells, got '1'"),
        (lambda f: (f / "images.txt").write_text("one a/x.jpg\n"), "images.txt, line 1: 'one' is not an id"),
        (lambda f: (f / "images.txt").write_bytes(b"1 \xff.jpg\n"), "images.txt, line 1: not text in UTF-8"),
        (lambda f: (f / "images.txt").write_bytes(b"\xef\xbb\xbf1 a/x.jpg\r\n2 a/y.jpg\r\n"), None),
    ],
)
def test_broken_cub(tmp_path, change, message):
    folder = make_cub(tmp_path, per_class=1)
    change(folder)
    if message is None:
        load("cub", folder)
    else:
        refused("cub", folder, message)


def add(path):
    path.parent.mkdir(exist_ok=True)
    path.touch()


SOP = "image_id class_id super_class_id path\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"Ebay_test.txt, line 1: expected the header image_id class_id super_class_id path, got ''"),
        ("9 9 1 bicycle_final/x.JPG\n", r"line 1: expected the header .* got '9 9 1 bicycle_final/x.JPG'"),
        (SOP, "there are no test images"),
        (f"{SOP}9 9\n", "Ebay_test.txt, line 2: expected 4 cells, got '9 9'"),
        (f"{SOP}1 9 1 bicycle_final/x.JPG\n", "Ebay_test.txt, line 2: image 1 is listed twice"),
        (
            f"{SOP}9 9 1 bicycle_final/x.JPG\n10 9 1 bicycle_final/x.JPG\n",
            "line 3: bicycle_final/x.JPG is listed twice",
        ),
        (f"{SOP}9 -9 1 bicycle_final/x.JPG\n", "Ebay_test.txt, line 2: '-9' is not an id"),
        (f"{SOP}9 9 2 bicycle_final/x.JPG\n", "super-class 2 is in 'bicycle', before in 'cabinet'"),
        (f"{SOP}9 9 1 bicycle_final/x.JPG\n", r"1 of 5 images are missing in .*\n  bicycle_final/x.JPG"),
        (f"{SOP}9 9 1 bicycle_final/../../x.JPG\n", "images must lie within this folder, got bicycle_final/"),
        (f"{SOP}9 9 1 /etc/x.JPG\n", "super-class 1 is in ''|images must lie within"),
        (f"{SOP}9 9 1 bicycle_final/x\0.JPG\n", r"images are missing"),
    ],
)
def test_broken_sop(tmp_path, text, message):
    folder = make_sop(tmp_path, per_class=1)
    (folder / "Ebay_test.txt").write_text(text)
    refused("sop", folder, message)


def test_windows_line_ends_and_marks_are_read(tmp_path):
    folder = make_sop(tmp_path, per_class=2)
    before = load("sop", folder)
    for name in ("Ebay_train.txt", "Ebay_test.txt"):
        text = (folder / name).read_text()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load("sop", folder).test.images.paths == before.test.images.paths
    shop = make_in_shop(tmp_path, nested=False, per_class=2)
    before = load("in_shop", shop)
    text = (shop / "list_eval_partition.txt").read_text()
    (shop / "list_eval_partition.txt").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load("in_shop", shop).test.images.paths == before.test.images.paths


def test_classes_in_both_lists(tmp_path):
    folder = make_sop(tmp_path, per_class=2)
    lines = (folder / "Ebay_train.txt").read_text().splitlines()
    (folder / "Ebay_train.txt").write_text("\n".join(lines[:-1]) + "\n")
    moved = lines[-1].split()
    with (folder / "Ebay_test.txt").open("a") as file:
        file.write(" ".join(moved) + "\n")
    refused("sop", folder, "1 classes are in several of the training and test parts: '4'")


def in_shop_row(line):
    return f"1\nimage_name item_id evaluation_status\n{line}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the number of images in line 1 and 'image_name item_id evaluation_status' in line 2"),
        ("image_name item_id evaluation_status\n1\n", "expected the number of images in line 1"),
        ("202599\n000001.jpg 0\n", "expected the number of images in line 1"),  # that of another data set
        (in_shop_row("img/MEN/A/id_1/x.jpg id_1 test"), "line 3: status must be train, query or gallery, got 'test'"),
        (in_shop_row("img/MEN/A/id_1/x.jpg id_2 train"), "line 3: expected img/GENDER/CATEGORY/ITEM/IMAGE ITEM STATUS"),
        (in_shop_row("img/MEN/id_1/x.jpg id_1 train"), "line 3: expected img/GENDER"),
        (in_shop_row("img/MEN/A/id_1/x.jpg train"), "line 3: expected img/GENDER"),
        (in_shop_row("img/../../id_1/x.jpg id_1 train"), "images must lie within this folder|holds no images"),
        (in_shop_row("img/MEN/A/id_1/x.jpg id_1 train\n" * 2), "line 4: img/MEN/A/id_1/x.jpg is listed twice"),
        ("2" + in_shop_row("img/MEN/A/id_1/x.jpg id_1 train"), "line 1 says 21 images, found 1"),
        ("0\nimage_name item_id evaluation_status\n", "line 1 says 0 images, found 0"),
        (in_shop_row("img/MEN/A/id_1/x.jpg id_1 train"), "1 of 1 images are missing"),
    ],
)
def test_broken_in_shop(tmp_path, text, message):
    folder = make_in_shop(tmp_path, nested=False, per_class=2)
    (folder / "img" / "MEN").mkdir(exist_ok=True)
    (folder / "list_eval_partition.txt").write_text(text)
    refused("in_shop", folder, message)


def test_items_of_in_shop_in_training_and_test(tmp_path):
    folder = make_in_shop(tmp_path, nested=False, per_class=2)
    path = folder / "list_eval_partition.txt"
    path.write_text(path.read_text().replace("query", "train", 1))
    refused("in_shop", folder, "1 classes are in several of the training and test parts: 'id_")


def write_cars(path, rows, fields=("relative_im_path", "class"), names=None):
    table = np.array([rows], dtype=[(name, object) for name in fields])
    savemat(
        path, {"annotations": table, "class_names": np.array([names or ["A B Sedan 2012", "F B Coupe 2012"]], object)}
    )


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda p: p.write_bytes(b""),
            "cars_annos.mat: no annotations can be read .* it is not of version 5, or cut off",
        ),
        (lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]), "cars_annos.mat: no .* it is cut off"),
        (lambda p: p.write_bytes(b"not a MATLAB file" * 20), "it is not of version 5, or cut off"),
        (lambda p: savemat(p, {"other": np.zeros(3)}), "no annotations can be read from .*: its variables are 'other'"),
        (
            lambda p: savemat(p, {"annotations": np.zeros(3)}),
            "fields of annotations are missing; relative_im_path and c",
        ),
        (
            lambda p: write_cars(p, [("a", 1)], ("fname", "class")),
            "fields of annotations are fname, class; relative_im",
        ),
        (
            lambda p: write_cars(p, [("a", 1.5)]),
            r"annotation 1: expected a text .* and a whole number .* 'a' and array\(",
        ),
        (
            lambda p: write_cars(p, [("a", 1), ("b", "1")]),
            "annotation 2: expected a text as relative_im_path .* 'b' and",
        ),
        (
            lambda p: write_cars(p, [("a", np.zeros((0,)))]),
            "annotation 1: expected a text as relative_im_path and a who",
        ),
        (lambda p: write_cars(p, [("a.jpg", 1), ("a.jpg", 2)]), "a.jpg is annotation 1 and annotation 2"),
        (lambda p: write_cars(p, [("a.jpg", 1), ("b.jpg", 3)]), "image b.jpg is of class 3, but there are 2 names"),
        (lambda p: write_cars(p, [("a.jpg", 0)]), "a.jpg is of class 0, but there are 2 names"),
        (
            lambda p: write_cars(p, [("a.jpg", 1)], names=["Unknown"]),
            "image|expected a name of make, model, type and ye",
        ),
        (lambda p: write_cars(p, [("a.jpg", 1)], names=[3.5]), "class_names must be a list of texts"),
        (lambda p: write_cars(p, [("a.jpg", 1)]), "1 of 1 images are missing"),
    ],
)
def test_broken_lists_of_cars(tmp_path, write, message):
    folder = make_cars(tmp_path, per_class=2)
    write(folder / "cars_annos.mat")
    refused("cars", folder, message)


def test_broken_devkits_of_cars(tmp_path):
    folder = make_cars(tmp_path, "devkit", per_class=2)
    kept = (folder / "cars_test_annos_withlabels.mat").read_bytes()
    (folder / "cars_test_annos_withlabels.mat").unlink()
    refused("cars", folder, "cars_test_annos.mat has no classes; cars_test_annos_withlabels.mat is needed too")
    (folder / "devkit" / "cars_test_annos_withlabels.mat").write_bytes(kept)
    load("cars", folder)
    (folder / "cars_test" / "00001.jpg").unlink()
    refused("cars", folder, r"images are missing in .*\n  cars_test/00001.jpg")
    (folder / "devkit" / "cars_train_annos.mat").unlink()
    refused("cars", folder, "holds no cars_train_annos.mat")
    (folder / "devkit" / "cars_meta.mat").unlink()
    refused("cars", folder, "holds no devkit/cars_meta.mat")


def test_broken_folders_of_cars(tmp_path):
    folder = make_cars(tmp_path, "folders", per_class=2)
    add(folder / "train" / "loose.jpg")
    refused("cars", folder, "expected train/CLASS/IMAGE and test/CLASS/IMAGE, got 'train/loose.jpg'")
    (folder / "train" / "loose.jpg").unlink()
    add(folder / "test" / "Some Thing" / "x.jpg")
    refused("cars", folder, "expected a name of make, model, type and year, got 'Some Thing'")


CELLS = st.text(st.one_of(st.sampled_from("0123456789 \t,;\"'./_\r\n\0id"), st.characters(codec="utf-8")), max_size=12)
LINES = st.lists(st.lists(CELLS, max_size=5).map(" ".join), max_size=6).map("\n".join)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """Small releases, a file of which is written anew for every example."""
    root = tmp_path_factory.mktemp("fuzzed")
    make_sop(root, train_classes=1, test_classes=1, per_class=1)
    (root / "shop" / "img" / "MEN").mkdir(parents=True)
    for name in ("001.A", "101.B"):
        add_folder = root / "cub" / "images" / name
        add_folder.mkdir(parents=True)
        add(add_folder / "x.jpg")
    return root


@CALM
@given(head=st.sampled_from(["", SOP]), lines=LINES)
def test_any_text_as_a_list_of_sop(fuzzed, head, lines):
    (fuzzed / "Stanford_Online_Products" / "Ebay_test.txt").write_text(head + lines, newline="")
    with pytest.raises(DataError):
        load("sop", fuzzed)


@CALM
@given(
    head=st.sampled_from(
        ["", "1\nimage_name item_id evaluation_status\n", "2\nimage_name item_id evaluation_status\n"]
    ),
    lines=st.one_of(LINES, CELLS.map(lambda text: f"img/{text}/A/id_1/x.jpg id_1 train")),
)
def test_any_text_as_the_list_of_in_shop(fuzzed, head, lines):
    (fuzzed / "shop" / "list_eval_partition.txt").write_text(head + lines, newline="")
    with pytest.raises(DataError):
        load("in_shop", fuzzed / "shop")


@CALM
@given(lines=LINES)
def test_any_text_as_the_list_of_cub(fuzzed, lines):
    (fuzzed / "cub" / "images.txt").write_text(lines, newline="")
    try:
        splits = load("cub", fuzzed / "cub")
    except DataError as error:
        assert "images.txt" in str(error)  # noqa: PT017 - some texts are lists
    else:
        assert len(splits.train) == len(splits.test) == 1


@CALM
@given(place=st.integers(0, 2000), value=st.integers(0, 255), cut=st.booleans())
def test_any_damage_of_a_list_of_cars(damaged, place, value, cut):
    folder, whole = damaged
    content = bytearray(whole)
    place %= len(content)
    content[place] = value
    (folder / "cars_annos.mat").write_bytes(content[:place] if cut else content)
    try:
        load("cars", folder)
    except DataError as error:
        assert str(folder.name) in str(error)  # noqa: PT017 - some damage does not show


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    folder = make_cars(tmp_path_factory.mktemp("damaged"), train_classes=1, test_classes=1, per_class=1)
    return folder, (folder / "cars_annos.mat").read_bytes()
