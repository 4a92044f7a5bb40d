"""Constructors from edges, parents and networkx: options, direction, and every error by its message."""

import networkx as nx
import numpy as np
import pytest

from hyperdml.taxonomy import Taxonomy

EDGES = [("animal", "bird"), ("bird", "wren"), ("bird", "finch"), ("animal", "trout")]


def messages(edges, leaves=None):
    return [(f.severity, f.kind, f.message) for f in Taxonomy.check(edges, leaves)]


def test_all_ways_to_give_edges_agree():
    taxonomy = Taxonomy.from_edges(EDGES)
    assert taxonomy.names == ("wren", "finch", "trout", "bird", "animal")
    assert Taxonomy.from_edges(np.array(EDGES)) == taxonomy
    assert Taxonomy.from_edges(iter(EDGES)) == taxonomy
    parents = {"wren": "bird", "finch": ["bird"], "trout": "animal", "bird": "animal", "animal": None}
    assert Taxonomy.from_parents(parents) == taxonomy
    assert Taxonomy.from_parents({k: v for k, v in parents.items() if v}) == taxonomy
    assert Taxonomy.from_networkx(nx.DiGraph(EDGES), ["wren", "finch", "trout"]) == taxonomy
    assert Taxonomy.from_edges([(" animal", "bird "), *EDGES[1:]]) == taxonomy, "spaces around names do not count"
    assert Taxonomy.from_edges([*EDGES, (float("nan"), "animal")]) == taxonomy, "as data frames state a missing parent"
    both = Taxonomy.from_parents({"bat": ["mammal", "flyer"], "cow": ["mammal"], "wren": {"flyer"}})
    assert both.parents.row(0).tolist() == sorted(both.nodes(["mammal", "flyer"]))


def test_single_nodes():
    only = Taxonomy.from_parents({"only": None})
    assert (only.names, only.num_leaves, only.depth, only.is_tree) == (("only",), 1, 0, True)
    assert only.distance_matrix().tolist() == [[0]]
    assert only.lca(0, 0) == 0
    assert Taxonomy.from_parents({"a": [], "b": None}).roots.tolist() == [0, 1]


def test_several_roots():
    edges = [("x", "a"), ("y", "b")]
    assert len(Taxonomy.from_edges(edges).roots) == 2
    for option, name in ((True, "root"), ("life", "life")):
        rooted = Taxonomy.from_edges(edges, virtual_root=option)
        assert rooted.names == ("a", "b", "x", "y", name)
        assert rooted.is_tree
    assert Taxonomy.from_edges(EDGES, virtual_root=True) == Taxonomy.from_edges(EDGES), "a single root stays"
    with pytest.raises(ValueError, match="virtual_root cannot be called 'x', a node is"):
        Taxonomy.from_edges(edges, virtual_root="x")
    with pytest.raises(ValueError, match="name '' is empty"):
        Taxonomy.from_edges(edges, virtual_root="")


def test_collapsed_chains_by_hand():
    edges = [("r", "s"), ("s", "t"), ("s", "u"), ("t", "v"), ("v", "w"), ("u", "x"), ("u", "y")]
    short = Taxonomy.from_edges(edges, unary="collapse")
    assert short.names == ("w", "x", "y", "u", "s")
    assert dict(short.collapsed) == {"r": "s", "t": "w", "v": "w"}
    # p has two children that become one: q -> m and m
    again = Taxonomy.from_edges([("p", "q"), ("q", "m"), ("p", "m"), ("m", "a"), ("m", "b")], unary="collapse")
    assert again.names == ("a", "b", "m")
    assert dict(again.collapsed) == {"p": "m", "q": "m"}
    assert [f.message for f in short.problems()] == ["3 nodes with a single child were collapsed: 'r', 't', 'v'"]
    with pytest.raises(ValueError, match="unary must be 'keep' or 'collapse', got 'drop'"):
        Taxonomy.from_edges(edges, unary="drop")


def test_wrong_direction():
    turned = [(b, a) for a, b in EDGES]
    with pytest.raises(
        ValueError, match=r"'bird' alone has 2 parents; edges must be \(parent, child\): turn them round"
    ):
        Taxonomy.from_edges(turned)
    with pytest.raises(ValueError, match="all 3 leaves that are among the nodes have children and no parents"):
        Taxonomy.from_edges(turned, ["wren", "finch", "trout"])
    with pytest.raises(ValueError, match=r"edges must be \{child: parent\}"):
        Taxonomy.from_parents({"bird": ["wren", "finch"], "animal": ["bird", "trout"]})
    with pytest.raises(ValueError, match="turn them round"):
        Taxonomy.from_networkx(nx.DiGraph(turned))
    merged = [("a", "c"), ("b", "c")]
    with pytest.raises(ValueError, match="or give leaves= if they are right"):
        Taxonomy.from_edges(merged)
    assert Taxonomy.from_edges(merged, ["c"]).names == ("c", "a", "b")
    with pytest.raises(ValueError, match="must be directed"):
        Taxonomy.from_networkx(nx.Graph(EDGES))


def test_graphs_that_only_resemble_wrong_direction():
    # as many roots as leaves, and more nodes with several parents than with several children
    level = [("r", "a"), ("r", "b"), ("r", "c"), ("a", "x"), ("p", "x"), ("c", "y"), ("q", "y")]
    assert Taxonomy.from_edges(level).leaves == ("b", "x", "y")
    # more roots than leaves, but as many nodes branch as join
    assert Taxonomy.from_edges([("a", "m"), ("a", "n"), ("b", "n"), ("c", "n")]).leaves == ("m", "n")


def test_cycles_show_the_shortest():
    long = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")]
    assert messages([*long, ("top", "a"), ("d", "leaf")])[:2] == [
        ("error", "cycle", "cycle of 4 edges: a -> b -> c -> d -> a"),
        ("error", "unreachable", "on a cycle or below one, so at no depth below a root: 'leaf'"),
    ]
    assert messages([*long, ("c", "b")])[0][2] == "cycle of 2 edges: b -> c -> b"
    assert messages([*long, ("q", "p"), ("p", "q"), ("d", "q")])[0][2] == "cycle of 2 edges: q -> p -> q"
    ring = [(f"c{i}", f"c{(i + 1) % 3000}") for i in range(3000)]
    assert messages(ring)[0][2].startswith("cycle of 3000 edges: c0 -> c1 -> ")
    assert "... 2981 more ..." in messages(ring)[0][2]
    with pytest.raises(ValueError, match="cycle of 2 edges"):
        Taxonomy.from_edges([*long, ("c", "b"), ("c", "leaf")])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "there are no nodes"),
        ([("a", "a"), ("a", "b")], "'a' is given as its own parent"),
        ([("a", "")], "edge 0: name '' is empty"),
        ([("a", "b"), ("a", " ")], "edge 1: name ' ' is empty"),
        ([("a", 5)], "edge 0: name 5 is of type int; names of nodes must be strings, as '5'"),
        ([("a", None)], "name None is of type NoneType"),
        ([("a", "b\nc")], r"name 'b\\nc' holds a control character"),
        ([("a", "b", "c")], r"edge 0: expected a pair \(parent, child\), got \('a', 'b', 'c'\)"),
        (["ab"], "expected a pair .*, got 'ab'"),
        ([5], "expected a pair .*, got 5"),
    ],
)
def test_edges_that_are_none(edges, message):
    with pytest.raises(ValueError, match=message):
        Taxonomy.from_edges(edges)


@pytest.mark.parametrize(
    ("leaves", "message"),
    [
        (["wren", "finch", "trout", "bird"], "given as leaves, but they have children: 'bird'"),
        (["wren", "finsh", "trout"], "leaf 'finsh' is not among the nodes, did you mean 'finch'?"),
        (["wren", "trout"], r"nodes without children that are not in leaves: 'finch'; add them, or .* restrict\(\)"),
        (["wren", "finch", "trout", "wren"], "given twice as leaves: 'wren'"),
        ("wren", "leaves must be a list of names, got the string 'wren'"),
        ([1, 2, 3], "name 1 is of type int"),
    ],
)
def test_leaves_that_are_none(leaves, message):
    with pytest.raises(ValueError, match=message.replace("?", r"\?") if message.endswith("?") else message):
        Taxonomy.from_edges(EDGES, leaves)


def test_parents_must_be_a_mapping():
    with pytest.raises(ValueError, match="parents must be a mapping from child to parent, got a list"):
        Taxonomy.from_parents(EDGES)


def test_one_run_lists_everything():
    edges = [*EDGES, ("animal", "bird"), ("x", "x"), ("a", "b"), ("b", "a"), ("animal", "Trout"), ("wren", 3)]
    found = messages(edges, ["wren", "finch", "trout", "Trout", "carp"])
    assert [(severity, kind) for severity, kind, _ in found] == [
        ("error", "names"),
        ("error", "self-loop"),
        ("error", "cycle"),
        ("error", "leaves"),
        ("error", "leaves"),
        ("warning", "duplicates"),
        ("warning", "spelling"),
        ("warning", "isolated"),
        ("info", "roots"),
        ("info", "chains"),
    ]
    assert found[5][2] == "edges given more than once, counted once: 'animal -> bird'"
    assert found[6][2] == "names that differ only in case or spaces: 'trout', 'Trout'"
    with pytest.raises(ValueError, match=r"^5 problems:\n- edge 9") as error:
        Taxonomy.from_edges(edges, ["wren", "finch", "trout", "Trout", "carp"])
    assert len(str(error.value).splitlines()) == 6
    many = messages([("a", number) for number in range(30)])
    assert many[20][2] == "10 more edges could not be read"


def test_what_is_worth_knowing():
    assert messages(EDGES) == []
    dag = Taxonomy.from_edges([("a", "b"), ("a", "c"), ("c", "b"), ("c", "e"), (None, "alone")])
    assert [(f.severity, f.kind, f.message) for f in dag.problems()] == [
        ("warning", "isolated", "nodes with neither parent nor child: 'alone'"),
        ("info", "roots", "2 roots: 'alone', 'a'"),
        ("info", "parents", "1 nodes have several parents: 'b'"),
    ]
    chain = Taxonomy.from_edges([("a", "b"), ("b", "c")])
    assert [f.message for f in chain.problems()] == ["2 nodes have a single child: 'b', 'a'"]
