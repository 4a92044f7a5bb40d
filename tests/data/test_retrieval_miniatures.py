"""Miniatures: the layouts of the releases, the same bytes for the same seed, and nothing half-written."""

import hashlib

import numpy as np
import pytest
from scipy.io import loadmat

from hyperdml.data.image_files import read_full
from hyperdml.data.miniatures import make_cars, make_cub, make_in_shop, make_sop
from hyperdml.errors import DataError

MAKERS = {
    "cub": make_cub,
    "sop": make_sop,
    "in_shop": make_in_shop,
    "cars": make_cars,
    "devkit": lambda folder, **options: make_cars(folder, "devkit", **options),
    "folders": lambda folder, **options: make_cars(folder, "folders", **options),
}


def digest(folder):
    # MATLAB files begin with the time at which they were written
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".mat")
    return [(str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_gives_the_same_files(tmp_path, name):
    make = MAKERS[name]
    first = make(tmp_path / "a", per_class=2, seed=3)
    assert digest(first) == digest(make(tmp_path / "b", per_class=2, seed=3))
    assert digest(first) != digest(make(tmp_path / "c", per_class=2, seed=4))
    assert first.parent == tmp_path / "a"
    images = [path for path in first.rglob("*.[jJ][pP][gG]") if not path.name.startswith("._")]
    assert len(images) == 16
    assert all(read_full(path).shape[2] == 3 for path in images)


@pytest.mark.parametrize("name", MAKERS)
def test_miniatures_replace_nothing(tmp_path, name):
    make = MAKERS[name]
    made = make(tmp_path, train_classes=1, test_classes=1, per_class=2)
    before = digest(made)
    with pytest.raises(DataError, match="is there already, and nothing is overwritten"):
        make(tmp_path, per_class=2)
    assert digest(made) == before
    with pytest.raises(ValueError, match=r"per_class must be at least \d, got 0"):
        make(tmp_path / "other", per_class=0)
    with pytest.raises(ValueError, match="train_classes must be at least 1, got 0"):
        make(tmp_path / "other", train_classes=0)
    assert not (tmp_path / "other").exists()


def test_what_miniatures_refuse(tmp_path):
    for make in (make_cub, make_cars):
        with pytest.raises(ValueError, match="test_classes must be at most 8, got 9"):
            make(tmp_path, test_classes=9)
    with pytest.raises(ValueError, match="layout must be one of 'mat', 'devkit', 'folders', got 'zip'"):
        make_cars(tmp_path, "zip")
    with pytest.raises(ValueError, match="per_class must be at least 2, got 1"):
        make_in_shop(tmp_path, per_class=1)


def test_quirks_of_the_releases(tmp_path):
    cub = make_cub(tmp_path, per_class=1)
    assert list(cub.rglob("._*.jpg"))
    assert (cub / "images.txt").read_text().startswith("1 001.Black_footed_Albatross/Black_footed_Albatross_0001_")
    shop = make_in_shop(tmp_path, per_class=2)
    assert " " in shop.name
    lines = (shop / "Eval" / "list_eval_partition.txt").read_text().splitlines()
    assert lines[:2] == ["16", "image_name item_id evaluation_status"]
    sop = make_sop(tmp_path, train_classes=40, test_classes=2, per_class=1)
    rows = [line.split() for line in (sop / "Ebay_train.txt").read_text().splitlines()]
    assert rows[0] == ["image_id", "class_id", "super_class_id", "path"]
    assert [int(row[1]) for row in rows[1:]] == list(range(1, 41))
    supers = [int(row[2]) for row in rows[1:]]
    assert sorted(supers) == supers
    assert sorted(set(supers)) == list(range(1, 13))
    cars = loadmat(make_cars(tmp_path, per_class=2) / "cars_annos.mat")
    fields = ("relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test")
    assert (cars["annotations"].shape, cars["annotations"].dtype.names) == ((1, 16), fields)
    assert cars["class_names"].shape == (1, 196)
    assert str(np.ravel(cars["annotations"]["relative_im_path"])[0][0]) == "car_ims/000001.jpg"
