"""Miniatures of releases: layout, repeatability, and that their classes can be told apart."""

import numpy as np
import pytest

from hyperdml.data.classification import ClassificationDataConfig, load_classification
from hyperdml.data.miniatures import make_aircraft, make_cifar100, make_nabirds
from hyperdml.data.miniatures.drawing import FIGURES, draw
from hyperdml.errors import DataError

MAKERS = {
    "cifar100": (make_cifar100, {"train_per_class": 6, "test_per_class": 3}),
    "aircraft": (make_aircraft, {"per_part": 3}),
    "nabirds": (make_nabirds, {"train_per_class": 6, "test_per_class": 3}),
}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_gives_the_same_files(tmp_path, name):
    make, options = MAKERS[name]
    first = contents(make(tmp_path / "a", **options))
    assert first == contents(make(tmp_path / "b", **options))
    other = contents(make(tmp_path / "c", seed=1, **options))
    assert first != other
    assert [path.name for path in (tmp_path / "a").iterdir()] == [make(tmp_path / "d", **options).name]


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_is_replaced_or_half_written(tmp_path, name, monkeypatch):
    make, options = MAKERS[name]
    folder = make(tmp_path, **options)
    before = contents(tmp_path)
    with pytest.raises(DataError, match=f"{folder.name} is there already, and nothing is overwritten"):
        make(tmp_path, **options)
    assert contents(tmp_path) == before

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"hyperdml.data.miniatures.{name}.draw", full)
    with pytest.raises(OSError, match="No space left"):
        make(tmp_path / "other", **options)
    assert not list((tmp_path / "other").iterdir())


@pytest.mark.parametrize("name", MAKERS)
def test_options(tmp_path, name):
    make, options = MAKERS[name]
    key = next(iter(options))
    with pytest.raises(ValueError, match=f"{key} must be at least 1, got 0"):
        make(tmp_path, **{**options, key: 0})
    with pytest.raises(ValueError, match="version must be 'binary' or 'python', got 'matlab'"):
        make_cifar100(tmp_path, "matlab")
    assert not list(tmp_path.iterdir())


def test_files_of_the_releases(tmp_path):
    make_cifar100(tmp_path, "python", train_per_class=1, test_per_class=1)
    make_cifar100(tmp_path, train_per_class=1, test_per_class=1)
    make_aircraft(tmp_path, per_part=1)
    make_nabirds(tmp_path, train_per_class=1, test_per_class=1)
    names = {path for path in contents(tmp_path) if not path.endswith(".jpg")}
    parts = ("train", "val", "trainval", "test")
    labels = {f"images_{rank}_{part}.txt" for rank in ("variant", "family", "manufacturer") for part in parts}
    data = {*labels, "variants.txt", "families.txt", "manufacturers.txt", "images_box.txt"}
    assert names == {
        *(f"cifar-100-python/{name}" for name in ("train", "test", "meta")),
        *(f"cifar-100-binary/{name}" for name in ("train.bin", "test.bin")),
        *(f"cifar-100-binary/{level}_label_names.txt" for level in ("fine", "coarse")),
        *(f"fgvc-aircraft-2013b/data/{name}" for name in data),
        *(f"nabirds/{name}.txt" for name in ("images", "image_class_labels", "train_test_split", "sizes")),
        *(f"nabirds/{name}.txt" for name in ("bounding_boxes", "classes", "hierarchy")),
    }


def squares(images, side=12):
    """Images brought to one small size by picking pixels."""
    out = []
    for k in range(len(images)):
        pixels = images.read(k)
        rows, columns = (np.linspace(0, length - 1, side).astype(int) for length in pixels.shape[:2])
        out.append(pixels[rows][:, columns].ravel())
    return np.array(out, dtype=np.float64)


def test_classes_can_be_told_apart(tmp_path):
    make_nabirds(tmp_path)
    config = ClassificationDataConfig(name="nabirds", root=str(tmp_path), boxes=True, complete=False)
    found = load_classification(config)
    train, test = squares(found.train), squares(found.test)
    nearest = ((test[:, None] - train[None]) ** 2).sum(2).argmin(1)
    assert (found.train.labels[nearest] == found.test.labels).mean() > 0.75  # by chance: 1 / 7


def test_figures_differ_and_lie_in_their_boxes():
    centre = np.mgrid[-1:1:33j, -1:1:33j]
    masks = [figure(centre[1], centre[0]) for figure in FIGURES]
    for k, mask in enumerate(masks):
        assert all((mask != other).mean() > 0.1 for other in masks[:k])
    for figure in range(len(FIGURES)):
        pixels, (left, top, right, bottom) = draw(np.random.default_rng(figure), 3, figure, 50, 40)
        coloured = pixels.max(2).astype(int) - pixels.min(2) > 80
        rows, columns = np.nonzero(coloured)
        assert left <= columns.min() <= columns.max() < right
        assert top <= rows.min() <= rows.max() < bottom
