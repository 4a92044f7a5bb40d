"""The stored index under crashes, full disks, damage and hostile files."""

import errno
import hashlib
import json
import os
import random
import signal
import struct
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from synthetic import tree_points

import hyperdml.index.files as files
from hyperdml.errors import DataError
from hyperdml.index.index import HyperbolicIndex

POINTS = tree_points(12, 4, spread=True)[0]
OLD, NEW = POINTS[:5], POINTS[4:]
EXPECTED = {"manifest.json", ".lock"}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    """The order of steps is what these tests are about; what a power cut leaves they cannot see."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def index(points, tag="a"):
    return HyperbolicIndex.build(
        points, [f"{tag}{i}" for i in range(len(points))], c=0.1, metadata=[{"tag": tag}] * len(points)
    )


def assert_is(loaded, tag, points):
    assert loaded.ids == tuple(f"{tag}{i}" for i in range(len(points)))
    assert torch.equal(loaded.points, points)
    assert loaded.metadata(f"{tag}0") == {"tag": tag}
    assert loaded.search(points[:1], 1).ids == [[f"{tag}0"]]


def assert_one_of_both(folder):
    loaded = HyperbolicIndex.load(folder)
    assert_is(loaded, *(("old", OLD) if loaded.ids[0] == "old0" else ("new", NEW)))
    return loaded.ids[0] == "new0"


def assert_clean(folder):
    """Nothing but the files of one index."""
    names = {path.name for path in folder.iterdir()}
    assert names == EXPECTED | {
        file["name"] for file in json.loads((folder / "manifest.json").read_text())["files"].values()
    }


def interrupt(monkeypatch, moment, act):
    """Call `act` at the n-th thing that happens to the disk: before it, and half-way through writes."""
    happened = 0

    def happens():
        nonlocal happened
        happened += 1
        if happened == moment:
            act()

    class HalfWritten:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, data):
            self.file.write(data[: len(data) // 2])
            self.file.flush()
            happens()
            self.file.write(data[len(data) // 2 :])

    def announced(function):
        def first(*arguments, **options):
            happens()
            return function(*arguments, **options)

        return first

    fdopen = os.fdopen
    monkeypatch.setattr(os, "fdopen", lambda *a, **k: HalfWritten(fdopen(*a, **k)))
    monkeypatch.setattr(tempfile, "mkstemp", announced(tempfile.mkstemp))
    for name in ("fsync", "replace", "chmod"):
        monkeypatch.setattr(os, name, announced(getattr(os, name)))
    monkeypatch.setattr(Path, "unlink", announced(Path.unlink))
    return lambda: happened


def in_a_child(work):
    """Run in a forked process; its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return pid


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_every_moment_leaves_the_old_or_the_new(tmp_path, monkeypatch):
    old, new = index(OLD, "old"), index(NEW, "new")
    outcomes, moment, killed = [], 0, True
    while killed:
        moment += 1
        old.save(tmp_path, replace=True)
        assert_clean(tmp_path)

        def work(moment=moment):
            interrupt(monkeypatch, moment, lambda: os.kill(os.getpid(), signal.SIGKILL))
            new.save(tmp_path, replace=True)

        killed = os.WIFSIGNALED(os.waitpid(in_a_child(work), 0)[1])
        outcomes.append(assert_one_of_both(tmp_path))
    assert moment > 25
    assert outcomes == sorted(outcomes)  # the old one up to some moment, then the new one
    assert outcomes[0] is False
    assert outcomes[-1] is True
    new.save(tmp_path)
    assert_clean(tmp_path)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_random_moments_of_many_saves(tmp_path):
    old, new = index(OLD, "old"), index(NEW, "new")
    old.save(tmp_path)

    def work():
        while True:
            new.save(tmp_path, replace=True)
            old.save(tmp_path, replace=True)

    rng = random.Random(0)
    for _ in range(25):
        pid = in_a_child(work)
        time.sleep(rng.uniform(0.005, 0.06))
        os.kill(pid, signal.SIGKILL)
        assert os.WIFSIGNALED(os.waitpid(pid, 0)[1])
        assert_one_of_both(tmp_path)
    old.save(tmp_path, replace=True)
    assert_clean(tmp_path)


def test_a_disk_that_fails_at_every_moment_keeps_the_index(tmp_path):
    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    moment, failures = 0, 0
    while True:
        moment += 1
        index(OLD, "old").save(tmp_path, replace=True)
        new = index(NEW, "new")
        with pytest.MonkeyPatch.context() as patch:
            happened = interrupt(patch, moment, fail)
            try:
                new.save(tmp_path, replace=True)
            except OSError as raised:
                failures += raised.errno == errno.ENOSPC
            if happened() < moment:
                break
        assert_one_of_both(tmp_path)
        assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        new.save(tmp_path, replace=True)
        assert_clean(tmp_path)
    assert failures > 20


def test_a_failed_save_can_be_repeated(tmp_path):
    """Also where the failure came after the rename, so that the folder holds what was being saved."""
    changed = index(OLD, "old")
    for moment in range(1, 40):
        changed.save(tmp_path, replace=True)
        changed.add(POINTS[5:6], [f"x{moment}"])
        with pytest.MonkeyPatch.context() as patch:
            interrupt(patch, moment, lambda: os.close(-1))  # EBADF
            with suppress(OSError):
                changed.save(tmp_path)
        changed.save(tmp_path)
        assert HyperbolicIndex.load(tmp_path).ids == changed.ids


def test_a_first_save_that_fails_leaves_no_index(tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 20, lambda: os.close(-1))
        with pytest.raises(OSError, match="Bad file"):
            index(OLD).save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}
    with pytest.raises(DataError, match=r"manifest\.json is missing"):
        HyperbolicIndex.load(tmp_path)
    index(OLD).save(tmp_path)
    assert_clean(tmp_path)


def test_a_reader_beside_a_writer_gets_the_new_index(tmp_path, monkeypatch):
    index(OLD, "old").save(tmp_path)
    read = files._read
    calls = []

    def overtaken(folder, manifest):
        if not calls:
            index(NEW, "new").save(tmp_path, replace=True)
        calls.append(manifest.count)
        return read(folder, manifest)

    monkeypatch.setattr(files, "_read", overtaken)
    assert_is(HyperbolicIndex.load(tmp_path), "new", NEW)
    assert calls == [len(OLD), len(NEW)]


# damage


def stored(tmp_path):
    index(POINTS[:3]).save(tmp_path)
    return sorted(path for path in tmp_path.iterdir() if path.name != ".lock")


def test_every_flipped_byte_is_found(tmp_path):
    rng = random.Random(0)
    for path in stored(tmp_path):
        data = path.read_bytes()
        for place in range(len(data)):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :])
            with pytest.raises(DataError) as raised:
                HyperbolicIndex.load(tmp_path)
            assert path.name in str(raised.value)
        path.write_bytes(data)
    assert len(HyperbolicIndex.load(tmp_path)) == 3


def test_truncation_and_addition_are_found(tmp_path):
    for path in stored(tmp_path):
        data = path.read_bytes()
        for changed in [*(data[:length] for length in range(len(data))), data + b"\n", data + data]:
            path.write_bytes(changed)
            with pytest.raises(DataError) as raised:
                HyperbolicIndex.load(tmp_path)
            assert path.name in str(raised.value)
        path.write_bytes(data)
    assert len(HyperbolicIndex.load(tmp_path)) == 3


NOT_FILES = {
    "missing": lambda path: None,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "dangling link": lambda path: path.symlink_to(path.parent / "nothing"),
}


@pytest.mark.parametrize("kind", NOT_FILES)
def test_things_that_are_not_files(tmp_path, kind):
    for path in stored(tmp_path):
        data = path.read_bytes()
        path.unlink()
        NOT_FILES[kind](path)
        with pytest.raises(DataError, match=f"{path.name} is missing"):
            HyperbolicIndex.load(tmp_path)
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(data)


# hostile files: everything below has the right checksums


def forge(tmp_path, change=lambda body: None, **parts):
    """A stored index whose files or manifest say something else, with checksums that fit."""
    stored(tmp_path)
    path = tmp_path / "manifest.json"
    body = json.loads(path.read_text())
    del body["sha256"]
    for part, data in parts.items():
        digest = hashlib.sha256(data).hexdigest()
        name = f"{part}-{digest[:16]}{Path(body['files'][part]['name']).suffix}"
        (tmp_path / name).write_bytes(data)
        body["files"][part] = {"name": name, "bytes": len(data), "sha256": digest}
    change(body)
    body["sha256"] = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    path.write_text(json.dumps(body, indent=1) + "\n")


def test_forging_works(tmp_path):
    forge(tmp_path, lambda body: body.update(model="m"), ids=b'"x"\n"y"\n"z"\n')
    loaded = HyperbolicIndex.load(tmp_path)
    assert (loaded.ids, loaded.model) == (("x", "y", "z"), "m")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b["files"]["points"].update(name="../points.safetensors"), "points lie in '../points.safetensors'"),
        (lambda b: b["files"]["ids"].update(name="/etc/passwd"), "ids lie in '/etc/passwd', expected 'ids-"),
        (lambda b: b["files"]["ids"].update(sha256="../" * 9, name=f"ids-{('../' * 9)[:16]}.jsonl"), "is no SHA-256"),
        (lambda b: b["files"]["ids"].update(sha256="0" * 64, name=f"ids-{'0' * 16}.jsonl"), "ids-0.* is missing"),
        (lambda b: b["files"]["points"].update(bytes=10**15), r"points-.* bytes, manifest\.json says 10000000"),
        (lambda b: b["files"]["points"].update(bytes="152"), "files.points.bytes"),
        (lambda b: b["files"]["points"].update(bytes=10**30), "files.points.bytes|says 1000000"),
        (lambda b: b["files"].pop("ids"), "files must be points, ids, metadata"),
        (lambda b: b["files"].update(faiss=b["files"]["ids"]), "files must be points, ids, metadata"),
        (lambda b: b.update(files=[]), "files: "),
        (lambda b: b.pop("c"), "c: Field required"),
        (lambda b: b.update(c=0.2), r"points-.* says .*0\.1.* manifest\.json says .*0\.2"),
        (lambda b: b.update(c=0.0), "must be positive"),
        (lambda b: b.update(c=-1.0), "must be positive"),
        (lambda b: b.update(c="0.1"), "c: "),
        (lambda b: b.update(c=10**400), "got inf"),
        (lambda b: b.update(c=float("nan")), "NaN is not JSON"),
        (lambda b: b.update(c=float("inf")), "Infinity is not JSON"),
        (lambda b: b.update(metric="cosine"), r"points-.* says .*hyperbolic.* manifest\.json says .*cosine"),
        (lambda b: b.update(metric="manhattan"), "metric is 'manhattan', expected hyperbolic or cosine"),
        (lambda b: b.update(count=4), "manifest.json says 4 items"),
        (lambda b: b.update(count=10**18), "manifest.json says 1000000000000000000 items"),
        (lambda b: b.update(count=-1), "says -1 items"),
        (lambda b: b.update(count=3.0), "checksum|count: "),
        (lambda b: b.update(count=True), "count: "),
        (lambda b: b.update(dimension=5), r"holds points \(3, 4\) of float32, manifest\.json says \(3, 5\)"),
        (lambda b: b.update(dtype="float64"), "of float32, manifest.json says .* of float64"),
        (lambda b: b.update(dtype="int8"), "dtype is 'int8', expected float32 or float64"),
        (lambda b: b.update(version=2), "written by a newer hyperdml: version 2, this one reads 1"),
        (lambda b: b.update(version=0), "version is 0, expected 1"),
        (lambda b: b.update(version="1"), "version: "),
        (lambda b: b.update(format="hyperdml run"), "format is not 'hyperdml index'"),
        (lambda b: b.update(model=5), "model: "),
        (lambda b: b.update(info=[]), "info: "),
        (lambda b: b.update(info={"x": "y" * 100_000}), "at most 65536 characters"),
        (lambda b: b.update(approximate=True), "approximate: "),
        (lambda b: b.update(approximate={"surprise": 1}), "approximate: .*surprise"),
        (lambda b: b.update(approximate={"lists": 0}), "approximate: lists must be at least 1"),
        (lambda b: b.update(approximate={"lists": 1.5}), "approximate: integers are expected"),
        (lambda b: b.update(surprise=1), "checksum"),
    ],
)
def test_hostile_manifests(tmp_path, change, message):
    forge(tmp_path, change)
    with pytest.raises(DataError, match=message) as raised:
        HyperbolicIndex.load(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "cannot read"),
        (b"[]", "format is not"),
        (b"null", "format is not"),
        (b"\xff\xfe", "cannot read"),
        (b"[" * 100_000, "cannot read"),
        (b"1" * 100_000, "cannot read"),
        (b" " * (2 << 20), "longer than"),
        (b'{"format": "hyperdml index"}', "Field required"),
    ],
)
def test_manifests_that_are_none(tmp_path, text, message):
    stored(tmp_path)
    (tmp_path / "manifest.json").write_bytes(text)
    with pytest.raises(DataError, match=message) as raised:
        HyperbolicIndex.load(tmp_path)
    assert "manifest.json" in str(raised.value)


def points_file(points=POINTS[:3], **more):
    return save({"points": points.contiguous(), **more}, metadata={"hyperdml": '{"c": 0.1, "metric": "hyperbolic"}'})


def header(text):
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"points": points_file(POINTS[:3] * torch.nan)}, r"points-.*\.safetensors: points row 0 is not finite"),
        ({"points": points_file(POINTS[:3] * 99)}, r"points-.*\.safetensors: points row 0 has norm"),
        ({"points": points_file(POINTS[:2])}, r"holds points \(2, 4\)"),
        ({"points": points_file(POINTS[:3].flatten())}, r"holds points \(12,\)"),
        ({"points": points_file(POINTS[:3].half())}, "of F16"),
        ({"points": save({"vectors": POINTS[:3]})}, "cannot read .*points-"),
        ({"points": save({"points": POINTS[:3]})}, "says None, manifest"),
        ({"points": b""}, "cannot read .*points-"),
        ({"points": struct.pack("<Q", 2**63) + b"{}"}, "cannot read .*points-"),
        ({"points": struct.pack("<Q", 100 << 20) + b"{}"}, "cannot read .*points-"),
        ({"points": header(b"{")}, "cannot read .*points-"),
        (
            {"points": header(b'{"points":{"dtype":"F32","shape":[3,4],"data_offsets":[0,1000000000000]}}')},
            "cannot read .*points-",
        ),
        ({"ids": b'"a"\n"b"\n"a"\n'}, "id 'a' occurs twice"),
        ({"ids": b'"a"\n1\n"b"\n'}, "all strings or all integers"),
        ({"ids": b"true\nfalse\ntrue\n"}, "all strings or all integers"),
        ({"ids": b'"a"\n"b"\n'}, r"ids-.* has 2 whole lines, manifest\.json says 3"),
        ({"ids": b'"a"\n"b"\n"c"'}, "has 2 whole lines"),
        ({"ids": b'"a"\n"b", "d"\n"c"\n'}, "4 values on 3 lines"),
        ({"ids": b'"a"\n"b"x\n"c"\n'}, r"ids-.*\.jsonl, line 2 is not JSON"),
        ({"ids": b'"a"\n"\xff"\n"c"\n'}, "cannot read .*ids-"),
        ({"ids": b"1\n2\n" + b"3" * 9999 + b"\n"}, "cannot read .*ids-"),
        ({"metadata": b"{}\n[]\n{}\n"}, r"metadata-.*\.jsonl, line 2 is not a JSON object"),
        ({"metadata": b'{}\n{"x": NaN}\n{}\n'}, "cannot read .*metadata-.*NaN"),
        ({"metadata": b"{}\n{}\n" + b"[" * 100_000 + b"\n"}, "cannot read .*metadata-"),
    ],
)
def test_hostile_files(tmp_path, parts, message):
    forge(tmp_path, **parts)
    with pytest.raises(DataError, match=message):
        HyperbolicIndex.load(tmp_path)
