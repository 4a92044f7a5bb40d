"""Files as they come: line ends, marks, encodings, damage of every kind; only `DataError`, with file and line."""

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperdml.errors import DataError
from hyperdml.taxonomy.formats import text
from hyperdml.taxonomy.formats.reading import FORMATS, check_file, read_taxonomy

SAMPLES = {
    "edges.csv": "parent,child\nr,a\nr,b\n",
    "ranks.csv": "order,family,species\nr,f,a\nr,f,b\n",
    "t.json": '{"r":\n ["a", "b"]}\n',
    "t.nwk": "(a,\nb)r;\n",
    "t.obo": "format-version: 1.2\n\n[Term]\nid: 1\nname: r\n\n[Term]\nid: 2\nname: a\nis_a: 1\n\n"
    "[Term]\nid: 3\nname: b\nis_a: 1\n",
    "google.txt": "# Google_Product_Taxonomy_Version: 1\n1 - r\n2 - r > a\n3 - r > b\n",
    "data.noun": "  1 licence\n"
    "00000001 03 n 01 r 0 000 | gloss\n"
    "00000002 03 n 01 a 0 001 @ 00000001 n 0000 | gloss\n"
    "00000003 03 n 01 b 0 001 @ 00000001 n 0000 | gloss\n",
    "t.graphml": '<?xml version="1.0"?>\n<graphml><graph edgedefault="directed">\n<node id="r"/>\n<node id="a"/>\n'
    '<node id="b"/>\n<edge source="r" target="a"/>\n<edge source="r" target="b"/>\n</graph></graphml>\n',
}


@pytest.mark.parametrize("name", SAMPLES)
def test_line_ends_marks_and_encodings(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(SAMPLES[name].encode())
    expected = read_taxonomy(path)
    assert set(expected.leaves) & {"a", "b"}
    for data in (
        SAMPLES[name].replace("\n", "\r\n").encode(),
        SAMPLES[name].encode("utf-8-sig"),
        SAMPLES[name].rstrip("\n").encode(),
    ):
        path.write_bytes(data)
        assert read_taxonomy(path) == expected
    accented = SAMPLES[name].replace("a", "é") if name == "edges.csv" else SAMPLES[name].replace("b", "é")
    path.write_bytes(accented.encode("latin-1"))
    if name != "t.graphml":  # its own header could have said latin-1
        with pytest.raises(DataError, match=f"{name}(, line [0-9]+:| is) not text in UTF-8: .* at byte [0-9]+"):
            read_taxonomy(path)
    path.write_bytes(SAMPLES[name].encode("utf-16"))
    if name != "t.graphml":  # XML says by its mark that it is UTF-16
        with pytest.raises(DataError, match=name):
            read_taxonomy(path)


def read(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    return read_taxonomy(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "e.csv",
            "r,a\nr,a,b\nr,\nr,\x01\n",
            r"e.csv: 3 problems:\n- line 2: expected 2 cells, got 3.*\n- line 3: the child",
        ),
        ("e.csv", "a,b\nb,c\n\nc,a\n", r"cycle of 3 edges: .* \(lines 1, 2, 4\)"),
        ("e.csv", "r,a\na,a\n", r"'a' is given as its own parent \(line 2\)"),
        ("e.csv", 'r,"a\n', "e.csv, line 1: unexpected end of data"),
        ("e.csv", '\n\nr,a\nr,\'b"\nr,"c\n', "e.csv, line 5: unexpected end of data"),
        ("e.csv", "", "e.csv: there are no nodes"),
        ("l.csv", "order,family,species\na,b,c,d\n", "l.csv: line 2: 4 cells, but the header has 3"),
        ("l.csv", "order,family,species\na,b,c\n,,\n", "l.csv: line 3: names nothing"),
        ("l.csv", "order,family,species\na,b,c\x02\n", "l.csv: line 2: name .* holds a control character"),
        ("l.csv", "species,family,order\nx,f,o\ny,f,o\n", "l.csv: columns run from fine to coarse"),
        ("l.csv", "order,family,species\na,b,x\nc,b,y\n", "l.csv: 1 names stand at several places: 'b' at"),
        ("t.json", '{"a": ', "t.json is not JSON: Expecting value"),
        ("t.json", '{"a": 3}', "t.json: under 'a': expected a name, a dictionary or a list, got 3"),
        ("t.json", '{"format": "x", "parents": []}', "t.json: format is 'x', expected 'hyperdml.taxonomy/1'"),
        ("t.json", '{"": "a"}', "t.json: edge 0: name '' is empty"),
        ("t.json", '{"a": "\\ud800"}', "t.json: .* holds a control character"),
        ("t.json", '{"categories": []}', "t.json: it holds no list of categories"),
        ("t.json", "[" * 200000, "t.json is nested too deeply"),
        ("t.nwk", "((a,b)r;", "t.nwk: Newick: 1 brackets are not closed"),
        ("t.obo", "[Term]\nname: a\n", "t.obo: line 1: a term without an id"),
        ("t.obo", "[Term]\nid: 1\n[Term]\nid: 1\n", "t.obo: line 3: id '1' is given twice"),
        ("t.obo", "[Term]\nid: 1\nis_a: 2\n[Term]\nid: 2\nis_a: 1\n", r"cycle of 2 edges: .* \(lines 3, 6\)"),
        ("data.noun", "00000001 03 n 01 a\n", "data.noun: line 1: not a synset of WordNet: '00000001 03 n 01 a'"),
        ("data.noun", "00000001 03 n 01 a 0 002 @ 00000002 n 0000 | x\n", "line 1: not a synset"),
        ("data.noun", "00000001 03 n 01 a 0 001 @ 00000002 n 0000 | x\n", "line 1: 'n00000002' is not a node of this"),
        ("g.txt", "1 - a\n2 - a >  > b\n", "g.txt: line 2: name '' is empty"),
        (
            "t.graphml",
            "<graphml><graph edgedefault='undirected'/></graphml>",
            "t.graphml, line 1: the graph is not dir",
        ),
        ("t.graphml", "<graphml>\n<graph>", "t.graphml, line 2: the graph is not directed"),
        (
            "t.graphml",
            "<graphml>\n<graph edgedefault='directed'>",
            "t.graphml is not GraphML: no element found: line 2",
        ),
        ("t.graphml", "<graphml><graph edgedefault='directed'>\n<node/></graph></graphml>", "line 2: node without id"),
        (
            "t.graphml",
            "<graphml><graph edgedefault='directed'>\n<node id='a'/><edge source='a' target='b'/></graph></graphml>",
            "line 2: 'b' is not a node of this file",
        ),
        (
            "t.graphml",
            "<graphml><graph edgedefault='directed'><node id='a'/>\n<hyperedge/></graph></graphml>",
            "line 2: an edge must lead from one node to another",
        ),
        (
            "t.graphml",
            "<?xml version='1.0' encoding='x-none'?><graphml/>",
            "t.graphml is not GraphML: unknown encoding",
        ),
    ],
)
def test_damage(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, name, content)


def test_entities_are_not_expanded(tmp_path):
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>\n<graphml>&b;</graphml>'
    with pytest.raises(DataError, match=r"t\.graphml, line 1: document types are not read"):
        read(tmp_path, "t.graphml", bomb)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("nodes.dmp", "1\t|\t1\n", r"nodes\.dmp, line 1: 2 cells between '\|', expected 3 or more"),
        ("nodes.dmp", "1\t|\t1\t|\tr\t|\n\nx\t|\t1\t|\tr\t|\n", r"nodes\.dmp, line 3: 'x' is not the id of a taxon"),
        ("nodes.dmp", "1\t|\t1\t|\tr\t|\n1\t|\t1\t|\tr\t|\n", "line 2: taxon 1 stands on line 1 already"),
        ("nodes.dmp", "1\t|\t9\t|\tr\t|\n", r"taxdump: nodes\.dmp, line 1: '9' is not a node of this file"),
        ("names.dmp", "1\t|\ta\t|\n", r"names\.dmp, line 1: 2 cells"),
        ("names.dmp", None, r"cannot read .*names\.dmp"),
    ],
)
def test_damaged_dumps(tmp_path, file, content, message):
    folder = tmp_path / "taxdump"
    folder.mkdir()
    (folder / "nodes.dmp").write_text("1\t|\t1\t|\tno rank\t|\n")
    (folder / "names.dmp").write_text("1\t|\troot\t|\t\t|\tscientific name\t|\n")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(DataError, match=message):
        read_taxonomy(folder)


def test_limits_of_size(tmp_path, monkeypatch):
    path = tmp_path / "edges.csv"
    path.write_text("r,a\nr," + "b" * 100 + "\n")
    monkeypatch.setattr(text, "MAX_LINE", 50)
    with pytest.raises(DataError, match=r"edges.csv, line 2: longer than 50 bytes"):
        read_taxonomy(path)
    monkeypatch.setattr(text, "MAX_STREAMED", 60)
    with pytest.raises(DataError, match=r"edges.csv holds 107 bytes; at most 60 are read"):
        read_taxonomy(path)
    monkeypatch.setattr(text, "MAX_WHOLE", 5)
    with pytest.raises(DataError, match=r"t.nwk holds 7 bytes; at most 5 are read"):
        read(tmp_path, "t.nwk", "(a,b)r;")


def test_all_problems_of_a_file_are_found_at_once(tmp_path):
    path = tmp_path / "edges.csv"
    path.write_text("r,a\nr,b\nr,a\nr,x,y\nc,d\nd,c\ne,e\nf,A\n")
    found = [(finding.severity, finding.message) for finding in check_file(path)]
    assert [severity for severity, _ in found] == ["error"] * 3 + ["warning"] * 3 + ["info"] * 2
    assert found[0][1] == "line 4: expected 2 cells, got 3: ['r', 'x', 'y']"
    assert found[1][1] == "'e' is given as its own parent (line 7)"
    assert found[2][1] == "cycle of 2 edges: d -> c -> d (lines 5, 6)"
    assert ("warning", "edges given more than once, counted once: 'r -> a' (lines 1, 3)") in found
    assert ("warning", "nodes with neither parent nor child: 'e'") in found
    assert ("warning", "names that differ only in case or spaces: 'a', 'A'") in found


def test_homonyms_do_not_hide_what_else_is_wrong(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("order,family,species\na,b,x\nc,b,y\na,b,x,z\n")
    messages = [finding.message for finding in check_file(path) if finding.severity == "error"]
    assert any(message.startswith("1 names stand at several places") for message in messages)
    assert "line 4: 4 cells, but the header has 3" in messages


ALPHABET = string.ascii_lowercase[:4] + "AB12 \t\n\r,;:>|<&'\"()[]{}@#!-_=/.\\é\ufeff\x00\x85\u2028"
WORDS = """[Term]|id: a|is_a: a|is_obsolete: true|1 - |{"a": |null|}|]|<graph edgedefault='directed'>|<node id='a'/>
</graph>|parent,child|order,family|00000001 03 n 01 a 0 |001 @ 00000001 n 0000|"categories": [|"name": "a"
"children": [|"id": 1,"""
PIECES = st.one_of(
    st.text(st.sampled_from(ALPHABET), max_size=12),
    st.text(max_size=8),
    st.sampled_from(["\n", "\t|\t", " > ", *WORDS.replace("\n", "|").split("|")]),
)


def problem_of(path, format):
    """What is wrong with a file; any other exception than `DataError` is one of the test."""
    try:
        read_taxonomy(path, format)
    except DataError as error:
        return str(error)
    return None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(PIECES, max_size=12).map("".join), st.sampled_from([*SAMPLES, "none"]), st.sampled_from([None, *FORMATS])
)
def test_any_text_is_a_taxonomy_or_a_data_error(tmp_path, content, name, format):
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    problem = problem_of(path, format)
    if problem is None:
        assert not [finding for finding in check_file(path, format) if finding.severity == "error"]
    else:
        assert str(tmp_path) in problem


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_damaged_samples_are_a_taxonomy_or_a_data_error(tmp_path, name, data):
    content = bytearray(SAMPLES[name].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not content:
            break
    path = Path(tmp_path) / name
    path.write_bytes(content)
    problem = problem_of(path, None)
    assert problem is None or name in problem
