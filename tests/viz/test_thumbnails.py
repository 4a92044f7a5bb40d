"""Thumbnails: the middle square, the rows that were asked for, and a tile where a file cannot be read."""

import numpy as np
import pytest
from PIL import Image

from hyperdml.data import ArrayImages, FileImages
from hyperdml.viz.thumbnails import thumbnail, thumbnails, unreadable_tile

RED, GREEN, BLUE = (200, 10, 10), (10, 200, 10), (10, 10, 200)


def striped(width, height):
    """Red, green and blue thirds along the longer side: the middle square of 3 to 1 is green."""
    pixels = np.zeros((height, width, 3), np.uint8)
    longer = np.arange(max(width, height)) * 3 // max(width, height)
    colours = np.array([RED, GREEN, BLUE], np.uint8)[longer]
    pixels[:] = colours[None] if width >= height else colours[:, None]
    return pixels


@pytest.fixture
def files(tmp_path):
    names = ("wide.png", "tall.jpg", "large.jpg", "broken.jpg", "missing.png", "tiny.png")
    Image.fromarray(striped(90, 30)).save(tmp_path / names[0])
    Image.fromarray(striped(60, 180)).save(tmp_path / names[1], quality=95)
    Image.fromarray(striped(2400, 800)).save(tmp_path / names[2], quality=95)
    (tmp_path / names[3]).write_bytes(b"\xff\xd8 no image")
    Image.fromarray(np.full((1, 1, 3), 77, np.uint8)).save(tmp_path / names[5])
    return FileImages(tmp_path, names, np.zeros(len(names), np.int64))


@pytest.mark.parametrize("row", [0, 1, 2])
@pytest.mark.parametrize("side", [1, 7, 24, 100])
def test_the_middle_square(files, row, side):
    found = thumbnail(files, row, side)
    assert found.shape == (side, side, 3)
    assert found.dtype == np.uint8
    inner = found[1:-1, 1:-1] if side > 4 else found
    assert np.abs(inner.astype(int) - GREEN).mean() < 8


def test_large_files_are_decoded_small(files, monkeypatch):
    seen = []
    read = FileImages.read
    monkeypatch.setattr(FileImages, "read", lambda self, row, shrink=1: seen.append(shrink) or read(self, row, shrink))
    for row, side in ((2, 48), (2, 100), (2, 101), (2, 300), (1, 48)):
        thumbnail(files, row, side)
    assert seen == [8, 4, 2, 1, 1]


@pytest.mark.parametrize("row", [3, 4])
def test_files_that_cannot_be_read(files, row):
    tile = thumbnail(files, row, 40)
    np.testing.assert_array_equal(tile, unreadable_tile(40))


@pytest.mark.parametrize("side", [1, 2, 48])
def test_the_tile_is_grey_with_both_diagonals(side):
    tile = unreadable_tile(side)
    assert tile.shape == (side, side, 3)
    assert (tile == tile[..., :1]).all()
    np.testing.assert_array_equal(tile, tile[::-1])
    np.testing.assert_array_equal(tile, tile.transpose(1, 0, 2))
    diagonal = tile[np.arange(side), np.arange(side), 0]
    assert (diagonal == diagonal[0]).all()
    if side > 2:
        assert tile[0, side // 2, 0] != diagonal[0]


def test_several_in_their_order(files):
    rows = np.array([5, 3, 0, 0, 2])
    found = thumbnails(files, rows, 16)
    assert found.shape == (5, 16, 16, 3)
    for place, row in enumerate(rows):
        np.testing.assert_array_equal(found[place], thumbnail(files, row, 16))
    assert (found[0] == 77).all()


def test_images_in_memory():
    pixels = np.random.default_rng(0).integers(0, 255, (3, 12, 12, 3), dtype=np.uint8)
    images = ArrayImages(pixels, np.arange(3))
    np.testing.assert_array_equal(thumbnails(images, [2, 0], 12), pixels[[2, 0]])


def test_messages():
    images = ArrayImages(np.zeros((1, 4, 4, 3), np.uint8), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="side must be at least 1, got 0"):
        thumbnail(images, 0, 0)
    with pytest.raises(ValueError, match="side must be at least 1, got -3"):
        thumbnails(images, [], -3)
    assert thumbnails(images, [], 5).shape == (0, 5, 5, 3)
