"""Reading images at their own size, in part, and shrunk while they are decoded."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperdml.data.image_files import UnreadableImage, read_full, read_image, upright_size

TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def noise(height=40, width=50, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def smooth(height, width):
    small = Image.fromarray(noise(4, 5))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def save_turned(pixels, path, turn, **options):
    """Save as a camera would that was held so: the file's pixels are turned, the tag says how to turn them back."""
    exif = Image.Exif()
    exif[0x0112] = turn
    image = Image.fromarray(pixels)
    (image if TURNS[turn] is None else image.transpose(TURNS[turn])).save(path, exif=exif, **options)


def test_whole_images(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "x.png")
    found = read_full(tmp_path / "x.png")
    np.testing.assert_array_equal(found, noise())
    assert found.dtype == np.uint8
    found[:] = 0  # a copy of its own
    assert upright_size(tmp_path / "x.png") == (50, 40)


@settings(max_examples=60, deadline=None)
@given(edges=st.tuples(*[st.integers(0, 12)] * 4))
def test_boxes_are_slices(tmp_path_factory, edges):
    path = tmp_path_factory.getbasetemp() / "boxes.png"
    Image.fromarray(noise(26, 25)).save(path)
    left, top, right, bottom = edges
    expected = noise(26, 25)[top : 26 - bottom, left : 25 - right]
    np.testing.assert_array_equal(read_full(path, (left, top, -right, -bottom)), expected)
    np.testing.assert_array_equal(read_full(path, (left, top, 25 - right, 26 - bottom)), expected)
    assert upright_size(path, (left, top, -right, -bottom)) == (25 - right - left, 26 - bottom - top)


@pytest.mark.parametrize("kind", ["png", "tif", "jpg"])
@pytest.mark.parametrize("turn", TURNS)
def test_boxes_and_sizes_are_those_of_the_upright_image(tmp_path, turn, kind):
    pixels = smooth(24, 36) if kind == "jpg" else noise(24, 36)
    path = tmp_path / f"x.{kind}"
    save_turned(pixels, path, turn, **({"quality": 98} if kind == "jpg" else {}))
    box = (5, 2, 0, -7)
    found = read_full(path, box)
    assert found.shape == (15, 31, 3)
    assert np.abs(found.astype(int) - pixels[2:17, 5:]).mean() < (4 if kind == "jpg" else 1e-9)
    assert upright_size(path) == (36, 24)
    assert upright_size(path, box) == (31, 15)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
def test_shrunken_jpeg_is_the_mean_of_its_pixels(tmp_path, turn, shrink):
    pixels = smooth(96, 160)
    save_turned(pixels, tmp_path / "x.jpg", turn, quality=98)
    found = read_full(tmp_path / "x.jpg", shrink=shrink)
    expected = pixels.reshape(96 // shrink, shrink, 160 // shrink, shrink, 3).mean((1, 3))
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 3
    part = read_full(tmp_path / "x.jpg", (32, 16, -48, -24), shrink)
    np.testing.assert_array_equal(part, found[16 // shrink : 72 // shrink, 32 // shrink : 112 // shrink])


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (9, 15), (17, 33)])
@pytest.mark.parametrize("shrink", [2, 4, 8])
def test_small_jpeg_never_shrinks_to_nothing(tmp_path, shape, shrink):
    Image.fromarray(noise(*shape)).save(tmp_path / "x.jpg")
    height, width, _ = read_full(tmp_path / "x.jpg", shrink=shrink).shape
    assert -(-shape[0] // shrink) <= height <= shape[0]
    assert -(-shape[1] // shrink) <= width <= shape[1]
    last = (shape[1] - 1, shape[0] - 1, shape[1], shape[0])
    assert read_full(tmp_path / "x.jpg", last, shrink).shape == (1, 1, 3)


def test_other_formats_keep_their_size(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_full(tmp_path / "x.png", shrink=8), noise())


def test_transparency_and_sixteen_bits_are_treated_as_in_squares(tmp_path):
    half = np.concatenate([noise(8, 8), np.full((8, 8, 1), 128, np.uint8)], axis=2)
    Image.fromarray(half).save(tmp_path / "half.png")
    Image.fromarray((np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)).save(tmp_path / "deep.png")
    for name in ("half.png", "deep.png"):
        np.testing.assert_array_equal(read_full(tmp_path / name), read_image(tmp_path / name, 8))


@pytest.mark.parametrize(
    "box", [(0, 0, 51, 0), (0, 0, 0, 41), (-1, 0, 0, 0), (50, 0, 0, 0), (0, 30, 0, -10), (9, 0, 9, 0)]
)
def test_boxes_that_are_not_within_the_image(tmp_path, box):
    Image.fromarray(noise()).save(tmp_path / "x.png")
    message = r"x\.png: box \(.*\) \(left, top, right, bottom\) is not within its 50 x 40 pixels"
    with pytest.raises(UnreadableImage, match=message):
        read_full(tmp_path / "x.png", box)
    with pytest.raises(UnreadableImage, match=message):
        upright_size(tmp_path / "x.png", box)


def test_refusals(tmp_path):
    (tmp_path / "x.jpg").write_text("no picture")
    for read in (read_full, upright_size):
        with pytest.raises(UnreadableImage, match="no image in a known format"):
            read(tmp_path / "x.jpg")
        with pytest.raises(UnreadableImage, match="No such file"):
            read(tmp_path / "y.jpg")
    with pytest.raises(ValueError, match="shrink must be 1, 2, 4 or 8, got 3"):
        read_full(tmp_path / "x.jpg", shrink=3)
