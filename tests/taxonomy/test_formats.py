"""Every file format by hand-written samples: what is read, under which names, in which order."""

import json

import numpy as np
import pytest

from hyperdml.errors import DataError
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.formats.reading import FORMATS, check_file, read_taxonomy
from hyperdml.taxonomy.formats.recognise import recognise

OBO = """format-version: 1.4
ontology: toy

[Term]
id: T:1
name: cell
def: "a: b ! c" [X:1]

[Term]
id: T:2
name: white \\: blood ! a comment
alt_id: T:20
is_a: T:1 ! cell
relationship: part_of T:9 ! ignored

[Term]
id: T:3
name: red
is_a: T:1 {source="x"} ! cell

[Term]
id: T:4
name: lymphocyte
is_a: T:20 ! by its other id
is_a: T:3

[Term]
id: T:5
name: old
is_a: T:1
is_obsolete: true

[Term]
id: T:6
name: red
is_a: T:5 ! obsolete
is_a: X:7 ! of another file

[Typedef]
id: part_of
name: part of
is_a: T:1
"""

LICENCE = "  1 This software and database is being provided to you  \n  2 under a licence > of ours  \n"
WORDNET = f"""{LICENCE}00000010 03 n 01 entity 0 002 ~ 00000020 n 0000 ~ 00000030 n 0000 | that which is
00000020 03 n 02 living_thing 0 animate_thing 0 001 @ 00000010 n 0000 | alive
00000030 03 n 01 seal 0 002 @ 00000010 n 0000 + 00000030 v 0101 | a stamp | with a bar
00000040 03 n 01 seal 2 001 @ 00000020 n 0000 | an animal
00000050 03 n 0a a 0 b 0 c 0 d 0 e 0 f 0 g 0 h 0 i 0 j 0 002 @i 00000040 n 0000 @ 00000030 n 0000 | ten words
"""

GOOGLE = """# Google_Product_Taxonomy_Version: 2021-09-21
1 - Animals & Pet Supplies
3237 - Animals & Pet Supplies > Live Animals
2 - Animals & Pet Supplies > Pet Supplies
3 - Animals & Pet Supplies > Pet Supplies > Bird Supplies > Toys
166 - Apparel - Accessories
1604 - Apparel - Accessories > Toys
"""

NODES = {
    1: (1, "no rank"),
    2: (1, "genus"),
    30: (2, "species"),
    31: (2, "species"),
    4: (1, "genus"),
    40: (4, "species"),
}
NAMES = [
    (1, "all", "synonym"),
    (1, "root", "scientific name"),
    (2, "Morus", "scientific name"),
    (30, "Morus alba", "scientific name"),
    (30, "white mulberry", "genbank common name"),
    (31, "Morus nigra", "scientific name"),
    (4, "Morus", "scientific name"),
    (40, "Morus bassanus", "scientific name"),
]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def dump(tmp_path):
    folder = tmp_path / "taxdump"
    folder.mkdir()
    write(folder / "nodes.dmp", "".join(f"{n}\t|\t{up}\t|\t{rank}\t|\t\t|\n" for n, (up, rank) in NODES.items()))
    write(folder / "names.dmp", "".join(f"{n}\t|\t{name}\t|\t\t|\t{kind}\t|\n" for n, name, kind in NAMES))
    return folder


def edges(taxonomy):
    return set(taxonomy.to_networkx().edges)


def messages(findings, severity):
    return [finding.message for finding in findings if finding.severity == severity]


def test_obo(tmp_path):
    path = write(tmp_path / "toy.obo", OBO)
    taxonomy = read_taxonomy(path)
    # of the two called red the single leaf keeps the name
    assert taxonomy.leaves == ("lymphocyte", "red")
    assert edges(taxonomy) == {
        ("cell", "white : blood"),
        ("cell", "red (T:3)"),
        ("white : blood", "lymphocyte"),
        ("red (T:3)", "lymphocyte"),
        ("X:7", "red"),
    }
    assert read_taxonomy(path, names="ids").leaves == ("T:4", "T:6")
    findings = check_file(path)
    assert messages(findings, "error") == []
    line = OBO.splitlines().index("is_a: T:5 ! obsolete") + 1
    left_out = f"is_a lines to obsolete terms are left out: 'T:6 is_a T:5 (line {line})'"
    assert left_out in messages(findings, "warning")
    assert "1 terms that is_a lines name are not in the file: 'X:7'" in messages(findings, "warning")
    assert "1 obsolete terms are left out: 'T:5'" in messages(findings, "info")


def test_wordnet(tmp_path):
    path = write(tmp_path / "data.noun", WORDNET)
    taxonomy = read_taxonomy(path)
    assert taxonomy.leaves == ("a",)
    seal = {"seal (n00000030)", "seal (n00000040)"}
    assert set(taxonomy.names) == {"entity", "living thing", "a"} | seal
    assert edges(taxonomy) == {
        ("entity", "living thing"),
        ("entity", "seal (n00000030)"),
        ("living thing", "seal (n00000040)"),
        ("seal (n00000040)", "a"),
        ("seal (n00000030)", "a"),
    }
    dictionary = tmp_path / "wordnet" / "dict"
    dictionary.mkdir(parents=True)
    write(dictionary / "data.noun", WORDNET)
    assert read_taxonomy(tmp_path / "wordnet") == taxonomy
    assert read_taxonomy(write(tmp_path / "nouns.txt", WORDNET)) == taxonomy
    assert read_taxonomy(path, names="ids").leaves == ("n00000050",)


def test_is_a_lists(tmp_path):
    taxonomy = read_taxonomy(write(tmp_path / "wordnet.is_a.txt", "n01 n02\nn01 n03\n\nn02  n03\n"))
    assert edges(taxonomy) == {("n01", "n02"), ("n01", "n03"), ("n02", "n03")}


def test_ncbi(dump):
    taxonomy = read_taxonomy(dump)
    assert taxonomy.leaves == ("Morus alba", "Morus nigra", "Morus bassanus")
    assert edges(taxonomy) == {
        ("root", "Morus (2)"),
        ("root", "Morus (4)"),
        ("Morus (2)", "Morus alba"),
        ("Morus (2)", "Morus nigra"),
        ("Morus (4)", "Morus bassanus"),
    }
    assert read_taxonomy(dump / "nodes.dmp") == taxonomy
    assert read_taxonomy(dump / "names.dmp") == taxonomy


def test_ncbi_of_some_classes(dump):
    some = read_taxonomy(dump, classes=["Morus nigra", "40"])
    assert some.leaves == ("Morus nigra", "Morus bassanus")
    assert set(some.names) == {"root", "Morus (2)", "Morus (4)", *some.leaves}
    # with one genus left the name is its own
    assert read_taxonomy(dump, classes=["31"]).names == ("Morus nigra", "Morus", "root")
    assert read_taxonomy(dump, classes=["31"], names="ids").names == ("31", "2", "1")
    with pytest.raises(DataError, match=r"1 of 1 classes are not clear:\n- 'Morus' means 'Morus \(2\)', 'Morus \(4\)'"):
        read_taxonomy(dump, classes=["Morus"])
    with pytest.raises(DataError, match="'white mulberry' is not in the file"):
        read_taxonomy(dump, classes=["white mulberry", "31"])


def test_a_taxon_without_a_scientific_name(dump):
    write(dump / "names.dmp", "1\t|\troot\t|\t\t|\tscientific name\t|\n")
    message = "5 taxa have no scientific name and are called by their ids: 2, 30, 31, 4, 40"
    assert message in messages(check_file(dump), "warning")
    assert read_taxonomy(dump).names[-1] == "root"


def test_google(tmp_path):
    path = write(tmp_path / "taxonomy-with-ids.en-US.txt", GOOGLE)
    taxonomy = read_taxonomy(path)
    pets = "Animals & Pet Supplies"
    toys = (f"{pets} > Pet Supplies > Bird Supplies > Toys", "Apparel - Accessories > Toys")
    assert taxonomy.leaves == ("Live Animals", *toys)
    assert ("Bird Supplies", toys[0]) in edges(taxonomy)
    without = "".join(line.partition(" - ")[2] + "\n" for line in GOOGLE.splitlines()[1:])
    assert read_taxonomy(write(tmp_path / "taxonomy.txt", without)) == taxonomy
    some = read_taxonomy(path, classes=["1604", "Live Animals", toys[0]])
    assert some.leaves == (toys[1], "Live Animals", toys[0])
    with pytest.raises(DataError, match="1 categories have no id: 'Bird Supplies'"):
        read_taxonomy(path, names="ids")
    write(path, "1 - A\n2 - A > B\n3 - C\n2 - A > B\n")
    assert read_taxonomy(path, names="ids", classes=["A > B", "3"]).names == ("2", "3", "1")
    assert "categories that stand twice: 'A > B (line 4)'" in messages(check_file(path), "warning")
    with pytest.raises(DataError, match="1 names stand at several places"):
        read_taxonomy(write(path, GOOGLE), homonyms="error")


def test_lineage_tables(tmp_path):
    path = write(tmp_path / "birds.csv", 'order,family,species\nA,F,wren\nA,,"finch, green"\nB\n')
    expected = Taxonomy.from_lineages([("A", "F", "wren"), ("A", "finch, green"), ("B",)])
    assert read_taxonomy(path) == expected
    assert read_taxonomy(write(path, "Family\tSpecies\nF\twren\nF\tfinch\n")).leaves == ("wren", "finch")
    # without a header that names ranks, two columns are edges
    assert read_taxonomy(write(path, "F,wren\nF,finch\n")).names == ("wren", "finch", "F")
    assert read_taxonomy(write(path, "a;b\nF;wren\nF;finch\n"), "lineages").names == ("wren", "finch", "F")
    homonyms = write(path, "order,family,species\nA,F,x\nB,F,y\n")
    assert "A > F" in read_taxonomy(homonyms, homonyms="path").names
    assert "family: F" in read_taxonomy(write(path, "order,family,species\nF,F,x\n"), homonyms="level").names


def test_json_kinds(tmp_path):
    path = tmp_path / "t.json"
    expected = Taxonomy.from_edges([("bird", "wren"), ("bird", "finch"), ("animal", "bird"), ("animal", "trout")])
    for data in (
        {"animal": {"bird": ["wren", "finch"], "trout": None}},
        [{"name": "animal", "children": [{"name": "bird", "children": ["wren", "finch"]}, "trout"]}],
        [{"id": 1, "name": "animal", "children": [{"name": "bird", "children": ["wren", "finch"]}, "trout"]}],
        {"wren": "bird", "finch": "bird", "trout": "animal", "bird": "animal", "animal": None},
        expected.to_dict(),
    ):
        write(path, json.dumps(data))
        assert read_taxonomy(path) == expected
        path.rename(tmp_path / "without_ending")
        assert read_taxonomy(tmp_path / "without_ending") == expected
    assert read_taxonomy(write(path, '{"name": "a", "children": "b"}')).names == ("b", "a")


def test_our_json_keeps_what_was_collapsed(tmp_path):
    path = tmp_path / "t.json"
    chain = Taxonomy.from_edges([("r", "s"), ("s", "t"), ("t", "a"), ("t", "b"), ("b", "x"), ("b", "y")])
    collapsed = Taxonomy.from_networkx(chain.to_networkx(), unary="collapse")
    collapsed.to_json(path)
    read = read_taxonomy(path)
    assert read == collapsed
    assert read.collapsed == {"r": "t", "s": "t"}
    # t has a single child once a is gone: what stood for it stands for b now
    part = read_taxonomy(path, classes=["x", "y"], unary="collapse")
    assert part.names == ("x", "y", "b")
    assert part.collapsed == {"r": "b", "s": "b", "t": "b"}


def test_newick_and_graphml(tmp_path):
    expected = Taxonomy.from_nested({"animal": {"bird": ["wren", "finch"], "trout": None}})
    newick = expected.to_newick() + "\n"
    assert read_taxonomy(write(tmp_path / "t.nwk", newick)) == expected
    assert read_taxonomy(write(tmp_path / "t.txt", newick)) == expected
    dag = Taxonomy.from_edges(
        [("r", "A"), ("r", "B"), ("A", '<ü&"> x'), ("B", '<ü&"> x'), ("B", "b")], ["b", '<ü&"> x']
    )
    dag.to_graphml(tmp_path / "t.graphml")
    assert read_taxonomy(tmp_path / "t.graphml") == dag
    (tmp_path / "t.graphml").rename(tmp_path / "graph")
    assert read_taxonomy(tmp_path / "graph") == dag


def test_classes_of_any_format(tmp_path):
    path = write(tmp_path / "edges.csv", "parent,child\nr,A\nr,B\nA,x\nB,x\nB,y\nB,z\n")
    part = read_taxonomy(path, classes=["z ", "x"])
    assert part == Taxonomy.from_edges([("r", "A"), ("r", "B"), ("A", "x"), ("B", "x"), ("B", "z")], ["z", "x"])
    with pytest.raises(DataError, match=r"2 of 3 classes are not clear:\n- 'X' is not in the file, did you mean 'x'"):
        read_taxonomy(path, classes=["X", "y", "nothing"])
    with pytest.raises(DataError, match="given as leaves, but they have children: 'B'"):
        read_taxonomy(path, classes=["B", "y"])
    with pytest.raises(DataError, match="given twice as leaves: 'y'"):
        read_taxonomy(path, classes=["y", "y"])


def test_options_of_the_roots_and_chains(tmp_path):
    path = write(tmp_path / "edges.csv", "a,b\nc,d\nc,e\n")
    assert read_taxonomy(path, virtual_root="top", unary="collapse").names == ("b", "d", "e", "c", "top")
    with pytest.raises(ValueError, match="unary must be 'keep' or 'collapse', got 'drop'"):
        read_taxonomy(path, unary="drop")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xml"}, "format must be one of json, nested, .*got 'xml'"),
        ({"names": "both"}, "names must be 'names' or 'ids', got 'both'"),
        ({"homonyms": "x"}, "homonyms must be one of 'error', 'path', 'level', got 'x'"),
        ({"names": "ids"}, "names='ids' is for obo, .*edges.csv was read as edges"),
        ({"homonyms": "path"}, "homonyms= is for lineages, .*edges.csv was read as edges"),
        ({"classes": "abc"}, "leaves must be a list of names, got the string 'abc'"),
    ],
)
def test_options_that_are_not_valid(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        read_taxonomy(write(tmp_path / "edges.csv", "a,b\n"), **options)


def test_every_format_is_documented_and_none_is_recognised_that_is_not_there(tmp_path):
    assert all(name in read_taxonomy.__doc__ for name in FORMATS)
    with pytest.raises(DataError, match=r"holds none of the files by which a folder is known: nodes.dmp \(ncbi\)"):
        recognise(tmp_path)
    with pytest.raises(DataError, match=r"cannot read .*none: No such file"):
        recognise(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("edges.csv", 100_000),
        ("t.obo", 25_000),
        ("data.noun", 50_000),
        ("google.txt", 30_000),
        ("t.graphml", 50_000),
        ("nodes.dmp", 50_000),
    ],
)
def test_a_hundred_thousand_lines(tmp_path, name, count):
    # a random tree as pairs of numbers, parents first
    rng = np.random.default_rng(0)
    pairs = [(int(rng.integers(child // 3, child)), child) for child in range(1, count)]
    path = tmp_path / name
    if name == "edges.csv":
        text = "".join(f"n{a},n{b}\n" for a, b in pairs)
    elif name == "t.obo":
        text = "[Term]\nid: 0\nname: n0\n" + "".join(f"[Term]\nid: {b}\nname: n{b}\nis_a: {a} ! n\n" for a, b in pairs)
    elif name == "data.noun":
        line = "{:08d} 03 n 01 n{} 0 001 @ {:08d} n 0000 | gloss\n"
        text = "00000000 03 n 01 n0 0 000 | gloss\n" + "".join(line.format(b, b, a) for a, b in pairs)
    elif name == "google.txt":
        paths = {0: "n0"}
        paths.update((b, f"{paths[a]} > n{b}") for a, b in pairs)
        text = "".join(f"{node + 1} - {words}\n" for node, words in paths.items())
    elif name == "t.graphml":
        text = '<graphml><graph edgedefault="directed">' + "".join(f'<node id="n{b}"/>\n' for b in range(count))
        text += "".join(f'<edge source="n{a}" target="n{b}"/>\n' for a, b in pairs) + "</graph></graphml>"
    else:
        text = "0\t|\t0\t|\tno rank\t|\n" + "".join(f"{b}\t|\t{a}\t|\trank\t|\n" for a, b in pairs)
        write(tmp_path / "names.dmp", "".join(f"{b}\t|\tn{b}\t|\t\t|\tscientific name\t|\n" for b in range(count)))
    write(path, text)
    taxonomy = read_taxonomy(path)
    assert len(taxonomy) == count
    child = taxonomy.node_index(f"n{count - 1}")
    assert taxonomy.names[taxonomy.parent[child]] == f"n{pairs[-1][0]}"
