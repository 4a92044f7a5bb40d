"""Every kind of pixels comes out as upright RGB, the same through all ways of reading."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from hyperdml.data.image_files import UnreadableImage, read_full, read_image, upright_size

SIZE = 12
LEVELS = np.arange(SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE)
COLOURS = np.stack([LEVELS, 255 - LEVELS, LEVELS // 2 + 60], -1)


def png(depth, colour_type, samples, extra=b""):
    """A PNG written by hand: Pillow cannot write 16 bits of colour."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(samples.dtype.newbyteorder(">")).tobytes() for row in samples)
    head = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def both(path):
    """What `read_full` gives; `read_image` must agree at the same size."""
    found = read_full(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(read_image(path, SIZE), found)
    assert upright_size(path) == (SIZE, SIZE)
    return found.astype(int)


def opaque(samples):
    return np.concatenate([samples, np.full((SIZE, SIZE, 1), np.iinfo(samples.dtype).max, samples.dtype)], -1)


@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
@pytest.mark.parametrize("low", [0, 128, 255])
def test_sixteen_bits_are_scaled_over_their_whole_range(tmp_path, colour_type, low):
    eight = COLOURS if colour_type & 2 else LEVELS[..., None]
    sixteen = eight.astype(np.uint16) * 256 + low
    (tmp_path / "x.png").write_bytes(png(16, colour_type, opaque(sixteen) if colour_type & 4 else sixteen))
    found = both(tmp_path / "x.png")
    np.testing.assert_array_equal(found, np.broadcast_to(eight, (SIZE, SIZE, 3)))
    assert np.abs(found - sixteen / 257.0).max() <= 1  # the ends of one range are those of the other


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_sixteen_bits_of_tiff(tmp_path, order):
    pixels = (LEVELS.astype(np.uint16) * 256 + 7).astype(order)
    kind = "I;16" if order == "<u2" else "I;16B"
    Image.frombytes(kind, (SIZE, SIZE), pixels.tobytes()).save(tmp_path / "x.tif")
    np.testing.assert_array_equal(both(tmp_path / "x.tif"), np.stack([LEVELS] * 3, -1))


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "bmp", "webp"])
def test_grey(tmp_path, kind):
    options = {"lossless": True} if kind == "webp" else {"quality": 100} if kind == "jpg" else {}
    Image.fromarray(LEVELS).save(tmp_path / f"x.{kind}", **options)
    found = both(tmp_path / f"x.{kind}")
    assert (found == found[..., :1]).all()
    assert np.abs(found[..., 0] - LEVELS).max() <= 2


def test_black_and_white(tmp_path):
    Image.fromarray(LEVELS > 70).save(tmp_path / "x.png")
    np.testing.assert_array_equal(both(tmp_path / "x.png"), np.where(LEVELS > 70, 255, 0)[..., None] * [1, 1, 1])


def test_grey_with_alpha_stands_on_white(tmp_path):
    alpha = np.full_like(LEVELS, 64)
    Image.fromarray(np.stack([LEVELS, alpha], -1)).save(tmp_path / "x.png")
    expected = LEVELS * (64 / 255) + 255 * (191 / 255)
    assert np.abs(both(tmp_path / "x.png") - expected[..., None]).max() <= 1


def test_one_level_of_grey_that_means_transparent(tmp_path):
    Image.fromarray(LEVELS).save(tmp_path / "x.png", transparency=9)
    expected = np.where(LEVELS == 9, 255, LEVELS)
    np.testing.assert_array_equal(both(tmp_path / "x.png")[..., 0], expected)


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_palette_with_one_transparent_colour(tmp_path, kind):
    image = Image.frombytes("P", (SIZE, SIZE), np.where(LEVELS < 70, 1, 2).astype(np.uint8).tobytes())
    image.putpalette([0, 0, 0, 10, 20, 30, 200, 100, 50])
    image.save(tmp_path / f"x.{kind}", transparency=1)
    expected = np.where(LEVELS[..., None] < 70, 255, [200, 100, 50])
    np.testing.assert_array_equal(both(tmp_path / f"x.{kind}"), expected)


def test_palette_with_alpha_of_every_colour(tmp_path):
    image = Image.frombytes("P", (SIZE, SIZE), np.where(LEVELS < 70, 1, 2).astype(np.uint8).tobytes())
    image.putpalette([0, 0, 0, 10, 20, 30, 200, 100, 50])
    image.save(tmp_path / "x.png", transparency=bytes([255, 128, 255]))
    half = np.array([10, 20, 30]) * 128 / 255 + 255 * 127 / 255
    assert np.abs(both(tmp_path / "x.png") - np.where(LEVELS[..., None] < 70, half, [200, 100, 50])).max() <= 1


@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_cmyk(tmp_path, kind):
    ink = np.concatenate([255 - COLOURS, np.zeros((SIZE, SIZE, 1), np.uint8)], -1)
    smooth = np.broadcast_to(ink.mean((0, 1)).astype(np.uint8), ink.shape)
    Image.frombytes("CMYK", (SIZE, SIZE), smooth.tobytes()).save(tmp_path / f"x.{kind}", quality=98)
    assert np.abs(both(tmp_path / f"x.{kind}") - (255 - smooth[..., :3].astype(int))).max() <= 3


def test_ycbcr_and_lab_of_tiff(tmp_path):
    image = Image.fromarray(COLOURS)
    image.convert("YCbCr").save(tmp_path / "y.tif")
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    ImageCms.profileToProfile(image, *profiles, outputMode="LAB").save(tmp_path / "lab.tif")
    for name in ("y.tif", "lab.tif"):
        assert np.abs(both(tmp_path / name) - COLOURS.astype(int)).mean() < 3


@pytest.mark.parametrize("kind", ["<f4", "<i4"])
def test_32_bits_are_refused_with_advice(tmp_path, kind):
    Image.fromarray(LEVELS.astype(kind)).save(tmp_path / "x.tif")
    for read in (read_full, lambda path: read_image(path, SIZE)):
        with pytest.raises(UnreadableImage, match=r"32-bit pixels .* convert the image to 8 or 16 bits"):
            read(tmp_path / "x.tif")


WRITABLE = {
    "png": ("L", "RGB", "RGBA", "P", "I;16"),
    "jpg": ("L", "RGB", "CMYK"),
    "webp": ("RGB", "RGBA"),
    "tif": ("L", "RGB", "RGBA", "P", "CMYK", "I;16"),
}


@pytest.mark.parametrize(("kind", "mode"), [(kind, mode) for kind, modes in WRITABLE.items() for mode in modes])
def test_turned_pixels_of_every_mode_come_out_upright(tmp_path, kind, mode):
    bright = np.zeros((SIZE, SIZE), np.uint8)
    bright[:2] = 250  # above, once it is upright
    upright = Image.fromarray(bright)
    if mode == "I;16":
        upright = Image.fromarray(bright.astype(np.uint16) * 257)
    elif mode == "CMYK":
        upright = upright.convert("RGB").convert("CMYK")
    else:
        upright = upright.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    stored.save(tmp_path / f"x.{kind}", exif=exif, **({"lossless": True} if kind == "webp" else {}))
    found = both(tmp_path / f"x.{kind}")
    assert found[:2].mean() > 230
    assert found[4:].mean() < 12
