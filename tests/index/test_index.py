"""The index: its search, its changes, and what it keeps on disk."""

import json
import math
import os

import pytest
import torch
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import tree_points

from hyperdml.errors import ConfigError, DataError
from hyperdml.geometry import distance
from hyperdml.index import is_index
from hyperdml.index.index import HyperbolicIndex
from hyperdml.neighbors import HyperbolicKNN, make_knn
from hyperdml.neighbors.ivf import IVF

C = 0.1
POINTS = tree_points(90, 8, spread=True)[0]


def names(n, start=0):
    return [f"class {i % 7}/{i:03d}.jpg" for i in range(start, start + n)]


def small(n=20, **options):
    return HyperbolicIndex.build(POINTS[:n], names(n), c=C, **options)


def assert_equal(found, expected):
    assert found.ids == expected.ids
    assert torch.equal(found.rows, expected.rows)
    assert torch.equal(found.distances, expected.distances)
    assert found.metadata == expected.metadata


@pytest.mark.parametrize("engine", ["faiss", "torch"])
@pytest.mark.parametrize("spread", [False, True])
def test_finds_what_the_exact_search_finds(engine, spread):
    x = tree_points(400, 32, spread)[0]
    query, reference = x[:50], x[50:]
    index = HyperbolicIndex.build(reference, names(350), c=C, engine=engine, metadata=[{"n": i} for i in range(350)])
    found = index.search(query, 6)
    distances, rows = HyperbolicKNN(C, engine=engine)(query, 6, reference)
    assert torch.equal(found.rows, rows)
    assert torch.equal(found.distances, distances)
    assert found.ids == [[names(350)[row] for row in near] for near in rows.tolist()]
    assert found.metadata == [[{"n": row} for row in near] for near in rows.tolist()]
    exact = distance(query.double()[:, None], reference.double()[None], C).sort(dim=1, stable=True)
    torch.testing.assert_close(found.distances.double(), exact.values[:, :6], rtol=1e-6, atol=0)


def test_other_metrics_find_other_items_once_radii_differ():
    x = tree_points(400, 32, spread=True)[0]
    first = {}
    for metric in ("hyperbolic", "cosine", "euclidean"):
        index = HyperbolicIndex.build(x, c=C, metric=metric)
        assert index.metric == metric
        found = index.search(x, 5, without=index.ids)
        assert torch.equal(found.rows, make_knn(metric, C)(x, 5, x, True)[1])
        first[metric] = found.rows[:, 0]
    assert (first["cosine"] == first["hyperbolic"]).double().mean() < 0.6
    assert (first["euclidean"] == first["hyperbolic"]).double().mean() < 0.95


def test_equal_distances_come_by_position():
    index = HyperbolicIndex.build(torch.tensor([[0.5, 0], [0.1, 0], [0.5, 0], [0.1, 0], [0.1, 0]]), list("abcde"), c=1)
    assert index.search(torch.tensor([[0.1, 0]]), 5).ids == [["b", "d", "e", "a", "c"]]


@pytest.mark.parametrize("engine", ["faiss", "torch"])
def test_leaves_out_the_item_that_is_named(engine):
    x = torch.cat([POINTS[:30], POINTS[:30]])  # everything twice: the nearest of an item is its double
    index = HyperbolicIndex.build(x, names(60), c=C, engine=engine)
    found = index.search(x, 3, without=index.ids)
    assert found.rows[:, 0].tolist() == [*range(30, 60), *range(30)]
    assert all(own not in near for own, near in zip(index.ids, found.ids, strict=True))
    every = index.search(x, 4)
    mixed = index.search(x[:2], 3, without=[None, index.ids[1]])
    assert mixed.ids == [every.ids[0][:3], found.ids[1]]
    assert_equal(index.search(x[:2], 4, without=[None, None]), index.search(x[:2], 4))
    # an item that is not among the nearest
    assert index.search(x[:1], 2, without=[every.ids[0][-1]]).ids[0] == every.ids[0][:2]


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.integers(0, 89), max_size=6, unique=True)),
        st.tuples(st.just("remove"), st.integers(0, 2**20)),
        st.tuples(st.just("search"), st.integers(1, 4)),
        st.tuples(st.just("store"), st.none()),
    ),
    max_size=12,
)


@pytest.mark.parametrize("engine", ["faiss", "torch"])
@settings(max_examples=25, deadline=None)
@given(start=st.lists(st.integers(0, 89), max_size=20, unique=True), changes=CHANGES)
def test_searches_like_a_fresh_index_after_any_changes(engine, tmp_path_factory, start, changes):
    def fresh():
        rows = list(held.values())
        return HyperbolicIndex.build(
            POINTS[rows], list(held), c=C, metadata=[{"row": row} for row in rows], engine=engine
        )

    held = {f"first {row}": row for row in start}
    index, folder = fresh(), tmp_path_factory.mktemp("index")
    for number, (what, value) in enumerate(changes):
        if what == "add":
            new = {f"{number} {row}": row for row in value}
            index.add(POINTS[value], list(new), [{"row": row} for row in value])
            held |= new
        elif what == "remove":
            gone = [name for bit, name in enumerate(held) if value >> (bit % 20) & 1]
            index.remove(gone)
            held = {name: row for name, row in held.items() if name not in gone}
        elif what == "store":
            index.save(folder)
            index = HyperbolicIndex.load(folder, engine=engine)
        elif value <= len(held):
            assert_equal(index.search(POINTS[:5], value), fresh().search(POINTS[:5], value))
    assert index.ids == tuple(held)
    assert len(index) == len(held)
    assert torch.equal(index.points, POINTS[list(held.values())])
    if held:
        assert_equal(index.search(POINTS[:9], len(held)), fresh().search(POINTS[:9], len(held)))


def test_ids_metadata_and_facts_come_back(tmp_path):
    odd = ["a\nb", "ü/猫.jpg", "\udcff.png", '"quoted"', "", " ", "\u2028"]
    metadata = [{"n": i, "nested": {"list": [1, None, True, "\n\u2028"]}} for i in range(7)]
    index = HyperbolicIndex.build(
        POINTS[:7].double(), odd, c=0.1, metadata=metadata, model="abc", info={"root": "/\udcff\n", "n": [1]}
    )
    index.save(tmp_path / "new" / "index")
    assert is_index(tmp_path / "new" / "index")
    loaded = HyperbolicIndex.load(tmp_path / "new" / "index")
    assert loaded.ids == tuple(odd)
    assert [loaded.metadata(name) for name in odd] == metadata
    assert (loaded.c, loaded.metric, loaded.model, loaded.dimension) == (0.1, "hyperbolic", "abc", 8)
    assert loaded.info == {"root": "/\udcff\n", "n": [1]}
    assert loaded.approximate is None
    assert loaded.points.dtype == torch.float64
    assert torch.equal(loaded.points, index.points)
    assert_equal(loaded.search(POINTS[:3], 4), index.search(POINTS[:3], 4))
    assert "" in loaded
    assert "x" not in loaded


@pytest.mark.parametrize("ids", [None, [5, -3, 2**62], torch.tensor([5, -3, 9])])
def test_integer_ids(tmp_path, ids):
    index = HyperbolicIndex.build(POINTS[:3], ids, c=C)
    index.save(tmp_path)
    loaded = HyperbolicIndex.load(tmp_path)
    assert loaded.ids == tuple(range(3) if ids is None else map(int, ids))
    assert all(type(name) is int for name in loaded.ids)
    loaded.remove(loaded.ids[:1])
    assert len(loaded) == 2


def test_an_index_without_items(tmp_path):
    index = HyperbolicIndex.build(torch.zeros(0, 3), c=1.0)
    with pytest.raises(ValueError, match="only 0 are available"):
        index.search(torch.zeros(1, 3), 1)
    index.save(tmp_path)
    loaded = HyperbolicIndex.load(tmp_path)
    loaded.add(torch.zeros(1, 3), ["a"])
    assert loaded.search(torch.zeros(1, 3), 1).ids == [["a"]]
    loaded.remove(["a"])
    assert len(loaded) == 0


def test_changes_of_the_caller_do_not_reach_the_index():
    x, metadata, info = POINTS[:5].clone(), [{"tags": ["a"]} for _ in range(5)], {"root": "r"}
    index = HyperbolicIndex.build(x, c=C, metadata=metadata, info=info)
    x.zero_()
    metadata[0]["tags"].append("b")
    info["root"] = "other"
    index.search(POINTS[:1], 1).metadata[0][0]["tags"].append("c")
    assert torch.equal(index.points, POINTS[:5])
    assert index.metadata(0) == {"tags": ["a"]}
    assert index.info == {"root": "r"}


def test_precision():
    assert HyperbolicIndex.build(POINTS[:3].half().requires_grad_(), c=C).points.dtype == torch.float32
    index = HyperbolicIndex.build(POINTS[:3], c=C)
    index.add(POINTS[3:5].double(), [10, 11])
    assert index.points.dtype == torch.float32
    # inside in float64, on the rim in float32
    rim = torch.tensor([[1 - 1e-9, 0.0]], dtype=torch.float64)
    assert len(HyperbolicIndex.build(rim, c=1.0)) == 1
    with pytest.raises(ValueError, match="row 0 has norm 1, outside"):
        HyperbolicIndex.build(torch.zeros(1, 2), c=1.0).add(rim, ["a"])


def test_model_is_checked():
    index = small(model="1f2e")
    index.check_model("1f2e")
    with pytest.raises(ValueError, match="made by model '1f2e', the queries by '77'"):
        index.check_model("77")
    with pytest.raises(ValueError, match=r"does not say which model .* '77'"):
        small().check_model("77")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": torch.zeros(3)}, r"must be \(N, d\)"),
        ({"points": torch.zeros(3, 2, dtype=torch.int64)}, r"floating-point numbers, got \(3, 2\) of torch.int64"),
        ({"points": torch.tensor([[0.0], [math.nan], [0]])}, "points row 1 is not finite"),
        ({"points": torch.tensor([[0.0], [0], [1.5]])}, "points row 2 has norm 1.5, outside the ball of radius 1 "),
        ({"ids": ["a", "b"]}, "3 points and 2 ids"),
        ({"ids": ["a", "b", "a"]}, "id 'a' occurs twice"),
        ({"ids": ["a", 1, "b"]}, "all strings or all integers, got 1 beside 'a'"),
        ({"ids": [1, True, 3]}, "all strings or all integers, got True beside 1"),
        ({"ids": [1.0, 2.0, 3.0]}, "all strings or all integers, got 1.0"),
        ({"ids": [1, 2, 2**63]}, "64 bits"),
        ({"ids": "abc"}, "the one string 'abc'"),
        ({"metadata": [{}]}, "3 points and 1 mappings"),
        ({"metadata": [{}, {}, {1: 2}]}, "metadata of item 2 must be a mapping with string keys"),
        ({"metadata": [{}, [], {}]}, "metadata of item 1 must be a mapping"),
        ({"metadata": [{"x": math.nan}, {}, {}]}, "metadata of item 0 cannot be written as JSON"),
        ({"metadata": [{"x": torch}, {}, {}]}, "metadata of item 0 cannot be written as JSON"),
        ({"info": {"x": "y" * 70_000}}, "at most 65536 characters"),
        ({"model": 5}, "model must be the hash of a model as a string, got 5"),
        ({"model": "\udcff"}, "model must be the hash of a model"),
        ({"c": 0.0}, "must be positive"),
        ({"metric": "manhattan"}, "'manhattan'"),
        ({"engine": "annoy"}, "'annoy'"),
    ],
)
def test_errors_of_build(change, message):
    arguments = {"points": torch.zeros(3, 1), "ids": None, "c": 1.0, **change}
    with pytest.raises(ValueError, match=message):
        HyperbolicIndex.build(**arguments)


def test_row_of_a_wrong_point_beyond_the_first_block(monkeypatch):
    monkeypatch.setattr("hyperdml.neighbors.points._BLOCK", 4)
    x = torch.zeros(11, 2)
    x[9] = 1.5
    with pytest.raises(ValueError, match="points row 9 has norm"):
        HyperbolicIndex.build(x, c=1.0)
    x[6] = math.inf
    with pytest.raises(ValueError, match="points row 6 is not finite"):
        HyperbolicIndex.build(x, c=1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index: index.add(POINTS[:2], names(2, 19)), "id 'class 5/019.jpg' is in the index already"),
        (lambda index: index.add(POINTS[:2], ["x", "x"]), "id 'x' occurs twice"),
        (lambda index: index.add(POINTS[:2], [1, 2]), "like 'class 0/000.jpg', got 1"),
        (lambda index: index.add(POINTS[:2, :5], ["x", "y"]), "dimension 5, those in the index 8"),
        (lambda index: index.add(POINTS[:2] * 9, ["x", "y"]), "points row 0 has norm"),
        (lambda index: index.add(POINTS[:2], ["x", "y"], [{}, {"z": {1}}]), "metadata of item 1"),
        (lambda index: index.remove(["class 0/000.jpg", "nobody"]), "id 'nobody' is not in the index"),
        (lambda index: index.remove(["class 0/000.jpg"] * 2), "occurs twice"),
        (lambda index: index.search(POINTS[:2], 0), "k must be at least 1, got 0"),
        (lambda index: index.search(POINTS[:2], 21), "k=21 .* only 20"),
        (lambda index: index.search(POINTS[:2], 20, without=["class 0/000.jpg", None]), "k=20 .* only 19"),
        (lambda index: index.search(POINTS[:2], 1, without=["class 0/000.jpg"]), "2 queries and 1 ids"),
        (lambda index: index.search(POINTS[:1], 1, without=["nobody"]), "id 'nobody' is not"),
        (lambda index: index.search(POINTS[:1] * math.nan, 1), "query row 0 is not finite"),
        (lambda index: index.search(POINTS[:1, :3], 1), "dimension 3"),
        (lambda index: index.metadata("nobody"), "id 'nobody' is not"),
    ],
)
def test_errors_change_nothing(change, message):
    index = small()
    before = index.search(POINTS, 20)
    with pytest.raises(ValueError, match=message):
        change(index)
    assert len(index) == 20
    assert_equal(index.search(POINTS, 20), before)
    assert_equal(index.search(POINTS, 20), small().search(POINTS, 20))


def test_saving_again_replaces_and_removes_what_was_there(tmp_path):
    index = small()
    index.save(tmp_path)
    first = {path.name for path in tmp_path.iterdir()}
    index.remove(names(3))
    index.save(tmp_path)
    (tmp_path / "notes.txt").write_text("of the user")
    index.save(tmp_path)
    second = {path.name for path in tmp_path.iterdir()}
    assert len(second) == len(first) + 1
    assert second & first == {"manifest.json", ".lock"}  # ids and metadata got shorter, too
    assert HyperbolicIndex.load(tmp_path).ids == tuple(names(17, 3))
    assert (tmp_path / "notes.txt").read_text() == "of the user"


def test_lost_updates_are_refused(tmp_path):
    small().save(tmp_path)
    one, other = HyperbolicIndex.load(tmp_path), HyperbolicIndex.load(tmp_path)
    one.remove(names(1))
    one.save(tmp_path)
    other.remove(names(1, 5))
    for index in (other, small(10)):
        with pytest.raises(ConfigError, match="changed since it was loaded"):
            index.save(tmp_path)
    assert HyperbolicIndex.load(tmp_path).ids == one.ids
    one.remove(names(1, 1))
    one.save(tmp_path)  # after its own save it may go on
    other.save(tmp_path, replace=True)
    assert HyperbolicIndex.load(tmp_path).ids == other.ids
    with pytest.raises(ConfigError, match="changed since"):
        one.save(tmp_path)


def test_a_second_writer_is_refused_by_name(tmp_path):
    index = small()
    index.save(tmp_path)
    state = sorted(path.name for path in tmp_path.iterdir())
    with FileLock(tmp_path / ".lock"):
        (tmp_path / ".writer").write_text("process 4711 on here")
        with pytest.raises(ConfigError, match="process 4711 on here is writing"):
            index.save(tmp_path)
        (tmp_path / ".writer").unlink()
        with pytest.raises(ConfigError, match="another process is writing"):
            index.save(tmp_path)
        assert len(HyperbolicIndex.load(tmp_path)) == 20  # reading goes on
    assert sorted(path.name for path in tmp_path.iterdir()) == state


def test_the_writer_says_who_it_is(tmp_path, monkeypatch):
    import hyperdml.index.files as files

    said, write = [], files.write_atomic

    def look(path, data):
        if path.name == "manifest.json":
            said.append((tmp_path / ".writer").read_text())
            with pytest.raises(ConfigError, match=rf"process {os.getpid()} on .* is writing"):
                small(5).save(tmp_path)
        write(path, data)

    monkeypatch.setattr(files, "write_atomic", look)
    small().save(tmp_path)
    assert said[0].startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / ".writer").exists()


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"it holds thesis\.tex"):
        small().save(tmp_path, replace=True)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(DataError, match=r"thesis\.tex is a file"):
        small().save(tmp_path / "thesis.tex")
    with pytest.raises(DataError, match=r"not an index: .*manifest\.json is missing"):
        HyperbolicIndex.load(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "a web application"}))
    for replace in (False, True):
        with pytest.raises(DataError, match="not the manifest of an index"):
            small().save(tmp_path, replace=replace)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_approximate_search_stays_that_of_a_fresh_index(tmp_path):
    x = tree_points(900, 16, spread=True)[0]
    settings = IVF(lists=12, probes=4)
    index = HyperbolicIndex.build(x[:600], c=C, approximate=settings)
    exact = HyperbolicIndex.build(x[:600], c=C)
    found, expected = (each.search(x[600:], 10) for each in (index, exact))
    hits = [len(set(a) & set(b)) / 10 for a, b in zip(found.ids, expected.ids, strict=True)]
    assert 0.8 < sum(hits) / len(hits) < 1  # it is the inverted file that searches
    index.add(x[600:], range(600, 900))
    index.remove([0, 700])
    index.save(tmp_path)
    rows = [row for row in range(900) if row not in (0, 700)]
    fresh = HyperbolicIndex.build(x[rows], rows, c=C, approximate=settings)
    for changed in (index, HyperbolicIndex.load(tmp_path)):
        assert changed.approximate == settings
        assert_equal(changed.search(x[:90], 5), fresh.search(x[:90], 5))
    assert HyperbolicIndex.build(x[:9], c=C, approximate=True).approximate == IVF()


@pytest.mark.gpu
def test_on_a_gpu():
    x = tree_points(3000, 32, spread=True)[0]
    index, expected = (HyperbolicIndex.build(x, c=C, gpu=gpu) for gpu in (None, False))
    found = index.search(x[:50].cuda(), 5, without=index.ids[:50])
    assert found.rows.is_cuda
    assert torch.equal(found.rows.cpu(), expected.search(x[:50], 5, without=index.ids[:50]).rows)
