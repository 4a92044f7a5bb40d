"""One look at every image of a data set: what is broken, what is unusual, and the same from any number of processes."""

import multiprocessing
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hyperdml.data
from hyperdml.data.image_findings import kind_of, look_at
from hyperdml.data.scan import scan_images
from hyperdml.errors import DataError, EnvironmentProblem


def noise(height=40, width=50, seed=0):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def grey_png(width, height, content, extra=b""):
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(content)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def broken_images(folder):
    """One image of every kind that cannot be read, and words of the reason."""
    folder.mkdir()
    noise().save(folder / "cut.jpg")
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "zero.jpg").touch()
    (folder / "page.jpg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    bomb = zlib.compressobj()
    rows = b"".join(bomb.compress(bytes(14_143)) for _ in range(14_143)) + bomb.flush()
    head = struct.pack(">IIBBBBB", 14_142, 14_143, 8, 0, 0, 0, 0)
    bomb_png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    (folder / "bomb.png").write_bytes(bomb_png)
    text = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(50_000_000), 9))
    (folder / "text.png").write_bytes(grey_png(2, 2, bytes(6), text))
    (folder / "folder.jpg").mkdir()
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.jpg")).touch()
    return {
        "cut.jpg": "truncated",
        "zero.jpg": "no image in a known format",
        "page.jpg": "no image in a known format",
        "bomb.png": "decompression bomb",
        "text.png": "too large",
        "folder.jpg": "a folder, not a file",
        "loop.jpg": "symbolic links",
        "pipe.jpg": "not a regular file",
        "gone.jpg": "No such file",
        os.fsdecode(b"caf\xe9.jpg"): "no image in a known format",
    }


def test_every_broken_image_is_found_with_its_reason(tmp_path):
    reasons = broken_images(tmp_path / "x")
    assert (tmp_path / "x" / "bomb.png").stat().st_size < 250_000
    noise().save(tmp_path / "x" / "good.png")
    report = scan_images(tmp_path / "x", {"train": ["good.png", *reasons]})
    assert [finding.path for finding in report.broken] == list(reasons)
    for finding in report.broken:
        assert reasons[finding.path] in finding.text
        assert finding.part == "train"
    assert report.broken_by_kind()[report.broken[1].kind] == 3  # most frequent first
    assert next(iter(report.broken_by_kind().values())) == 3
    assert sum(report.broken_by_kind().values()) == len(reasons)
    assert report.images == {"train": len(reasons) + 1}
    with pytest.raises(DataError, match=rf"^{len(reasons)} of {len(reasons) + 1} images cannot be read:\n"):
        report.raise_if_broken()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    noise().save(tmp_path / "x.png")
    (tmp_path / "x.png").chmod(0)
    assert look_at(tmp_path / "x.png").broken == "Permission denied"


def test_what_is_unusual_is_a_warning(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    upright = Image.Exif()
    upright[0x0112] = 1
    noise().save(tmp_path / "plain.jpg")
    noise(seed=1).save(tmp_path / "upright.jpg", exif=upright)
    noise(seed=2).save(tmp_path / "turned.jpg", exif=turned)
    noise(seed=3).save(tmp_path / "turned.png", exif=turned)
    noise(seed=4).convert("L").save(tmp_path / "grey.jpg")
    noise(seed=5).convert("CMYK").save(tmp_path / "cmyk.jpg")
    Image.fromarray((np.arange(1600, dtype=np.uint16) * 40).reshape(40, 40)).save(tmp_path / "deep.png")
    noise(seed=6).convert("P").save(tmp_path / "palette.png", transparency=bytes([0, 255]))
    noise(1, 1).save(tmp_path / "dot.png")
    noise(1, 60_000).save(tmp_path / "row.png")
    noise(seed=7).save(tmp_path / "png.jpg", "PNG")
    frames = [noise(seed=seed) for seed in (8, 9)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    report = scan_images(tmp_path, {"all": sorted(path.name for path in tmp_path.iterdir())})
    assert report.broken == ()
    report.raise_if_broken()
    assert {(finding.path, finding.kind) for finding in report.warnings} == {
        ("turned.jpg", "turned"),
        ("turned.png", "turned"),
        ("grey.jpg", "mode L"),
        ("cmyk.jpg", "mode CMYK"),
        ("deep.png", "mode I;16"),
        ("palette.png", "mode P"),
        ("dot.png", "a side below 32 pixels"),
        ("row.png", "a side below 32 pixels"),
        ("png.jpg", "PNG named .jpg"),
        ("film.gif", "several frames"),
        ("film.gif", "mode P"),
    }
    assert report.warnings_by_kind()["turned"] == 2
    assert next(finding.text for finding in report.warnings if finding.path == "row.png") == "60000 x 1 pixels"


def test_the_same_content_in_two_parts(tmp_path):
    for part, seeds in {"train": (0, 1, 1), "test": (2, 0)}.items():
        (tmp_path / part).mkdir()
        for k, seed in enumerate(seeds):
            noise(seed=seed).save(tmp_path / part / f"{k}.png")
    report = scan_images(
        tmp_path, {"train": [f"train/{k}.png" for k in range(3)], "test": ["test/0.png", "test/1.png"]}
    )
    (finding,) = report.warnings  # twice in one part is nothing
    assert (finding.part, finding.path, finding.kind) == ("test", "test/1.png", "same content in train and test")
    assert finding.text == "the same content as train/0.png of train"


def test_processes_give_the_same_report(tmp_path):
    reasons = broken_images(tmp_path / "x")
    for k in range(70):
        noise(4 + k % 40, 33, seed=k % 60).save(tmp_path / "x" / f"{k}.png")
    parts = {"train": [f"{k}.png" for k in range(50)], "test": [*reasons, *(f"{k}.png" for k in range(50, 70))]}
    ticks = []
    here = scan_images(tmp_path / "x", parts, tick=ticks.append)
    assert sum(ticks) == 70 + len(reasons)
    assert scan_images(tmp_path / "x", parts, workers=2) == here


def test_processes_start_without_torch():
    code = "import sys, hyperdml.data.scan; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(hyperdml.data, name) is not None for name in hyperdml.data.__all__)
    with pytest.raises(AttributeError, match=r"module 'hyperdml\.data' has no attribute 'load_split'"):
        hyperdml.data.load_split  # noqa: B018


def test_a_process_that_is_killed(tmp_path):
    for k in range(300):
        noise(4, 33, seed=k).save(tmp_path / f"{k}.png")

    def kill(_):
        for process in multiprocessing.active_children():
            process.kill()

    with pytest.raises(EnvironmentProblem, match=r"a process that reads images has ended, at \d+\.png or later"):
        scan_images(tmp_path, {"all": [f"{k}.png" for k in range(300)]}, workers=1, tick=kill)
    assert not multiprocessing.active_children()


def test_messages(tmp_path):
    with pytest.raises(ValueError, match="workers must be 0 or more, got -1"):
        scan_images(tmp_path, {"all": ["x"]}, workers=-1)
    with pytest.raises(DataError, match="no images to look at in"):
        scan_images(tmp_path, {"train": [], "test": []})


def test_reasons_are_counted_without_their_numbers():
    assert (
        kind_of("image file is truncated (12 bytes not processed)") == "image file is truncated (N bytes not processed)"
    )
    assert kind_of("9460 x 9460 pixels are more than the 89,478,485 that are allowed").count("N") == 3
