"""Reading one image, whatever it is, and finding the images of a folder."""

import os
import struct
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from hyperdml.data.image_files import (
    MAX_PIXELS,
    SUFFIXES,
    UnreadableImage,
    list_images,
    name_broken,
    printable,
    read_image,
)
from hyperdml.errors import DataError

KINDS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF"}


def noise(height=40, width=50, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def grey_png(width, height, content=b""):
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def fit_by_hand(image, size):
    """Middle square, then bicubic: the reference without `ImageOps`."""
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=box))


@pytest.mark.parametrize("shape", [(40, 50), (50, 40), (33, 33), (1, 1), (1, 300), (7, 2)])
def test_middle_square(tmp_path, shape):
    image = noise(*shape)
    image.save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", 16), fit_by_hand(image, 16))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_under_any_suffix(tmp_path, kind):
    smooth = noise(4, 5).resize((50, 40))
    smooth.save(tmp_path / "x", KINDS[kind])
    for suffix in SUFFIXES:
        (tmp_path / "x").rename(tmp_path / f"x{suffix}")
        found = read_image(tmp_path / f"x{suffix}", 12)
        (tmp_path / f"x{suffix}").rename(tmp_path / "x")
        assert found.shape == (12, 12, 3)
        assert found.dtype == np.uint8
        assert np.abs(found.astype(int) - fit_by_hand(smooth, 12)).mean() < 12
        found[:] = 0  # a copy of its own


@pytest.mark.parametrize("turn", range(1, 9))
def test_upright_after_each_of_the_eight_turns_of_a_camera(tmp_path, turn):
    image = noise(24, 24)
    camera = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[turn]
    exif = Image.Exif()
    exif[0x0112] = turn
    (image if camera is None else image.transpose(camera)).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", 24), np.asarray(image))


def test_half_transparent_pixels_are_blended_with_white(tmp_path):
    Image.new("RGBA", (8, 8), (200, 0, 100, 128)).save(tmp_path / "x.png")
    expected = np.array([200, 0, 100]) * 128 / 255 + 255 * 127 / 255
    assert np.abs(read_image(tmp_path / "x.png", 8) - expected).max() <= 1


def test_colour_under_transparent_pixels_does_not_bleed(tmp_path):
    pixels = np.zeros((64, 64, 4), np.uint8)  # transparent black beside opaque white
    pixels[:, 32:] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    assert (read_image(tmp_path / "x.png", 9) >= 254).all()


def test_palette_with_alpha(tmp_path):
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.paste(0, (0, 0, 8, 4))
    image.save(tmp_path / "x.png", transparency=bytes([0, 255]))
    found = read_image(tmp_path / "x.png", 8)
    assert (found[:4] == 255).all()
    assert (found[4:] == [10, 20, 30]).all()


def test_sixteen_bits_keep_their_upper_half(tmp_path):
    values = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", 8)[..., 0], values >> 8)


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tif"])
def test_first_frame_of_an_animation(tmp_path, kind):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    frames[0].save(tmp_path / f"x.{kind}", save_all=True, append_images=frames[1:])
    assert np.abs(read_image(tmp_path / f"x.{kind}", 4).astype(int) - [255, 0, 0]).max() <= 2


def test_cmyk(tmp_path):
    Image.new("CMYK", (9, 9), (0, 255, 255, 0)).save(tmp_path / "x.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "x.jpg", 4).astype(int) - [255, 0, 0]).max() <= 3


def test_sixty_thousand_pixels_in_a_row(tmp_path):
    row = np.full((1, 60_000, 3), 7, np.uint8)
    row[0, 29_990:30_010] = 90
    Image.fromarray(row).save(tmp_path / "x.png")
    assert (read_image(tmp_path / "x.png", 16) == 90).all()


@pytest.mark.parametrize("share", [0.0, 0.02, 0.4, 0.9, 0.995])
@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_cut_off(tmp_path, kind, share):
    path = tmp_path / f"x.{kind}"
    noise().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UnreadableImage) as caught:
        read_image(path, 16)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None  # which would keep the pixels that were decoded


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(sorted(KINDS)), flips=st.lists(st.integers(0, 2**20), min_size=1, max_size=6))
def test_damaged_files_are_read_or_refused(tmp_path_factory, kind, flips):
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    noise(12, 13).save(path)
    content = bytearray(path.read_bytes())
    for flip in flips:
        content[(flip >> 3) % len(content)] ^= 1 << (flip & 7)
    path.write_bytes(content)
    try:
        assert read_image(path, 8).shape == (8, 8, 3)
    except UnreadableImage as error:
        assert error.reason  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image in a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no image in a known format"),
        (b"GIF89a", "cut off at its beginning"),
        (grey_png(9460, 9460), "9460 x 9460 pixels are more than the 89,478,485"),
        (grey_png(14_143, 14_143), "decompression bomb"),
        (grey_png(100_000, 100_000), "decompression bomb"),
    ],
)
def test_refused_for_a_reason(tmp_path, content, reason):
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(UnreadableImage, match=reason):
        read_image(tmp_path / "x.png", 8)


def test_bombs_are_refused_whatever_pillow_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "x.png").write_bytes(grey_png(100_000, 100_000))
    with pytest.raises(UnreadableImage, match="100000 x 100000 pixels"):
        read_image(tmp_path / "x.png", 8)
    assert 9459**2 <= MAX_PIXELS < 9460**2


def test_a_text_that_unpacks_to_much_more(tmp_path):
    content = b"note\0\0" + zlib.compress(bytes(50_000_000), 9)
    whole = grey_png(2, 2, bytes(6))
    (tmp_path / "x.png").write_bytes(whole[:33] + chunk(b"zTXt", content) + whole[33:])
    with pytest.raises(UnreadableImage, match="too large"):
        read_image(tmp_path / "x.png", 8)


def test_what_is_no_regular_file(tmp_path):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "dead.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name, reason in {
        "folder.png": "a folder, not a file",
        "pipe.png": "not a regular file",
        "dead.png": "No such file",
        "loop.png": "symbolic links",
        "missing.png": "No such file",
    }.items():
        with pytest.raises(UnreadableImage, match=rf"{name}: .*{reason}"):
            read_image(tmp_path / name, 8)
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        read_image(tmp_path / "folder.png", 0)


def test_damaged_tags_do_no_harm_and_say_nothing(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "x" * 100
    noise(16, 16).save(tmp_path / "x.jpg", exif=exif.tobytes()[:40])
    with pytest.warns(UserWarning, match="Tag data larger than file"), Image.open(tmp_path / "x.jpg") as image:
        image.getexif()
    assert read_image(tmp_path / "x.jpg", 8).shape == (8, 8, 3)


def test_filters_of_warnings_are_as_before_when_all_threads_are_done(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "x" * 100
    noise(200, 200).save(tmp_path / "x.jpg", exif=exif.tobytes()[:40])
    before = list(warnings.filters)
    settings = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    barrier = threading.Barrier(4)

    def read(_):
        barrier.wait(5)
        return [read_image(tmp_path / "x.jpg", 8) for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        found = [image for images in pool.map(read, range(4)) for image in images]
    assert all((image == found[0]).all() for image in found)
    assert warnings.filters == before
    assert settings == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", UserWarning, stacklevel=1)


def test_names_that_no_terminal_takes():
    assert printable(Path("a/Möbius ball.png")) == "a/Möbius ball.png"
    assert printable(Path(os.fsdecode(b"caf\xe9\n\x1b[31m.png"))) == r"caf\udce9\n\x1b[31m.png"
    message = str(UnreadableImage(Path(os.fsdecode(b"\xff\n.png")), "why"))
    assert message.encode().decode().isprintable()


def test_twenty_broken_images_are_named_and_the_rest_is_counted():
    broken = [UnreadableImage(Path(f"{i}.png"), "empty") for i in range(23)]
    lines = str(name_broken(broken, "99 images")).splitlines()
    assert lines[0] == "23 of 99 images cannot be read:"
    assert lines[1:21] == [f"  {i}.png: empty" for i in range(20)]
    assert lines[21:] == ["  and 3 more"]
    assert len(str(name_broken(broken[:20], "99 images")).splitlines()) == 21


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_images_of_a_folder(tmp_path):
    shown = ["a.PNG", "b/c/deep.tiff", "b/x.webp", "c.jpeg/y.gif", "ä/1.jpg", "ä/10.jpg", "ä/2.jpg"]
    touch(tmp_path, *shown, ".hidden.png", ".hidden/x.png", "b/._x.webp", "notes.txt", "noextension", "b/png")
    (tmp_path / "dead.png").symlink_to("nowhere")
    expected = sorted(tmp_path / name for name in [*shown, "dead.png"])
    assert list_images(tmp_path) == expected
    assert list_images(Path(os.path.relpath(tmp_path))) == [Path(os.path.relpath(path)) for path in expected]


def test_links_are_followed_once_and_loops_end(tmp_path):
    touch(tmp_path, "set/real/x.png", "elsewhere/y.png", "elsewhere/sub/z.png")
    root = tmp_path / "set"
    (root / "a link to real").symlink_to(root / "real")
    (root / "real" / "up").symlink_to(root)
    (root / "far").symlink_to(tmp_path / "elsewhere")
    (root / "far again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    found = [str(path.relative_to(root)) for path in list_images(root)]
    assert found == ["far/sub/z.png", "far/y.png", "real/x.png"]


def test_names_that_are_no_text(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    (path,) = list_images(tmp_path)
    with pytest.raises(UnreadableImage, match=r"caf\\udce9\.png: no image"):
        read_image(path, 8)


def test_a_single_image_and_messages(tmp_path):
    touch(tmp_path, "photo.raw", "empty/notes.txt")
    assert list_images(tmp_path / "photo.raw") == [tmp_path / "photo.raw"]
    with pytest.raises(DataError, match=r"no images \(\.jpg, .*\) in .*empty"):
        list_images(tmp_path / "empty")
    with pytest.raises(DataError, match=r"no such folder or image: .*missing"):
        list_images(tmp_path / "missing")


def test_a_sub_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    touch(tmp_path, "a/x.png", "b/x.png")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"cannot list the folder .*/b: Permission denied"):
        list_images(tmp_path)
