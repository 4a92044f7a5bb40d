"""MATLAB files: what SciPy and MATLAB write comes back, and damage is an error and nothing else."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from hyperdml.errors import DataError
from hyperdml.taxonomy.formats.mat_files import read_mat

CALM = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)


def content():
    rows = [("car_ims/1.jpg", 3, 1.5), ("ü.jpg", 70_000, -2.0), ("", 255, 0.0)]
    return {
        "annotations": np.array([rows], dtype=[("name", object), ("class", object), ("weight", object)]),
        "names": np.array([["A", "B C", np.array([[1, 2], [3, 4]])]], dtype=object),
        "numbers": np.arange(6, dtype=np.int16).reshape(2, 3),
        "text": "a text",
    }


@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_writes_comes_back(tmp_path, compressed):
    path = tmp_path / "x.mat"
    savemat(path, content(), do_compression=compressed)
    found = read_mat(path, "annotations")
    assert list(found) == ["name", "class", "weight"]
    assert found["name"][:2] == ["car_ims/1.jpg", "ü.jpg"]
    assert len(found["name"][2]) == 0
    assert [int(value[0]) for value in found["class"]] == [3, 70_000, 255]
    assert [float(value[0]) for value in found["weight"]] == [1.5, -2, 0]
    names = read_mat(path, "names")
    assert names[:2] == ["A", "B C"]
    assert names[2].tolist() == [1, 3, 2, 4]  # by columns
    assert read_mat(path, "numbers").tolist() == loadmat(path)["numbers"].ravel("F").tolist()
    assert read_mat(path, "text") == "a text"
    with pytest.raises(DataError, match="its variables are 'annotations', 'names', 'numbers', 'text'"):
        read_mat(path, "other")


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9]{0,10}", fullmatch=True),
        st.one_of(
            st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=20),
            st.lists(st.floats(allow_nan=False), min_size=1, max_size=5),
            st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5),
        ),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_any_variables_come_back(tmp_path_factory, variables, compressed):
    path = tmp_path_factory.mktemp("mat") / "x.mat"
    savemat(path, variables, do_compression=compressed)
    for name, value in variables.items():
        found = read_mat(path, name)
        assert (found if isinstance(value, str) else found.tolist()) == value


def test_files_of_the_other_byte_order(tmp_path):
    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    head = element(6, struct.pack(">II", 4, 0)) + element(5, struct.pack(">ii", 1, 2)) + element(1, b"name")
    matrix = element(14, head + element(17, "äb".encode("utf-16-be")))
    (tmp_path / "x.mat").write_bytes(bytes(124) + b"\x01\x00MI" + matrix)
    assert read_mat(tmp_path / "x.mat", "name") == "äb"


def test_what_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("hyperdml.taxonomy.formats.mat_files._MOST", 10_000)
    bomb = zlib.compress(bytes(1_000_000))
    (tmp_path / "x.mat").write_bytes(bytes(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(DataError, match="a variable is cut off or too large"):
        read_mat(tmp_path / "x.mat", "name")
    (tmp_path / "x.mat").write_bytes(bytes(10_001))
    with pytest.raises(DataError, match="it holds more than 10000 bytes"):
        read_mat(tmp_path / "x.mat", "name")
    with pytest.raises(DataError, match=r"cannot read .*no\.mat: No such file"):
        read_mat(tmp_path / "no.mat", "name")


@pytest.fixture(scope="module", params=[False, True])
def whole(tmp_path_factory, request):
    path = tmp_path_factory.mktemp("damaged") / "x.mat"
    savemat(path, content(), do_compression=request.param)
    return path, path.read_bytes()


@CALM
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3),
    cut=st.one_of(st.none(), st.integers(0, 10**6)),
    name=st.sampled_from(["annotations", "names", "numbers", "text"]),
)
def test_damage_is_an_error_and_nothing_else(whole, changes, cut, name):
    path, data = whole
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(data)] = value
    path.write_bytes(damaged if cut is None else damaged[: cut % len(data)])
    try:
        found = read_mat(path, name)
    except DataError as error:
        assert f"{path}: no {name} can be read" in str(error)  # noqa: PT017 - some damage does not show
    else:
        assert isinstance(found, (str, np.ndarray, list, dict))
