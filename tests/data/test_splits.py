"""Parts of the bundled set and of folders, with labels and levels that belong together."""

import numpy as np
import pytest
from PIL import Image

from hyperdml.data import DataConfig, load_splits
from hyperdml.errors import ConfigError, DataError


def photos(root, classes=8, images=3, mode="RGB"):
    rng = np.random.default_rng(0)
    for k in range(classes):
        (root / f"class {k}").mkdir(parents=True)
        for i in range(images):
            pixels = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(root / f"class {k}" / f"{i}.png")
    return root


@pytest.mark.parametrize("by", ["class", "subgroup"])
def test_emoji_parts_are_class_disjoint(by):
    parts = load_splits(DataConfig(split_by=by))
    named = [parts.train, parts.validation, parts.test]
    names = [set(part.class_names) for part in named]
    assert len(names[0] | names[1] | names[2]) == 1068 == sum(map(len, names))
    assert sum(map(len, named)) == 5340
    for part in named:
        assert part.num_classes == part.labels.max() + 1
        assert len(part.levels) == len(part.images) == len(part)
        # one group and one subgroup a class
        for k in range(part.num_classes):
            assert len(np.unique(part.levels[part.labels == k], axis=0)) == 1
        assert len(part.coarse_names) == 8
    if by == "subgroup":
        assert set(parts.train.levels[:, 1]).isdisjoint(parts.test.levels[:, 1])


def test_tiny_set():
    parts = load_splits(DataConfig(subset="tiny"))
    assert [part.num_classes for part in (parts.train, parts.validation, parts.test)] == [60, 18, 42]


def test_folder(tmp_path):
    parts = load_splits(DataConfig(name="folder", root=str(photos(tmp_path)), image_size=16))
    assert parts.train.images.shape == (12, 16, 16, 3)
    assert [part.num_classes for part in (parts.train, parts.validation, parts.test)] == [4, 1, 3]
    assert parts.train.level_names == ("class",)
    assert parts.train.coarse_names == tuple(f"class {k}" for k in range(8))
    assert [parts.test.coarse_names[k] for k in np.unique(parts.test.levels[:, 0])] == list(parts.test.class_names)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "I;16", "LA", "1"])
def test_folder_reads_every_mode_as_rgb(tmp_path, mode):
    suffix = "tif" if mode == "CMYK" else "png"
    for k in range(8):
        (tmp_path / str(k)).mkdir()
        image = Image.new("L", (9, 7), 200)
        if mode == "I;16":
            image = Image.fromarray(np.full((7, 9), 200 * 256, np.uint16))
        else:
            image = image.convert("RGB").convert(mode)
        image.save(tmp_path / str(k) / f"x.{suffix}")
    parts = load_splits(DataConfig(name="folder", root=str(tmp_path), image_size=8))
    assert abs(int(parts.train.images.mean()) - 200) <= 3


def test_big_endian_16_bit_and_32_bit(tmp_path):
    for k in range(8):
        (tmp_path / str(k)).mkdir()
        Image.fromarray(np.full((7, 9), 200 * 256, ">u2")).save(tmp_path / str(k) / "x.tif")
    config = DataConfig(name="folder", root=str(tmp_path), image_size=8)
    assert (load_splits(config).train.images == 200).all()
    Image.fromarray(np.full((7, 9), 0.5, np.float32)).save(tmp_path / "3" / "y.tif")
    with pytest.raises(DataError, match=r"3/y\.tif: 32-bit pixels"):
        load_splits(config)


def test_transparency_becomes_white(tmp_path):
    for k in range(8):
        (tmp_path / str(k)).mkdir()
        Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / str(k) / "x.png")
    parts = load_splits(DataConfig(name="folder", root=str(tmp_path), image_size=8))
    assert (parts.train.images == 255).all()


def test_rotation_in_the_file_is_applied(tmp_path):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 3
    for k in range(8):
        (tmp_path / str(k)).mkdir()
        Image.fromarray(pixels).save(tmp_path / str(k) / "x.png", exif=exif)
    images = load_splits(DataConfig(name="folder", root=str(tmp_path), image_size=16)).train.images
    assert images[0, -1].mean() > 250
    assert images[0, 0].mean() < 5


def test_broken_images_are_all_named(tmp_path):
    photos(tmp_path)
    for k in range(3):
        (tmp_path / f"class {k}" / "broken.jpg").write_bytes(b"\xff\xd8 not a picture")
    (tmp_path / "class 3" / "empty.png").touch()
    whole = (tmp_path / "class 4" / "0.png").read_bytes()
    (tmp_path / "class 4" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "class 5" / "folder.png").mkdir()
    with pytest.raises(DataError, match="6 of 30 images cannot be read") as caught:
        load_splits(DataConfig(name="folder", root=str(tmp_path), image_size=16))
    for name in ("class 0/broken.jpg", "class 3/empty.png", "class 4/cut.png", "class 5/folder.png"):
        assert name in str(caught.value)


def test_many_broken_images_are_counted_and_not_all_printed(tmp_path):
    for k in range(50):
        (tmp_path / str(k)).mkdir()
        (tmp_path / str(k) / "x.png").touch()
    with pytest.raises(DataError, match="50 of 50 images") as caught:
        load_splits(DataConfig(name="folder", root=str(tmp_path)))
    assert "and 30 more" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 22


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        (DataConfig(name="folder"), ConfigError, "needs data.root"),
        (DataConfig(name="folder", root="no/such/place"), DataError, "no such folder: no/such/place"),
        (DataConfig(name="folder", root=".", split_by="subgroup"), ConfigError, "needs a taxonomy"),
        (DataConfig(split_seed=-1), ConfigError, "data.split_seed must not be negative, got -1"),
        (DataConfig(image_size=4), ConfigError, "data.image_size must be at least 8, got 4"),
        (DataConfig(root="no/such/place"), DataError, "no/such/place"),
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
