"""JSON, edge tables, GraphML: round trips, damaged files, errors that name the file and the place."""

import json

import networkx as nx
import pytest

from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy

DAG = Taxonomy.from_edges(
    [("r", "A"), ("r", "B"), ("A", 'x, "y"'), ("B", 'x, "y"'), ("B", "parent"), ("B", "<ü&>"), (None, "alone")],
    ["parent", "<ü&>", 'x, "y"', "alone"],
)
CHAIN = Taxonomy.from_edges([("r", "s"), ("s", "t"), ("s", "u")], unary="collapse")


@pytest.mark.parametrize("taxonomy", [DAG, CHAIN], ids=["dag", "collapsed"])
def test_round_trips(tmp_path, taxonomy):
    taxonomy.to_json(tmp_path / "t.json")
    taxonomy.to_edges_csv(tmp_path / "t.csv")
    taxonomy.to_graphml(tmp_path / "t.graphml")
    read = Taxonomy.from_json(tmp_path / "t.json")
    assert read == taxonomy
    assert read.names == taxonomy.names
    assert read.collapsed == taxonomy.collapsed
    assert Taxonomy.from_edges_csv(tmp_path / "t.csv") == taxonomy
    graph = nx.read_graphml(tmp_path / "t.graphml")
    assert Taxonomy.from_networkx(graph, taxonomy.leaves) == taxonomy
    assert [graph.nodes[name]["index"] for name in taxonomy.names] == list(range(len(taxonomy)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv", "t.graphml", "t.json"]


def test_the_order_survives_where_a_class_has_several_parents(tmp_path):
    # 'b' is listed first but 'a' would be met first among the children of p
    taxonomy = Taxonomy.from_edges([("p", "a"), ("p", "b"), ("q", "b"), ("q", "c")], ["b", "c", "a"])
    taxonomy.to_edges_csv(tmp_path / "t.csv")
    assert Taxonomy.from_edges_csv(tmp_path / "t.csv").leaves == ("b", "c", "a")


@pytest.mark.parametrize(
    "text",
    [
        "parent,child\nr,a\nr,b\n",
        "child,parent\na,r\nb,r\n",
        "Child\tParent\na\tr\nb\tr\n",
        "r,a\n\n r , b \n",
        '\ufeffparent,child\r\n"r",a\r\nr,"b"\r\n',
        ",r\nr,a\nr,b\n",
    ],
)
def test_forms_of_edge_tables(tmp_path, text):
    path = tmp_path / "edges.csv"
    path.write_bytes(text.encode())
    assert Taxonomy.from_edges_csv(path, ["a", "b"]) == Taxonomy.from_edges([("r", "a"), ("r", "b")])
    rooted = Taxonomy.from_edges_csv(path, virtual_root=True)
    assert rooted.names == ("a", "b", "r")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r,a\nr\n", r"edges.csv: line 2: expected 2 cells, got 1: \['r'\]"),
        ("r,a\nr,b,c\n", "line 2: expected 2 cells, got 3"),
        ("r,a\nr,\n", "line 2: the child has no name"),
        ('r,"a\n', "line 1: unexpected end of data"),
        ("", "edges.csv: there are no nodes"),
        ("a,r\nb,r\n", "edges.csv: 2 nodes have no parent .* turn them round"),
        ("a,b\nb,a\n", "edges.csv: .*\n?.*cycle of 2 edges"),
        ("r,\xff\n", None),
    ],
)
def test_edge_tables_that_are_none(tmp_path, text, message):
    path = tmp_path / "edges.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message or "edges.csv, line 1: not text in UTF-8: .* at byte 2"):
        Taxonomy.from_edges_csv(path)


def test_missing_files(tmp_path):
    for read in (Taxonomy.from_json, Taxonomy.from_edges_csv):
        with pytest.raises(DataError, match=r"cannot read .*none: No such file"):
            read(tmp_path / "none")


def changed(**changes):
    return DAG.to_dict() | changes


PARENTS = DAG.parent_lists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "expected an object, got a list"),
        ({}, "format is None, expected 'hyperdml.taxonomy/1'"),
        (changed(format="hyperdml.taxonomy/9"), "format is 'hyperdml.taxonomy/9'"),
        ({k: v for k, v in changed().items() if k != "names"}, "wrong here: no names"),
        (changed(extra=1), "wrong here: extra"),
        (changed(num_leaves="4"), "num_leaves must be a int, got '4'"),
        (changed(num_leaves=True), "num_leaves must be a int, got True"),
        (changed(num_leaves=3), "num_leaves is 3, but the nodes without children are not the first 3"),
        (changed(names=[*DAG.names[:-1], "A"]), "names must be one or more, all different"),
        (changed(names=[*DAG.names[:-1], " r"]), r"names\[6\] is ' r', which no node is called"),
        (changed(names=[*DAG.names[:-1], 5]), r"names\[6\] is 5, which no node is called"),
        (changed(names=[]), "names must be one or more"),
        (changed(names=["n", *DAG.names[1:]]), "hash is .*: it was changed or is damaged"),
        (changed(parents=PARENTS[1:]), "parents must have one entry for each of 7 names, got 6"),
        (changed(parents=[[0], *PARENTS[1:]]), r"parents\[0\] is \[0\], expected ascending nodes from 1 to 6"),
        (changed(parents=[[5, 4], *PARENTS[1:]]), r"parents\[0\] is \[5, 4\]"),
        (changed(parents=[[7], *PARENTS[1:]]), r"parents\[0\] is \[7\]"),
        (changed(parents=[[True], *PARENTS[1:]]), r"parents\[0\] is \[True\]"),
        (changed(collapsed={"A": "B"}), "collapsed must map names that are gone to nodes; wrong at 'A'"),
        (changed(collapsed={"gone": "gone too"}), "wrong at 'gone'"),
        (changed(hash="0"), "hash is '0', but the content has"),
    ],
)
def test_json_that_is_none(tmp_path, data, message):
    with pytest.raises(ValueError, match=message):
        Taxonomy.from_dict(data)
    path = tmp_path / "t.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DataError, match=f"t.json is not a taxonomy: .*({message})"):
        Taxonomy.from_json(path)


def test_nodes_in_another_order_are_refused():
    leaves = Taxonomy.from_edges([("p", "a"), ("q", "b"), ("q", "c")])
    data = leaves.to_dict() | {"names": ["a", "b", "c", "q", "p"], "parents": [[4], [3], [3], [], []]}
    with pytest.raises(ValueError, match="names are not in the order of a taxonomy"):
        Taxonomy.from_dict(data)


def test_broken_json(tmp_path):
    path = tmp_path / "t.json"
    path.write_text('{"format": ')
    with pytest.raises(DataError, match=r"t\.json is not JSON: Expecting value"):
        Taxonomy.from_json(path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "t.json"
    CHAIN.to_json(path)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "disk full")))
    with pytest.raises(OSError, match="disk full"):
        DAG.to_json(path)
    assert Taxonomy.from_json(path) == CHAIN
    assert list(tmp_path.iterdir()) == [path]
