"""The pickles of CIFAR-100: what the release holds is read, everything else is refused before it runs."""

import io
import os
import pickle
import pickletools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.data.classification import ClassificationDataConfig, load_classification
from hyperdml.data.classification.cifar100_pickles import read_pickle
from hyperdml.data.miniatures import make_cifar100
from hyperdml.data.miniatures.python2_pickle import dumps
from hyperdml.errors import DataError

CONTENT = {
    "filenames": ["apple_s_000001.png", "x" * 300],
    "fine_labels": [0, 99],
    "data": np.arange(12, dtype=np.uint8).reshape(2, 6),
}


class Runs:
    """Pickles to a call that makes a folder."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def test_the_release_is_read(tmp_path):
    (tmp_path / "train").write_bytes(dumps(CONTENT))
    found = read_pickle(tmp_path / "train")
    assert found["filenames"] == [b"apple_s_000001.png", b"x" * 300]
    assert found["fine_labels"] == [0, 99]
    np.testing.assert_array_equal(found["data"], CONTENT["data"])


def test_an_array_that_was_written_by_columns(tmp_path):
    by_rows, by_columns = CONTENT["data"].tobytes(), CONTENT["data"].tobytes("F")
    (tmp_path / "train").write_bytes(dumps(CONTENT).replace(b"\x89T", b"\x88T").replace(by_rows, by_columns))
    np.testing.assert_array_equal(read_pickle(tmp_path / "train")["data"], CONTENT["data"])


def test_miniature_pickles_are_those_of_python_2_and_old_numpy(tmp_path):
    # the opcodes are right if the standard library reads them with NumPy's own functions
    class New(pickle.Unpickler):
        def find_class(self, module, name):
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)

    found = New(io.BytesIO(dumps(CONTENT)), encoding="latin1").load()
    assert found["filenames"] == CONTENT["filenames"]
    np.testing.assert_array_equal(found["data"], CONTENT["data"])
    opcodes = {opcode.name for opcode, _, _ in pickletools.genops(dumps(CONTENT))}
    assert opcodes >= {"PROTO", "SHORT_BINSTRING", "BINSTRING"}
    assert not opcodes & {"BINUNICODE", "BINBYTES", "SHORT_BINBYTES"}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("place", ["value", "key", "alone"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path, protocol, place):
    harm = Runs(os.mkdir, str(tmp_path / "harm"))
    content = {"value": {"data": harm}, "key": [harm], "alone": harm}[place]
    raw = pickle.dumps(content, protocol)
    (tmp_path / "train").write_bytes(raw)
    with pytest.raises(DataError, match=r"train is refused: it names posix\.mkdir, and unpickling runs"):
        read_pickle(tmp_path / "train")
    assert not (tmp_path / "harm").exists()
    pickle.loads(raw)
    assert (tmp_path / "harm").is_dir(), "the pickle does run elsewhere"


@pytest.mark.parametrize("file", ["train", "test", "meta"])
def test_every_file_of_the_data_set_is_read_so(tmp_path, file):
    folder = make_cifar100(tmp_path, "python", train_per_class=1, test_per_class=1)
    (folder / file).write_bytes(pickle.dumps(Runs(os.mkdir, str(tmp_path / "harm")), 2))
    with pytest.raises(DataError, match=rf"{file} is refused: it names posix\.mkdir"):
        load_classification(ClassificationDataConfig(name="cifar100", root=str(tmp_path), complete=False))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("builtins.eval", b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R."),
        ("__builtin__.eval", b"\x80\x02c__builtin__\neval\nU\x011\x85R."),
        ("numpy.load", b"\x80\x02cnumpy\nload\nU\x011\x85R."),
        ("numpy.ndarray.dumps", b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93."),
        ("__builtin__.object", pickle.dumps(Runs(object), 2)),
        ("numpy._core.multiarray._reconstruct", pickle.dumps(CONTENT["data"], 3)),
    ],
)
def test_refused_names(tmp_path, name, raw):
    (tmp_path / "train").write_bytes(raw)
    with pytest.raises(DataError, match=f"is refused: it names {re.escape(name)}, and unpickling"):
        read_pickle(tmp_path / "train")


ALLOWED_BUT_NO_ARRAY = {
    "an allocation": b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R.",
    "an array of objects": dumps(CONTENT).replace(b"U\x02u1", b"U\x01O"),
    "an array of floats": dumps(CONTENT).replace(b"U\x02u1", b"U\x02f8"),
    "no state": b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\n)Rs.",
    "a bare name": b"\x80\x02}U\x04datacnumpy\ndtype\ns.",
    "too few bytes": dumps(CONTENT).replace(b"(J\x02", b"(J\x03"),
    "attributes of the stand-in": b"\x80\x02}U\x04datacnumpy\ndtype\n(U\x01aU\x01bs",
    "a list": pickle.dumps([1], 2),
    "a number": pickle.dumps(1, 2),
    "a memo of 64 GB": b"\x80\x02]r\xff\xff\xff\xff.",
    "a string of 2 GB": b"\x80\x02T\xff\xff\xff\x7fabc",
    "unhashable keys": b"\x80\x02}]]s.",
    "nothing": b"",
    "text": b"version https://git-lfs",
    "a foreign pickle of an id": b"\x80\x02U\x01aQ.",
    "keys that are no text": pickle.dumps({b"\xff": 1}, 3),
    "numbers as keys": pickle.dumps({1: 1}, 2),
}


@pytest.mark.parametrize("what", ALLOWED_BUT_NO_ARRAY)
def test_other_contents_are_one_error(tmp_path, what):
    (tmp_path / "train").write_bytes(ALLOWED_BUT_NO_ARRAY[what])
    with pytest.raises(DataError, match="train is not a pickle of CIFAR-100's Python version: "):
        read_pickle(tmp_path / "train")


@settings(max_examples=400, deadline=None)
@given(flips=st.lists(st.integers(0, 2**16), min_size=1, max_size=4), end=st.integers(0, 600))
def test_damaged_pickles_are_read_or_refused(tmp_path_factory, flips, end):
    path = tmp_path_factory.getbasetemp() / "damaged"
    content = bytearray(dumps(CONTENT)[: end or None])
    for flip in flips:
        content[(flip >> 3) % len(content)] ^= 1 << (flip & 7)
    path.write_bytes(content)
    try:
        assert isinstance(read_pickle(path), dict)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 - either outcome is right


def test_files_that_are_not_there_or_too_large(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*train: No such file"):
        read_pickle(tmp_path / "train")
    with (tmp_path / "train").open("wb") as file:
        file.truncate(513 * 2**20)
    with pytest.raises(DataError, match="train holds 537919488 bytes; files of CIFAR-100 have at most"):
        read_pickle(tmp_path / "train")
