"""CIFAR-100, FGVC-Aircraft and NABirds in their layouts: labels, parts, and every way in which files are broken."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperdml.data.classification import ClassificationDataConfig, load_classification
from hyperdml.data.image_files import UnreadableImage
from hyperdml.data.miniatures import make_aircraft, make_cifar100, make_nabirds
from hyperdml.data.miniatures.aircraft import VARIANTS
from hyperdml.data.miniatures.cifar100 import CLASSES
from hyperdml.data.miniatures.nabirds import NODES
from hyperdml.data.miniatures.python2_pickle import dumps
from hyperdml.errors import DataError
from hyperdml.taxonomy.datasets import cifar100


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    root = tmp_path_factory.mktemp("releases")
    make_cifar100(root, "binary", train_per_class=10, test_per_class=4)
    make_cifar100(root / "pickled", "python", train_per_class=10, test_per_class=4)
    make_aircraft(root, per_part=2)
    make_nabirds(root, train_per_class=5, test_per_class=2)
    return root


@pytest.fixture
def copies(releases, tmp_path):
    """A copy of its own for a test that breaks something."""
    return Path(shutil.copytree(releases, tmp_path / "copies"))


def load(name, root, **options):
    return load_classification(
        ClassificationDataConfig(**{"name": name, "root": str(root), "complete": False, **options})
    )


def replace_text(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# CIFAR-100


def test_both_versions_of_cifar_hold_the_same(releases):
    binary, pickled = load("cifar100", releases), load("cifar100", releases / "pickled")
    assert binary.taxonomy == pickled.taxonomy == cifar100()
    for one, other in ((binary.train, pickled.train), (binary.test, pickled.test)):
        assert one.key == other.key
        np.testing.assert_array_equal(one.labels, other.labels)
    assert binary.train.images.shape == (100, 32, 32, 3)
    named = np.bincount(binary.test.labels, minlength=100)[binary.taxonomy.match(CLASSES)]
    assert named.tolist() == [4] * 10
    for folder in (releases / "cifar-100-binary", releases / "pickled" / "cifar-100-python"):
        assert load("cifar100", folder).test.key == binary.test.key


def test_records_of_the_binary_version(releases):
    # a byte of the coarse label, one of the fine label, 1,024 of red, green and blue, row by row
    record = np.fromfile(releases / "cifar-100-binary" / "test.bin", np.uint8)[3074 * 7 : 3074 * 8]
    found = load("cifar100", releases)
    assert record[1] == found.test.labels[7]
    assert found.test.read(7)[3, 5].tolist() == [record[2 + plane * 1024 + 3 * 32 + 5] for plane in range(3)]


def test_validation_of_cifar_reads_no_test_file(copies):
    whole = load("cifar100", copies)
    (copies / "cifar-100-binary" / "test.bin").unlink()
    tuning = load("cifar100", copies, evaluate_on="validation")
    assert np.bincount(tuning.test.labels)[tuning.taxonomy.match(CLASSES)].tolist() == [1] * 10
    parts = [image.tobytes() for part in (tuning.train, tuning.test) for image in part.images]
    assert sorted(parts) == sorted(image.tobytes() for image in whole.train.images)
    other = load("cifar100", copies, evaluate_on="validation", split_seed=1)
    assert other.test.key != tuning.test.key
    with pytest.raises(DataError, match=r"cannot read .*test\.bin: No such file"):
        load("cifar100", copies)


def test_a_whole_cifar_has_its_counts(copies):
    path = copies / "cifar-100-binary" / "test.bin"
    with pytest.raises(
        DataError,
        match=r"train\.bin holds 100 images, CIFAR-100 has 50,000 there, 500 of each class; 100 classes differ: "
        r"'apple' has 10, 'aquarium_fish' has 0, .* \.\.\.\. To read a part .*complete=False",
    ):
        load("cifar100", copies, complete=True)
    taxonomy, pixels = cifar100(), np.zeros(3072, np.uint8)
    tops = sorted(taxonomy.names[root] for root in taxonomy.roots)
    labels = [[tops.index(taxonomy.names[up]), leaf] for leaf, up in enumerate(taxonomy.parent[:100])]
    records = np.concatenate([labels, np.tile(pixels, (100, 1))], axis=1).astype(np.uint8)
    (copies / "cifar-100-binary" / "train.bin").write_bytes(np.tile(records, (500, 1)).tobytes())
    path.write_bytes(np.tile(records, (100, 1)).tobytes())
    found = load("cifar100", copies, complete=True)
    assert (len(found.train), len(found.test)) == (50_000, 10_000)
    path.write_bytes(np.tile(records, (100, 1))[1:].tobytes())
    with pytest.raises(
        DataError, match=r"9,999 images, .* 10,000 there, 100 of each class; 1 classes differ: 'apple' has 99\. To read"
    ):
        load("cifar100", copies, complete=True)


def set_byte(path, place, value):
    content = bytearray(path.read_bytes())
    content[place] = value
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "train.bin").unlink(), "is no folder of CIFAR-100"),
        (lambda folder: os.truncate(folder / "train.bin", 5000), r"train\.bin holds 5000 bytes, which is not a mult"),
        (lambda folder: os.truncate(folder / "train.bin", 0), "there are no training images"),
        (lambda folder: set_byte(folder / "train.bin", 1, 100), "image 0 has the fine label 100, expected 0 .. 99"),
        (lambda folder: set_byte(folder / "test.bin", 3074, 20), "image 1 has the coarse label 20, expected 0 .. 19"),
        (
            lambda folder: set_byte(folder / "train.bin", 0, 19),
            "train.bin: 1 images have another coarse label than their class, the first is image 0, '.*' under "
            "'vehicles_2', expected '",
        ),
        (lambda folder: (folder / "fine_label_names.txt").unlink(), r"cannot read .*fine_label_names\.txt"),
        (
            lambda folder: replace_text(folder / "fine_label_names.txt", "bear", "baer"),
            r"fine_label_names\.txt: label 3 is 'baer', expected 'bear'",
        ),
        (
            lambda folder: replace_text(folder / "coarse_label_names.txt", "vehicles_2\n", ""),
            r"coarse_label_names\.txt: 19 names, expected 20",
        ),
    ],
)
def test_broken_binary_cifar(copies, change, message):
    change(copies / "cifar-100-binary")
    with pytest.raises(DataError, match=message):
        load("cifar100", copies)


PIXELS = np.zeros((2, 3072), np.uint8)
PART = {"fine_labels": [0, 0], "coarse_labels": [4, 4], "data": PIXELS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**PART, "data": [1]}, "train: 'data' must be an array of 3072 bytes an image"),
        ({**PART, "data": PIXELS[:, :9]}, "train: 'data' must be an array of 3072 bytes an image"),
        ({**PART, "fine_labels": ["apple", "pear"]}, "train: 'fine_labels' must be a list of int"),
        ({**PART, "fine_labels": [0]}, "train: 2 images, but 1 fine and 2 coarse labels"),
        ({**PART, "fine_labels": [0, -1]}, "train: image 1 has the fine label -1, expected 0"),
        ({**PART, "coarse_labels": [4, 0]}, "'apple' under 'aquatic_mammals', expected 'fruit_and_vegetables'"),
        ({"data": PIXELS}, "train: 'fine_labels' must be a list of int, got NoneType"),
    ],
)
def test_broken_pickled_cifar(copies, content, message):
    folder = copies / "pickled" / "cifar-100-python"
    (folder / "train").write_bytes(dumps(PART))
    (folder / "test").write_bytes(dumps(PART))
    assert len(load("cifar100", folder).train) == 2
    (folder / "train").write_bytes(dumps(content))
    with pytest.raises(DataError, match=message):
        load("cifar100", folder)


def test_a_label_beyond_64_bits(copies):
    folder = copies / "pickled" / "cifar-100-python"
    (folder / "train").write_bytes(dumps(PART).replace(b"](J\x00\x00\x00\x00", b"](\x8a\x09" + b"\x00" * 8 + b"\x01"))
    with pytest.raises(DataError, match="train: a label is out of range"):
        load("cifar100", folder)


# FGVC-Aircraft


def test_aircraft(releases):
    found = load("aircraft", releases)
    assert found.taxonomy.leaves == tuple(row[0] for row in VARIANTS)
    assert (len(found.train), len(found.test)) == (32, 16)
    data = releases / "fgvc-aircraft-2013b" / "data"
    listed = dict(
        line.split(" ", 1) for part in ("trainval", "test") for line in lines(data / f"images_variant_{part}.txt")
    )
    for images in (found.train, found.test):
        assert [found.taxonomy.leaves[label] for label in images.labels] == [
            listed[Path(path).stem] for path in images.paths
        ]
    for folder in (data, data.parent):
        assert load("aircraft", folder).test.paths == found.test.paths
    assert not set(found.train.paths) & set(found.test.paths)


def lines(path):
    return path.read_text().splitlines()


def test_the_banner_is_cut_off(releases):
    found = load("aircraft", releases)
    for k in range(len(found.test)):
        with Image.open(found.test.root / found.test.paths[k]) as image:
            whole = np.asarray(image)
        assert whole[-20:].mean() < 20
        np.testing.assert_array_equal(found.test.read(k), whole[:-20])
        assert found.test.size(k) == (whole.shape[1], whole.shape[0] - 20)


def test_validation_of_aircraft_is_the_part_of_the_release(copies):
    found = load("aircraft", copies)
    data = copies / "fgvc-aircraft-2013b" / "data"
    tuning = load("aircraft", copies, evaluate_on="validation")
    assert sorted(tuning.train.paths + tuning.test.paths) == sorted(found.train.paths)
    assert [Path(path).stem for path in tuning.test.paths] == [
        line.split()[0] for line in lines(data / "images_variant_val.txt")
    ]
    for path in found.test.paths:
        (data / path).unlink()
    assert load("aircraft", copies, evaluate_on="validation").test.key == tuning.test.key


def test_aircraft_without_some_images(copies):
    data = copies / "fgvc-aircraft-2013b" / "data"
    gone = load("aircraft", copies).train.paths[:23]
    for path in gone:
        (data / path).unlink()
    with pytest.raises(DataError, match=r"23 of 48 images are missing in .*data:") as caught:
        load("aircraft", copies)
    assert str(caught.value).splitlines()[1:] == [*(f"  {path}" for path in gone[:20]), "  and 3 more"]
    shutil.rmtree(data / "images")
    with pytest.raises(DataError, match="48 of 48 images are missing"):
        load("aircraft", copies)


def test_counts_of_aircraft(copies, monkeypatch):
    with pytest.raises(DataError, match=r"FGVC-Aircraft has 100 variants, found 8; .*complete="):
        load("aircraft", copies, complete=True)
    # a tree with the right counts: the images are counted next
    small = load("aircraft", copies).taxonomy
    monkeypatch.setattr("hyperdml.data.classification.aircraft.fgvc_aircraft", lambda folder, complete: small)
    for on, part, count, found in (("test", "trainval", "6,667", 32), ("validation", "train", "3,334", 16)):
        message = f"images_variant_{part}.txt: {part} of FGVC-Aircraft has {count} images, found {found}. To read"
        with pytest.raises(DataError, match=message):
            load("aircraft", copies, complete=True, evaluate_on=on)


def test_broken_aircraft(copies):
    data = copies / "fgvc-aircraft-2013b" / "data"
    test, trainval = data / "images_variant_test.txt", data / "images_variant_trainval.txt"
    first = lines(test)[0]
    test.write_text(test.read_text() + first + "\n")
    with pytest.raises(
        DataError, match=rf"images_variant_test\.txt, line 17: image {first.split()[0]} is listed twice"
    ):
        load("aircraft", copies)
    test.write_text("\n".join([*lines(test)[:16], lines(trainval)[0]]))
    with pytest.raises(DataError, match="1 images are both in trainval and in test: '"):
        load("aircraft", copies)
    for rank in ("variant", "family", "manufacturer"):
        path = data / f"images_{rank}_test.txt"
        path.write_text("\n".join([*lines(path)[:15], "../../secret " + lines(path)[15].split(" ", 1)[1]]))
    with pytest.raises(DataError, match=r"images must lie within this folder, got images/\.\./\.\./secret\.jpg"):
        load("aircraft", copies)
    for path in data.glob("images_*_test.txt"):
        path.unlink()
    with pytest.raises(DataError, match=r"holds no images_variant_test\.txt"):
        load("aircraft", copies)
    with pytest.raises(DataError, match=r"holds no variants\.txt"):
        load("aircraft", copies / "pickled")


# NABirds


def test_nabirds(releases):
    found = load("nabirds", releases)
    folder = releases / "nabirds"
    assert (len(found.train), len(found.test)) == (35, 14)
    assert np.bincount(found.test.labels).tolist() == [2] * 7
    label_of = dict(line.split() for line in lines(folder / "image_class_labels.txt"))
    path_of = dict(line.split() for line in lines(folder / "images.txt"))
    part_of = dict(line.split() for line in lines(folder / "train_test_split.txt"))
    for part, images in (("1", found.train), ("0", found.test)):
        expected = [image for image in path_of if part_of[image] == part]
        assert list(images.paths) == [f"images/{path_of[image]}" for image in expected]
        names = [NODES[int(label_of[image])][0] for image in expected]
        # a leaf that shares its name with its group keeps it
        assert [found.taxonomy.leaves[label] for label in images.labels] == names
    assert load("nabirds", folder).test.key == found.test.key
    assert "Osprey (72)" in found.taxonomy.names


def test_bounding_boxes(copies):
    folder = copies / "nabirds"
    whole, cropped = load("nabirds", copies), load("nabirds", copies, boxes=True)
    image, *numbers = lines(folder / "bounding_boxes.txt")[0].split()
    left, top, width, height = map(int, numbers)
    path = next(line.split()[1] for line in lines(folder / "images.txt") if line.startswith(image))
    for one, other in ((whole.train, cropped.train), (whole.test, cropped.test)):
        assert one.paths == other.paths
        if f"images/{path}" in one.paths:
            k = one.paths.index(f"images/{path}")
            expected = one.read(k)[top : top + height, left : left + width]
            np.testing.assert_array_equal(other.read(k), expected)
    # what reaches beyond the image is cut off
    replace_text(
        folder / "bounding_boxes.txt", lines(folder / "bounding_boxes.txt")[0], f"{image} {left} {top} 900 900"
    )
    longer = load("nabirds", copies, boxes=True)
    part = longer.train if f"images/{path}" in longer.train.paths else longer.test
    k = part.paths.index(f"images/{path}")
    with Image.open(part.root / part.paths[k]) as picture:
        assert part.size(k) == (picture.width - left, picture.height - top)
    replace_text(folder / "bounding_boxes.txt", f"{image} {left} {top} 900 900", f"{image} 900 {top} 5 5")
    with pytest.raises(DataError, match=f"bounding_boxes.txt: the box of image {image} is empty or outside"):
        load("nabirds", copies, boxes=True)
    assert len(load("nabirds", copies).train) == 35, "without the option boxes are not read"


def test_validation_of_nabirds_looks_for_no_test_image(copies):
    whole = load("nabirds", copies)
    for path in whole.test.paths:
        (copies / "nabirds" / path).unlink()
    tuning = load("nabirds", copies, evaluate_on="validation")
    assert sorted(tuning.train.paths + tuning.test.paths) == sorted(whole.train.paths)
    assert np.bincount(tuning.test.labels).tolist() == [1] * 7
    with pytest.raises(DataError, match="14 of 49 images are missing"):
        load("nabirds", copies)
    (copies / "nabirds" / tuning.train.paths[0]).unlink()
    with pytest.raises(DataError, match="1 of 35 images are missing"):
        load("nabirds", copies, evaluate_on="validation")


def test_counts_of_nabirds(copies, monkeypatch):
    with pytest.raises(DataError, match="NABirds has 1011 nodes, found 16; NABirds has 555 leaves, found 7"):
        load("nabirds", copies, complete=True)
    from hyperdml.taxonomy.datasets import nabirds

    monkeypatch.setattr(
        "hyperdml.data.classification.nabirds.nabirds",
        lambda folder, complete, **names: nabirds(folder, complete=False, **names),
    )
    message = r"NABirds has 23,929 training images, found 35; 24,633 test images, found 14\. To .* give complete=F"
    with pytest.raises(DataError, match=message):
        load("nabirds", copies, complete=True)


@pytest.mark.parametrize("file", ["image_class_labels.txt", "train_test_split.txt"])
def test_files_of_nabirds_that_are_about_other_images(copies, file):
    path = copies / "nabirds" / file
    first = lines(path)[0].split()[0]
    replace_text(path, first, "other")
    with pytest.raises(
        DataError, match=rf"{file}: images of images\.txt without a line: '{first}'; only here: 'other'"
    ):
        load("nabirds", copies)
    replace_text(path, "other", lines(path)[1].split()[0])
    with pytest.raises(DataError, match=f"{file}, line 2: image .* is listed twice"):
        load("nabirds", copies)
    path.unlink()
    with pytest.raises(DataError, match=f"holds no {file}"):
        load("nabirds", copies)


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("train_test_split.txt", lambda cells: [cells[0], "2"], r"image {} must be 1 \(training\) or 0 \(test\)"),
        ("train_test_split.txt", lambda cells: [cells[0], "yes"], "line 1: 'yes' is not an id"),
        ("train_test_split.txt", lambda cells: cells[:1], "line 1: expected 2 cells"),
        ("image_class_labels.txt", lambda cells: [cells[0], "60"], "that are no leaves: 60"),
        ("images.txt", lambda cells: [cells[0], "../../x.jpg"], r"images must lie within this folder, got images/\.\."),
        (
            "images.txt",
            lambda cells: [cells[0], "0295/none.jpg"],
            r"1 of 49 images are missing in [^\n]*\n  images/0295",
        ),
        (
            "images.txt",
            lambda cells: [cells[0], "9/none.jpg"],
            r"1 of 49 images are missing in [^\n]*\n  images/9/none",
        ),
    ],
)
def test_broken_nabirds(copies, file, change, message):
    path = copies / "nabirds" / file
    rows = lines(path)
    first = rows[0].split()[0]
    path.write_text("\n".join([" ".join(change(rows[0].split())), *rows[1:]]))
    with pytest.raises(DataError, match=message.format(first)):
        load("nabirds", copies)


def test_nabirds_without_any_image(copies):
    (copies / "nabirds" / "images.txt").write_text("\n")
    with pytest.raises(DataError, match=r"images\.txt lists no images"):
        load("nabirds", copies)


def test_a_broken_photograph_is_named_when_it_is_read(copies):
    found = load("nabirds", copies)
    path = found.train.root / found.train.paths[0]
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(UnreadableImage, match=found.train.paths[0]):
        found.train.read(0)
