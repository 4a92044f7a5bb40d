"""CUB, Cars, SOP and In-Shop in their layouts: parts, classes, levels, and the counts of the whole releases."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from hyperdml.data import DataConfig, load_splits, presence
from hyperdml.data.miniatures import make_cars, make_cub, make_in_shop, make_sop
from hyperdml.data.retrieval import cars as cars_module
from hyperdml.data.retrieval import cub as cub_module
from hyperdml.data.retrieval import in_shop as in_shop_module
from hyperdml.data.retrieval import sop as sop_module
from hyperdml.data.retrieval.cub import load_cub
from hyperdml.data.retrieval.in_shop import load_in_shop
from hyperdml.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    root = tmp_path_factory.mktemp("releases")
    make_cub(root, per_class=3)
    make_sop(root, per_class=3)
    make_in_shop(root, per_class=4)
    make_in_shop(root / "flat", nested=False, per_class=4)
    for layout in ("mat", "devkit", "folders"):
        make_cars(root / layout, layout, per_class=4)
    return root


@pytest.fixture
def copies(releases, tmp_path):
    """A copy of its own for a test that breaks something."""
    return Path(shutil.copytree(releases, tmp_path / "copies"))


def load(name, root, **options):
    return load_splits(DataConfig(**{"name": name, "root": str(root), "complete": False, **options}))


def content(part):
    """Pixels of every image with the name of its class."""
    pairs = zip(range(len(part)), part.labels.tolist(), strict=True)
    return sorted((part.class_names[label], part.images.read(row).tobytes()) for row, label in pairs)


# CUB-200-2011


def test_cub(releases):
    splits = load("cub", releases)
    assert splits.validation is None
    assert splits.train.class_names[:2] == ("001.Black_footed_Albatross", "002.Laysan_Albatross")
    assert splits.test.class_names[0] == "101.White_Pelican"
    assert (len(splits.train), len(splits.test), splits.train.level_names) == (12, 12, ("class",))
    for part in (splits.train, splits.test):
        for path, label in zip(part.images.paths, part.labels, strict=True):
            assert path.startswith(f"images/{part.class_names[label]}/")
            assert "/._" not in path
    assert load("cub", releases / "CUB_200_2011").test.images.key == splits.test.images.key
    (held,) = (load("cub", releases, validation=0.25, split_seed=seed) for seed in (3,))
    assert (held.train.num_classes, held.validation.num_classes) == (3, 1)
    assert held.test.images.key == splits.test.images.key


def test_cub_below_a_table_of_ranks(releases, tmp_path):
    table = tmp_path / "ranks.csv"
    rows = ["T,A,1", "T,A,2", "T,A,3", "C,Ani,4", "P,Pel,101", "S,Fly,102", "S,Fly,103", "S,Wag,104"]
    table.write_text("\n".join(["order,family,class", *rows]))
    splits = load("cub", releases, taxonomy=str(table))
    assert splits.train.level_names == ("level 1", "level 2", "class")
    above = [splits.train.coarse_names[k] for k in splits.train.levels[::3, 0]]
    assert above == ["T", "T", "T", "C"]
    assert len(set(splits.test.levels[:, 1].tolist())) == 3
    held = load("cub", releases, taxonomy=str(table), validation=0.3, split_by="subgroup")
    assert {tuple(held.train.class_names), tuple(held.validation.class_names)} == {
        splits.train.class_names[:3],
        splits.train.class_names[3:],
    }
    with pytest.raises(ConfigError, match=r"data\.split_by=subgroup needs a taxonomy: data\.name=cub has no level"):
        load("cub", releases, validation=0.3, split_by="subgroup")


def made_up_cub(counts):
    """Paths of images of 200 classes; counts of the classes that are trained on and the others."""
    paths = []
    for first, count in zip((1, 101), counts, strict=True):
        sizes = np.full(100, count // 100) + (np.arange(100) < count % 100)
        paths += [
            f"{number:03d}.Bird_{number}/Bird_{k:04d}.jpg"
            for number, size in enumerate(sizes.tolist(), first)
            for k in range(size)
        ]
    return paths


def test_a_whole_cub_and_an_old_one(tmp_path, monkeypatch):
    """Of thousands of files, only their names are made up."""
    images = tmp_path / "CUB_200_2011" / "images"
    (images / "001.Bird_1").mkdir(parents=True)  # by which the release is recognised
    there = made_up_cub((5864, 5924))
    monkeypatch.setattr(cub_module, "list_images", lambda folder: [folder / path for path in sorted(there)])
    monkeypatch.setattr(
        presence, "_names", lambda folder: {path.split("/")[1] for path in there if path.split("/")[0] == folder.name}
    )
    listed = list(there)

    def write_list(paths, end="\n"):
        (images.parent / "images.txt").write_text("".join(f"{k} {path}{end}" for k, path in enumerate(paths, 1)))

    def refused(message):
        with pytest.raises(DataError, match=message):
            load_cub(DataConfig(name="cub", root=str(tmp_path)))

    write_list(listed, "\r\n")
    data = load_cub(DataConfig(name="cub", root=str(tmp_path)))
    assert np.bincount(data.parts).tolist() == [5864, 0, 5924]
    there[0] = "001.Bird_1/more.jpg"
    refused(r"1 of 11788 images are missing in .*\n  images/001.Bird_1/Bird_0000.jpg")
    write_list(listed[1:])
    refused(r"1 images are not in images.txt: 'images/001.Bird_1/more.jpg'")
    del there[0]
    refused(r"CUB-200-2011 has 5,864 training images, found 5,863. To read a part")
    there[:] = made_up_cub((2990, 3043))
    refused(r"this is CUB-200 \(2010\), 2,990 training and 3,043 test images; you need CUB")


# Cars-196


def test_layouts_of_cars_hold_the_same(releases):
    named, parts = [], []
    for layout in ("mat", "devkit", "folders"):
        splits = load("cars", releases / layout)
        parts.append((content(splits.train), content(splits.test)))
        named.append((splits.train.class_names, set(splits.test.class_names)))
        for part in (splits.train, splits.test):
            assert part.level_names == ("body type", "class")
            bodies = {
                part.class_names[k]: part.coarse_names[level]
                for k, (level, _) in zip(part.labels, part.levels, strict=True)
            }
            assert (
                bodies.items()
                <= {
                    "AM General Hummer SUV 2000": "suv",
                    "Acura RL Sedan 2012": "sedan",
                    "Acura ZDX Hatchback 2012": "hatchback",
                    "BMW X5 SUV 2007": "suv",
                    "FIAT 500 Abarth 2012": "hatchback",
                    "FIAT 500 Convertible 2012": "convertible",
                    "Ferrari FF Coupe 2012": "coupe",
                    "Ferrari California Convertible 2012": "convertible",
                }.items()
            )
    assert parts[0] == parts[1] == parts[2]
    assert named[0] == named[1] == named[2]


def test_train_and_test_of_cars_are_divided_by_class_not_by_the_flag(releases):
    annotations = loadmat(releases / "mat" / "cars196" / "cars_annos.mat")["annotations"][0]
    splits = load("cars", releases / "mat")
    trained = {str(one["relative_im_path"][0]) for one in annotations if int(one["class"][0, 0]) <= 98}
    assert set(splits.train.images.paths) == trained
    flags = {int(one["test"][0, 0]) for one in annotations if str(one["relative_im_path"][0]) in trained}
    assert flags == {0, 1}


def test_folders_of_cars_are_divided_as_the_numbers_of_the_release(tmp_path):
    make_cars(tmp_path, "folders", train_classes=8, test_classes=8, per_class=2)
    splits = load("cars", tmp_path)
    assert splits.train.class_names[-1] == "Eagle Talon Hatchback 1998"  # class 98 of 196
    assert splits.test.class_names[0] == "FIAT 500 Abarth 2012"
    assert splits.test.class_names[-1] == "smart fortwo Convertible 2012"


def test_folders_within_folders_of_cars(copies):
    (copies / "folders" / "car_data").rename(copies / "moved")
    (copies / "folders" / "archive").mkdir()
    (copies / "moved").rename(copies / "folders" / "archive" / "car_data")
    assert content(load("cars", copies / "folders").test) == content(load("cars", copies / "mat").test)
    inner = copies / "devkit" / "stanford_cars"
    for part in ("cars_train", "cars_test"):  # as an archive of them unpacks
        (inner / part).rename(inner / "moved")
        (inner / part).mkdir()
        (inner / "moved").rename(inner / part / part)
    (inner / "car_devkit").mkdir()
    (inner / "devkit").rename(inner / "car_devkit" / "devkit")
    assert content(load("cars", inner).test) == content(load("cars", copies / "mat").test)


def test_a_whole_cars(tmp_path, monkeypatch):
    monkeypatch.setattr(cars_module, "check_present", lambda folder, paths: None)
    bodies = ("Sedan", "SUV", "Coupe", "Convertible", "Hatchback", "Wagon", "Minivan", "Van", "Crew Cab")
    names = [f"Make{k // 4} {k} {bodies[k % 9]} 2012" for k in range(196)]
    classes = np.concatenate([np.arange(8054) % 98, 98 + np.arange(8131) % 98]) + 1
    (tmp_path / "car_ims").mkdir()

    rows = [(f"car_ims/{k:06d}.jpg", number) for k, number in enumerate(classes.tolist(), 1)]
    table = np.array([rows], dtype=[("relative_im_path", object), ("class", object)])
    content = {"annotations": table, "class_names": np.array([names], dtype=object)}
    savemat(tmp_path / "cars_annos.mat", content)
    splits = load("cars", tmp_path, complete=True)
    assert (len(splits.train), len(splits.test)) == (8054, 8131)
    assert (splits.train.num_classes, splits.test.num_classes) == (98, 98)
    assert len(splits.train.coarse_names) == 9


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        (
            "cub",
            ".",
            "CUB-200-2011 has 5,864 training images, found 12; 5,924 test images, found 12; 200 classes, found 8",
        ),
        (
            "cars",
            "mat",
            "Cars-196 has 8,054 training images, found 16; 8,131 test images, found 16; 196 classes, found 8",
        ),
        (
            "cars",
            "folders",
            "Cars-196 has 8,054 training images, found 16; .*give complete=False .data.complete=f",
        ),
        (
            "sop",
            ".",
            "Stanford Online Products has 59,551 training .* found 12; .* 11,316 test classes, found 4. To ",
        ),
        (
            "in_shop",
            ".",
            "In-Shop has 25,882 train images, found 16; 14,218 query .* 3,985 gallery items, found 4. To ",
        ),
    ],
)
def test_counts_are_those_of_the_whole_release(releases, name, folder, message):
    with pytest.raises(DataError, match=message):
        load(name, releases / folder, complete=True)


# Stanford Online Products


def test_sop(releases):
    splits = load("sop", releases)
    assert (len(splits.train), len(splits.test)) == (12, 12)
    assert splits.train.class_names == ("1", "2", "3", "4")
    assert splits.test.class_names == ("5", "6", "7", "8")
    for part in (splits.train, splits.test):
        assert part.level_names == ("super-class", "class")
        for path, (coarse, _) in zip(part.images.paths, part.levels.tolist(), strict=True):
            assert path.startswith(f"{part.coarse_names[coarse]}_final/")
    assert load("sop", releases / "Stanford_Online_Products").train.images.key == splits.train.images.key


def test_a_whole_sop(tmp_path, monkeypatch):
    monkeypatch.setattr(sop_module, "check_present", lambda folder, paths: None)
    classes = {"train": np.arange(59_551) % 11_318 + 1, "test": 11_319 + np.arange(60_502) % 11_316}
    supers = np.arange(22_635) % 12
    image = 0
    for part, numbers in classes.items():
        lines = ["image_id class_id super_class_id path"]
        for number in numbers.tolist():
            image += 1
            coarse = int(supers[number])
            lines.append(f"{image} {number} {coarse + 1} kind{coarse}_final/{image}.JPG")
        (tmp_path / f"Ebay_{part}.txt").write_text("\n".join(lines))
    splits = load("sop", tmp_path, complete=True)
    assert (len(splits.train), len(splits.test)) == (59_551, 60_502)
    assert (splits.train.num_classes, splits.test.num_classes) == (11_318, 11_316)
    assert len(splits.test.coarse_names) == 12


# In-Shop


def test_in_shop(releases):
    splits = load("in_shop", releases)
    flat = load("in_shop", releases / "flat")
    test = splits.test
    assert (len(splits.train), len(test)) == (16, 16)
    assert splits.train.queries is None is splits.train.gallery
    assert (test.queries.sum(), test.gallery.sum()) == (8, 8)
    assert not (test.queries & test.gallery).any()
    assert test.level_names == ("gender", "category", "item")
    assert test.coarse_names == ("MEN", "WOMEN")
    listed = (releases / "In-shop Clothes Retrieval Benchmark" / "Eval" / "list_eval_partition.txt").read_text()
    status = {cells[0]: cells[1:] for cells in map(str.split, listed.splitlines()[2:])}
    for row, path in enumerate(test.images.paths):
        item, part = status[path.removeprefix("Img/")]
        assert item == test.class_names[test.labels[row]]
        assert part == ("query" if test.queries[row] else "gallery")
        assert path.startswith(f"Img/img/{test.coarse_names[test.levels[row, 0]]}/")
    assert content(flat.train) == content(splits.train)
    assert content(flat.test) == content(test)
    held = load("in_shop", releases, validation=0.5)
    assert held.validation.queries is None  # held-out training images have no queries
    assert set(held.validation.class_names) < set(splits.train.class_names)


@pytest.mark.parametrize("place", ["img/img", "Img", "img", "Img/img/img"])
def test_places_of_the_images_of_in_shop(copies, place):
    folder = copies / "In-shop Clothes Retrieval Benchmark"
    before = content(load("in_shop", folder).test)
    (folder / "Img" / "img").rename(folder / "moved")
    (folder / "Img").rmdir()
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / "moved").rename(folder / place)
    (folder / "Eval").rename(folder / "Anno")
    assert content(load("in_shop", folder).test) == before


def test_large_images_of_in_shop_are_another_benchmark(copies):
    folder = copies / "In-shop Clothes Retrieval Benchmark"
    (folder / "Img" / "img").rename(folder / "Img" / "img_highres")
    with pytest.raises(DataError, match=r"found Img/img_highres, but the benchmark is on the small images: unpack img"):
        load("in_shop", folder)
    shutil.rmtree(folder / "Img")
    with pytest.raises(DataError, match="holds no images: looked for Img/img/"):
        load("in_shop", folder)


def in_shop_list(rows):
    lines = [str(len(rows)), "image_name item_id evaluation_status"]
    return "\n".join(
        lines + [f"img/{place}/id_{item:08d}/{k}.jpg id_{item:08d} {part}" for k, place, item, part in rows]
    )


def test_items_in_several_categories_count_to_the_one_with_most_images(tmp_path, monkeypatch):
    monkeypatch.setattr(in_shop_module, "check_present", lambda folder, paths: None)
    (tmp_path / "img" / "MEN").mkdir(parents=True)
    places = {1: ["MEN/A", "WOMEN/B", "WOMEN/B"], 2: ["WOMEN/B", "MEN/A"], 3: ["MEN/C"]}
    rows = [(k, place, item, "train") for item, found in places.items() for k, place in enumerate(found)]
    (tmp_path / "list_eval_partition.txt").write_text(in_shop_list(rows))
    data = load_in_shop(DataConfig(name="in_shop", root=str(tmp_path), complete=False))
    # categories are MEN/A, MEN/C, WOMEN/B; equal counts go to the first
    assert data.levels.tolist() == [[1, 2, 0], [0, 0, 1], [0, 1, 2]]


def test_a_whole_in_shop(tmp_path, monkeypatch):
    monkeypatch.setattr(in_shop_module, "check_present", lambda folder, paths: None)
    (tmp_path / "img" / "MEN").mkdir(parents=True)
    sizes = {"train": (25_882, 3997, 0), "query": (14_218, 3985, 3997), "gallery": (12_612, 3985, 3997)}

    def write(first_of_gallery):
        rows = [
            (f"{part}{k}", "MEN/A", (first_of_gallery if part == "gallery" else first) + k % items, part)
            for part, (count, items, first) in sizes.items()
            for k in range(count)
        ]
        (tmp_path / "list_eval_partition.txt").write_text(in_shop_list(rows))

    write(3997)
    splits = load("in_shop", tmp_path, complete=True)
    assert (len(splits.train), len(splits.test)) == (25_882, 26_830)
    assert (splits.train.num_classes, splits.test.num_classes) == (3997, 3985)
    assert (splits.test.queries.sum(), splits.test.gallery.sum()) == (14_218, 12_612)
    write(3998)
    with pytest.raises(DataError, match=r"queries whose item is not in the gallery: 'id_00003997'"):
        load("in_shop", tmp_path, complete=True)
