"""Lineage tables, levels, nested data and Newick: hand cases, homonyms, errors, round trips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperdml.taxonomy import Taxonomy

# variants of aircraft with the name of their family, and a make with two families of one name
AIRCRAFT = [
    ("Boeing", "Boeing 717", "Boeing 717"),
    ("Boeing", "Boeing 737", "737-200"),
    ("Boeing", "Boeing 737", "737-300"),
    ("Douglas", "DC-3", "DC-3"),
]
RANKS = ["maker", "family", "variant"]


def edges(taxonomy):
    return set(taxonomy.to_networkx().edges)


def test_rows_that_end_early_and_miss_cells():
    rows = [
        ("animal", "bird", "finch"),
        ("animal", None, "sponge"),
        ("animal", float("nan"), " "),
        ("plant", "", ""),
        ("animal", "bird"),
        ("animal", " bird ", "wren "),
        ("animal", "bird", "finch"),
    ]
    taxonomy = Taxonomy.from_lineages(rows)
    assert taxonomy.leaves == ("finch", "sponge", "plant", "wren")
    assert edges(taxonomy) == {("animal", "bird"), ("bird", "finch"), ("animal", "sponge"), ("bird", "wren")}
    assert Taxonomy.from_lineages([("a", "NA", "b")], missing=("NA",)).names == ("b", "a")
    assert Taxonomy.from_lineages([("a", "NA", "b")]).names == ("b", "NA", "a")


def test_columns_and_frames():
    columns = {"family": ["bird", "bird", "fish"], "note": ["x", "y", "z"], "species": ["wren", "finch", None]}
    expected = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), (None, "fish")], ["wren", "finch", "fish"])
    assert Taxonomy.from_lineages(columns, ["family", "species"]) == expected

    class Frame:
        columns = ("species", "family")

        def __getitem__(self, name):
            return {"family": np.array(["bird", "bird", "fish"]), "species": ["wren", "finch", float("nan")]}[name]

    assert Taxonomy.from_pandas(Frame(), ["family", "species"]) == expected
    with pytest.raises(ValueError, match="ranks 'genus' are not among the columns 'family', 'note', 'species'"):
        Taxonomy.from_lineages(columns, ["family", "genus"])
    with pytest.raises(ValueError, match="columns must have the same length, got 'a' 2, 'b' 1"):
        Taxonomy.from_lineages({"a": ["x", "y"], "b": ["z"]})


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": ["x", "x", "y"], "b": ["p", pandas.NA, "q"]})
    assert Taxonomy.from_pandas(frame).names == ("p", "q", "x", "y")


def test_homonyms():
    with pytest.raises(ValueError, match="2 names stand at several places: 'Boeing 717' at 'Boeing > Boeing 717', "):
        Taxonomy.from_lineages(AIRCRAFT)
    by_path = Taxonomy.from_lineages(AIRCRAFT, homonyms="path")
    assert by_path.leaves == ("Boeing 717", "737-200", "737-300", "DC-3"), "leaves are called as the classes are"
    assert {"Boeing > Boeing 717", "Boeing 737", "Douglas > DC-3"} < set(by_path.names)
    by_level = Taxonomy.from_lineages(AIRCRAFT, RANKS, homonyms="level")
    assert {"family: Boeing 717", "Boeing 737", "family: DC-3"} < set(by_level.names)
    assert "level 1: DC-3" in Taxonomy.from_lineages(AIRCRAFT, homonyms="level").names
    genera = [("Plantae", "Morus", "alba"), ("Animalia", "Morus", "bassanus")]
    names = Taxonomy.from_lineages(genera, homonyms="path").names
    assert names == ("alba", "bassanus", "Plantae > Morus", "Animalia > Morus", "Plantae", "Animalia")
    with pytest.raises(ValueError, match=r"homonyms='level' calls two nodes 'level 1: Morus'.*homonyms='path' may"):
        Taxonomy.from_lineages(genera, homonyms="level")
    two_leaves = Taxonomy.from_lineages([("a", "x"), ("b", "x"), ("b", "y")], homonyms="path")
    assert two_leaves.leaves == ("a > x", "b > x", "y")
    with pytest.raises(ValueError, match="homonyms='path' calls two nodes 'a > x'"):
        Taxonomy.from_lineages([("a", "x"), ("b", "x"), ("b", "y"), ("a > x", "z")], homonyms="path")
    with pytest.raises(ValueError, match="homonyms must be one of 'error', 'path', 'level', got 'number'"):
        Taxonomy.from_lineages(AIRCRAFT, homonyms="number")
    # the rank is part of the place
    ranked = Taxonomy.from_lineages([("a", None, "c"), ("a", "c", "d")], RANKS, homonyms="level")
    assert ranked.names == ("c", "d", "family: c", "a")
    # a gap makes another place, not the same node
    with pytest.raises(ValueError, match="'c' at 'a > b > c', 'a > c'"):
        Taxonomy.from_lineages([("a", "b", "c"), ("a", None, "c")])


def test_a_table_that_only_looks_turned_round():
    rows = [("a", "x"), ("b", "x")]
    with pytest.raises(ValueError, match=r"columns run from fine to coarse: .* or give leaves= if they are right"):
        Taxonomy.from_lineages(rows, homonyms="path")
    assert Taxonomy.from_lineages(rows, leaves=["a > x", "b > x"], homonyms="path").names[2:] == ("a", "b")


@pytest.mark.parametrize(
    ("rows", "ranks", "message"),
    [
        (["abc"], None, "row 0 must be a sequence of names, coarse to fine, got 'abc'"),
        ([("a", "b"), (None, "")], None, r"row 1 names nothing: \(None, ''\)"),
        ([("a", 3)], None, "row 0, column 1: name 3 is of type int"),
        ([("a", "b"), ("a", "c", "d")], ["x", "y"], "row 1 has 3 cells, but there are 2 ranks"),
        ([("wren", "bird"), ("finch", "bird")], None, "from fine to coarse: 'finch', 'wren' in the first .* 'bird'"),
        ([], None, "there are no nodes"),
    ],
)
def test_tables_that_are_none(rows, ranks, message):
    with pytest.raises(ValueError, match=message):
        Taxonomy.from_lineages(rows, ranks)


def test_levels():
    levels = np.array([[1, 5, 2], [0, 3, 0], [1, 5, 1], [0, 3, 0]])
    taxonomy = Taxonomy.from_levels(levels)
    assert taxonomy.leaves == ("level 2: 0", "level 2: 1", "level 2: 2")
    assert edges(taxonomy) == {
        ("level 0: 0", "level 1: 3"),
        ("level 0: 1", "level 1: 5"),
        ("level 1: 3", "level 2: 0"),
        ("level 1: 5", "level 2: 1"),
        ("level 1: 5", "level 2: 2"),
    }
    named = Taxonomy.from_levels(
        levels, [["plant", "animal"], None, {0: "oak", 1: "wren", 2: "finch"}], ["a", "b", "c"]
    )
    assert named.names == ("oak", "wren", "finch", "b: 3", "b: 5", "plant", "animal")
    for bad, names, message in (
        ([[0, 0], [1, 0]], None, "not nested: id 0 of 'level 1' lies under ids 0 and 1 of 'level 0'"),
        ([[0.0]], None, r"levels must be \(R, L\) integers, coarse to fine, got float64"),
        ([0, 1], None, r"got int64 of shape \(2,\)"),
        ([[0, 0]], [None], "names must have one entry for each of 2 levels, got 1"),
        ([[0, 5]], [None, ["a"]], "id 5 of 'level 1' has no name: 1 names are given"),
        ([[0, -1]], [None, ["a"]], "id -1 of 'level 1' has no name"),
        ([[0, 0], [1, 1]], [["a", "b"], ["a", "c"]], "1 names stand at several places: 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            Taxonomy.from_levels(bad, names)


def test_levels_of_images_as_the_data_sets_hold_them():
    levels, coarse, classes = np.array([[0, 0], [0, 1], [1, 2], [1, 2]]), ("bird", "tree"), ("wren", "finch", "oak")
    taxonomy = Taxonomy.from_levels(levels, [coarse, classes], virtual_root=True)
    assert taxonomy.names == (*classes, "bird", "tree", "root")
    assert taxonomy.match(classes).tolist() == [0, 1, 2]


def test_nested_forms_agree():
    expected = Taxonomy.from_edges([("animal", "bird"), ("bird", "wren"), ("bird", "finch"), ("animal", "trout")])
    for data in (
        {"animal": {"bird": ["wren", "finch"], "trout": None}},
        {"animal": [{"bird": {"wren": {}, "finch": []}}, "trout"]},
        {"name": "animal", "id": 1, "children": [{"name": "bird", "children": ["wren", {"name": "finch"}]}, "trout"]},
        [{"animal": [{"name": "bird", "children": {"wren": None, "finch": None}}, "trout"]}],
    ):
        assert Taxonomy.from_nested(data) == expected
    assert Taxonomy.from_nested(["a", {"b": "c"}]).names == ("a", "c", "b")
    morus = {"Plantae": {"Morus": ["alba"]}, "Animalia": {"Morus": ["bassanus"]}}
    assert "Plantae > Morus" in Taxonomy.from_nested(morus, homonyms="path").names


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": ["b", "b"]}, "under 'a': two children are called 'b'"),
        ({"a": [["b"]]}, "under 'a': a list stands directly in a list"),
        ({"a": {"b": 3}}, "under 'a > b': expected a name, a dictionary or a list, got 3"),
        (5, "at the top: expected a name, a dictionary or a list, got 5"),
        ({"a": {"": None}}, "under 'a': name '' is empty"),
        ({"a": {5: None}}, "under 'a': name 5 is of type int"),
        ([{"id": 1, "children": ["x"]}], "at the top: a node has children but no name"),
        ({"a": {"b": ["a"]}}, "1 names stand at several places: 'a' at 'a', 'a > b > a'"),
        ([], "there are no nodes"),
    ],
)
def test_nested_data_that_is_none(data, message):
    with pytest.raises(ValueError, match=message):
        Taxonomy.from_nested(data)


def test_newick_by_hand():
    expected = Taxonomy.from_edges([("m", "cat"), ("m", "dog"), ("animal", "m"), ("animal", "trout")])
    for text in (
        "((cat,dog)m,trout)animal;",
        " ( (cat:0.1 , dog[&x=(1,2)]:1e-3)m:2,\n trout ) 'animal' ; ",
    ):
        assert Taxonomy.from_newick(text) == expected
    assert expected.to_newick() == "((cat,dog)m,trout)animal;"
    assert Taxonomy.from_newick("((a,b),(c,node2));").names == ("a", "b", "c", "node2", "node3", "node4", "node1")
    odd = Taxonomy.from_newick("('it''s (a)','b, c':1,Homo sapiens,d_e)'[r]';")
    assert odd.names == ("it's (a)", "b, c", "Homo sapiens", "d_e", "[r]")
    assert Taxonomy.from_newick("a;").names == ("a",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(a,b)r", "must end with ';'"),
        ("", "must end with ';'"),
        ("((a,b)r;", "1 brackets are not closed"),
        ("a,b;", "',' outside of brackets at character 1"),
        ("(a,b))r;", r"'\)' outside of brackets at character 5"),
        ("(a,,b)r;", "a leaf without a name before character 3"),
        ("();", "a leaf without a name before character 1"),
        ("(a,b)r;(c);", "goes on after ';' at character 7"),
        ("(a 'b')r;", "two names 'a' and 'b' at character 3"),
        ("(a(b))r;", r"',' is missing before '\(' at character 2"),
        ("(a:,b)r;", "':' without a length before character 3"),
        ("(a,'b)r;", 'unexpected "\'" at character 3'),
        ("(a,a)r;", "1 names stand at several places: 'a'"),
        (5, "Newick must be text, got a int"),
    ],
)
def test_newick_that_is_none(text, message):
    with pytest.raises(ValueError, match=message):
        Taxonomy.from_newick(text)


def test_newick_is_for_trees():
    with pytest.raises(ValueError, match="Newick needs a tree or a forest, but 'c' has 2 parents"):
        Taxonomy.from_edges([("a", "c"), ("b", "c")], ["c"]).to_newick()
    with pytest.raises(ValueError, match="Newick needs one root, but there are 2: build with virtual_root="):
        Taxonomy.from_edges([("a", "c"), ("b", "d")]).to_newick()


NAMES = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="￾￿"), min_size=1).map(str.strip)


@st.composite
def named_trees(draw):
    """Trees with any names that are allowed, leaves in any order."""
    names = draw(st.lists(NAMES.filter(bool), min_size=1, max_size=8, unique=True))
    parents = {name: names[draw(st.integers(0, i - 1))] if i else None for i, name in enumerate(names)}
    leaves = draw(st.permutations(sorted(set(names) - set(parents.values()))))
    return Taxonomy.from_parents(parents, leaves)


@settings(max_examples=50, deadline=None)
@given(named_trees())
def test_round_trips_of_any_names(taxonomy):
    assert Taxonomy.from_newick(taxonomy.to_newick(), taxonomy.leaves) == taxonomy
    assert Taxonomy.from_networkx(taxonomy.to_networkx()) == taxonomy
    assert Taxonomy.from_dict(taxonomy.to_dict()) == taxonomy
    paths = [taxonomy.ancestor_closure.row(leaf)[::-1] for leaf in range(taxonomy.num_leaves)]
    rows = [[taxonomy.names[node] for node in path] for path in paths]
    assert Taxonomy.from_lineages(rows) == taxonomy
