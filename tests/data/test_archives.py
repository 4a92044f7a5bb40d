"""Unpacking archives that somebody else made: what they hold comes out, and nothing else happens."""

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.data.prepare import Limits, extract_archive
from hyperdml.data.prepare.limits import DEFAULT
from hyperdml.errors import DataError

FILES = {"set/a.txt": b"first", "set/images/ä b.jpg": bytes(range(256)) * 40, "set/empty": b"", "top": b"x"}
PACKERS = {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}
KINDS = [*PACKERS, "zip"]


def tar_of(entries, **options):
    """Bytes of a tar: names with content, None for a folder, or a `TarInfo`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as package:
        for name, content in entries:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            if content is None:
                info.type = tarfile.DIRTYPE
            if isinstance(content, bytes):
                info.size = len(content)
            package.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return out.getvalue()


def special(kind, to=""):
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, to
    return info


def zip_of(entries, mode=None):
    """Bytes of a ZIP; `mode` is the kind and the rights of its last entry."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in entries:
            package.writestr(zipfile.ZipInfo(name) if content is None else name, content or b"")
        if mode is not None:
            package.filelist[-1].external_attr = mode << 16
    return out.getvalue()


def archive_of(entries, kind):
    return zip_of(entries) if kind == "zip" else PACKERS[kind](tar_of(entries))


def content_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refused(tmp_path):
    """Asserts that bytes are refused for a reason, and that nothing is left or written elsewhere."""

    def check(content, reason, limits=DEFAULT, name="x.bin"):
        place = tmp_path / "place" / "inner"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(DataError, match=reason) as caught:
            extract_archive(place / name, place / "out", limits)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
        assert sorted(tmp_path.rglob("*")) == before

    return check


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".zip", ".tgz"])
def test_content_comes_out_and_the_suffix_does_not_count(tmp_path, kind, suffix):
    archive = tmp_path / f"x{suffix}"
    archive.write_bytes(archive_of(FILES.items(), kind))
    ticks = []
    out = extract_archive(archive, tmp_path / "out", tick=ticks.append)
    assert out == tmp_path / "out"
    assert content_of(out) == FILES
    assert sum(ticks) == archive.stat().st_size
    assert min(ticks) > 0
    assert sorted(os.listdir(tmp_path)) == ["out", archive.name]


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_folders_come_out_too_and_may_be_named_often(tmp_path, kind):
    (tmp_path / "x").write_bytes(
        archive_of([("./", None), ("./a/", None), ("a/b/", None), ("a/", None), ("a/f", b"1")], kind)
    )
    out = extract_archive(tmp_path / "x", tmp_path / "out")
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*")) == ["a", "a/b", "a/f"]


def test_rights_and_owners_are_not_taken_over(tmp_path):
    info = tarfile.TarInfo("tool")
    info.mode, info.uid = 0o6777, 1234
    (tmp_path / "x.tar").write_bytes(tar_of([("tool", info)]))
    found = (extract_archive(tmp_path / "x.tar", tmp_path / "out") / "tool").stat()
    assert not found.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)
    assert found.st_uid == os.getuid()
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_of_both_kinds_of_tar(tmp_path, form):
    name = f"{'folder ' * 20}/{'n' * 200}.jpg"
    (tmp_path / "x.tar").write_bytes(tar_of([(name, b"1")], format=form))
    assert content_of(extract_archive(tmp_path / "x.tar", tmp_path / "out")) == {name: b"1"}


def test_archives_in_an_archive_stay_packed(tmp_path):
    inner = zip_of([("../x", b"1")])
    (tmp_path / "x.zip").write_bytes(zip_of([("a/inner.zip", inner)]))
    assert content_of(extract_archive(tmp_path / "x.zip", tmp_path / "out")) == {"a/inner.zip": inner}


BAD_NAMES = {
    "../up": "leads upward",
    "a/../../up": "leads upward",
    "a/..": "leads upward",
    "/etc/x": "absolute path",
    "C:/x": "drive letter",
    "c:x": "drive letter",
    "a\\..\\x": "backslash",
    "a/\x1b[31m": "control characters",
    "d/" * 40 + "x": "more than 32 folders",
    "n" * 300: "too long",
    "/".join(["n" * 200] * 6): "too long",
    ".": "no name of a file",
}


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_names_that_lead_elsewhere(refused, kind, name):
    refused(archive_of([("good", b"1"), (name, b"2")], kind), BAD_NAMES[name])


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("a/Wren.jpg", "a/wren.jpg"), "differs from 'a/Wren.jpg' only in case"),
        (("A/x", "a/y"), "differs from 'A' only in case"),
        (("caf\u00e9", "cafe\u0301"), "form of its letters"),
        (("stra\u00dfe", "STRASSE"), "only in case"),
        (("a", "a/b"), "needs 'a' to be a file and a folder"),
        (("a/b", "a"), "needs 'a' to be a file and a folder"),
    ],
)
def test_names_that_collide(refused, kind, names, reason):
    refused(archive_of([(name, b"1") for name in names], kind), reason)


def test_a_name_that_is_there_twice(refused):
    refused(tar_of([("a", b"1"), ("./a", b"2")]), "'./a', which is there twice")
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zip_of([("a", b"1"), ("a", b"2")])
    refused(content, "'a', which is there twice")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("to", ["a", "../..", "/etc", "."])
def test_links_of_a_tar(refused, kind, to):
    refused(tar_of([("a", b"1"), ("link", special(kind, to)), ("link/x", b"2")]), "'link', which is a link")


def test_links_of_a_zip(refused):
    refused(zip_of([("a", b"/etc")], stat.S_IFLNK | 0o777), "'a', which is a link")
    refused(zip_of([("a/", b"/etc")], stat.S_IFLNK | 0o777), "'a/', which is a link")  # named as a folder


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE, b"Z"])
def test_devices_pipes_and_unknown_kinds(refused, kind):
    refused(tar_of([("a", special(kind))]), "neither a file nor a folder|damaged")


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_and_pipes_of_a_zip(refused, kind):
    refused(zip_of([("a", b"1")], kind | 0o666), "'a', which is no file")


def test_a_zip_that_calls_a_file_a_folder(refused):
    refused(zip_of([("a", b"1")], stat.S_IFDIR | 0o777), "a file and a folder")
    refused(zip_of([("a/", b"1")], stat.S_IFREG | 0o666), "a file and a folder")


def test_a_password(refused):
    content = bytearray(zip_of([("a", b"1"), ("img/b.jpg", b"2")]))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 8] |= 1
    refused(bytes(content), r"protected with a password \('img/b.jpg' is\); unpack it with the password")


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_bombs(refused, kind):
    content = archive_of([("bomb", bytes(20_000_000))], kind)
    assert len(content) < 30_000
    refused(content, "unpacks to more than 100 times its own")
    refused(content, "more than the 1,000,000 bytes", Limits(total=1_000_000))


def test_bombs_in_what_a_tar_passes_over(refused):
    info = tarfile.TarInfo("folder")
    info.type, info.size = tarfile.DIRTYPE, 0
    hole = special(tarfile.XHDTYPE)
    hole.size = 8 * 2**30 - 1
    refused(gzip.compress(hole.tobuf() + bytes(2**25)), "a header of 8,589,934,592 bytes")


def test_a_zip_that_lies_about_its_sizes(refused):
    def lying(stated):
        content = bytearray(zip_of([("a", bytes(18_000_000))]))
        struct.pack_into("<I", content, content.rindex(b"PK\x01\x02") + 24, stated)
        return bytes(content)

    refused(lying(10), "damaged.*CRC")
    refused(lying(2**31), "more than 100 times")  # refused before anything is written
    overlapping = zip_of([("a", os.urandom(3_000_000)), ("b", b"")])
    with zipfile.ZipFile(io.BytesIO(overlapping)) as package:
        sizes = package.getinfo("a")
    content = bytearray(overlapping)
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 16 : entry + 28] = struct.pack("<III", sizes.CRC, sizes.compress_size, sizes.file_size)
    struct.pack_into("<H", content, entry + 10, sizes.compress_type)
    struct.pack_into("<I", content, entry + 42, 0)
    refused(bytes(content), "damaged.*differ|Overlapped", Limits(ratio=1.5))


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_many_entries(refused, kind):
    refused(archive_of([(f"{i}", b"") for i in range(101)], kind), "more than the 100 files", Limits(entries=100))


def test_limits_themselves(tmp_path):
    for name in ("total", "ratio", "entries", "depth"):
        with pytest.raises(ValueError, match=f"{name} must be positive, got 0"):
            Limits(**{name: 0})
    (tmp_path / "x.tar").write_bytes(tar_of([(f"{i}", b"") for i in range(100)]))
    assert len(content_of(extract_archive(tmp_path / "x.tar", tmp_path / "out", Limits(entries=100)))) == 100


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.98])
def test_archives_that_are_cut_off(refused, kind, share):
    whole = archive_of([(f"{i}.bin", os.urandom(3000)) for i in range(10)], kind)
    size = 10 * (512 + 3072) if kind == "tar" else len(whole)  # without the zeros at the end
    refused(whole[: int(size * share)], "damaged|cut off")


def test_a_tar_that_ends_between_two_files(refused):
    whole = tar_of([("a", bytes(512)), ("b", bytes(512))])
    refused(whole[:1024], "is cut off or damaged: it has no end mark")
    refused(whole[:1024] + b"garbage " * 64 + whole[1024:], "no end mark")


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(KINDS), flips=st.lists(st.integers(0, 2**20), min_size=1, max_size=4))
def test_damaged_archives_unpack_or_are_refused(tmp_path_factory, kind, flips):
    folder = tmp_path_factory.mktemp("damaged")
    content = bytearray(archive_of(FILES.items(), kind))
    for flip in flips:
        content[(flip >> 3) % len(content)] ^= 1 << (flip & 7)
    (folder / "x").write_bytes(content)
    try:
        extract_archive(folder / "x", folder / "out")
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        assert os.listdir(folder) == ["x"]
    else:
        assert sorted(os.listdir(folder)) == ["out", "x"]


def test_what_is_no_archive(refused, tmp_path):
    refused(b"<!DOCTYPE html><html>Quota exceeded", "is a web page and no archive")
    refused(b"Rar!\x1a\x07\x01\x00" + bytes(600), "damaged, cut off or of an unknown kind")
    refused(archive_of([], "zip"), "holds no files")
    refused(archive_of([("a", None)], "tar"), "holds no files")
    with pytest.raises(DataError, match=r"cannot open the archive .*missing\.zip: No such file"):
        extract_archive(tmp_path / "missing.zip", tmp_path / "out")


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "x.zip").write_bytes(zip_of([("a", b"new")]))
    for make in (Path.mkdir, Path.touch, lambda path: path.symlink_to("nowhere")):
        make(tmp_path / "out")
        before = os.lstat(tmp_path / "out")
        with pytest.raises(DataError, match=r"out is there already, and nothing is overwritten"):
            extract_archive(tmp_path / "x.zip", tmp_path / "out")
        assert os.lstat(tmp_path / "out") == before
        (tmp_path / "out").rmdir() if (tmp_path / "out").is_dir() else (tmp_path / "out").unlink()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device"), SystemExit])
def test_nothing_is_left_after_an_interrupt(tmp_path, error):
    (tmp_path / "x.zip").write_bytes(zip_of([("a", b"1"), ("b/c", os.urandom(600_000))]))

    def stop(_):
        raise error

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        extract_archive(tmp_path / "x.zip", tmp_path / "out", tick=stop)
    assert os.listdir(tmp_path) == ["x.zip"]
