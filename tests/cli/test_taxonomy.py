"""taxonomy show, check and convert, in one process."""

import json

import pytest
from cyclopts import App, CycloptsError

from hyperdml.cli.taxonomy import check_taxonomy, convert_taxonomy, show_taxonomy
from hyperdml.errors import ConfigError, DataError
from hyperdml.taxonomy import Taxonomy
from hyperdml.taxonomy.formats.reading import FORMATS

TREE = Taxonomy.from_nested({"animal": {"bird": ["wren", "finch"], "trout": None}})
EDGES = "parent,child\nbird,wren\nbird,finch\nanimal,bird\nanimal,trout\n"


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs words in a temporary folder with `birds.csv`, and returns what was printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "birds.csv").write_text(EDGES)
    app = App(name="taxonomy", result_action="return_none")
    for name, function in (("show", show_taxonomy), ("check", check_taxonomy), ("convert", convert_taxonomy)):
        app.command(function, name=name)

    def call(*words, raises=None, match=None):
        if raises is None:
            app([str(word) for word in words], exit_on_error=False, print_error=False)
        else:
            with pytest.raises(raises, match=match):
                app([str(word) for word in words], exit_on_error=False, print_error=False)
        return capsys.readouterr()

    return call


def test_show(command):
    out = command("show", "birds.csv").out
    assert out.startswith(TREE.show() + "\n\ntree       5 nodes, 3 leaves, 1 roots, depth 2\n")
    assert "bird (2 leaves), 2 children not shown" in command("show", "birds.csv", "--depth", 1).out
    assert "... 1 more" in command("show", "birds.csv", "--children", 1).out
    record = json.loads(command("show", "birds.csv", "--json").out)
    assert record["hash"] == Taxonomy.from_edges_csv("birds.csv").hash
    assert (record["nodes"], record["leaves"], record["nodes_by_level"]) == (5, 3, [1, 2, 2])
    command("show", "birds.csv", "--depth", -1, raises=ConfigError, match="--depth must be 0 or more, got -1")


def test_show_what_the_package_holds(command):
    out = command("show", "cifar100", "--root", "things", "--depth", 1).out
    assert out.startswith("things (100 leaves)\n├── ")
    assert "aquatic_mammals (5 leaves), 5 children not shown" in out
    record = json.loads(command("show", "emoji", "--json").out)
    assert (record["leaves"], record["roots"], record["depth"]) == (1068, 1, 3)
    command("show", "cifar100", "--ids", raises=ConfigError, match="cifar100 is not a file; it takes no options")
    command("show", "cifar10", raises=DataError, match="cannot read cifar10: No such file")


def test_large_trees_are_cut_in_width(command, tmp_path):
    (tmp_path / "wide.csv").write_text("".join(f"r,n{i}\n" for i in range(400)))
    assert command("show", "wide.csv").out.count("\n├──") == 10
    assert "... 390 more" in command("show", "wide.csv").out
    assert "n399" in command("show", "wide.csv", "--children", 400).out


def test_names_cannot_command_the_terminal(command, tmp_path):
    (tmp_path / "t.csv").write_text("r,a\u202eb\n", encoding="utf-8")
    assert "a\\u202eb" in command("show", "t.csv").out


def test_check(command, tmp_path):
    assert command("check", "birds.csv").out == "birds.csv: read as edges, 5 nodes, 4 edges\nnothing found\n"
    (tmp_path / "warn.csv").write_text("r,a\nr,A\nr,a\n")
    out = command("check", "warn.csv").out
    assert "warning: edges given more than once, counted once: 'r -> a' (lines 1, 3)" in out
    (tmp_path / "bad.csv").write_text("r,a\na,r\nx\ny,y\n")
    found = command("check", "bad.csv", raises=DataError, match=r"bad.csv is not a taxonomy: 3 errors")
    lines = found.out.splitlines()
    assert lines[1] == "error: line 3: expected 2 cells, got 1: ['x']"
    assert "error: 'y' is given as its own parent (line 4)" in lines
    assert "error: cycle of 2 edges: a -> r -> a (lines 1, 2)" in lines
    found = command("check", "bad.csv", "--json", raises=DataError)
    record = json.loads(found.out)
    assert (record["format"], record["errors"]) == ("edges", 3)
    assert {"severity", "kind", "message"} == set(record["findings"][0])
    assert DataError.exit_code == 3


@pytest.mark.parametrize("suffix", [".json", ".csv", ".nwk", ".graphml"])
def test_convert(command, tmp_path, suffix):
    out = command("convert", "birds.csv", f"out{suffix}").out
    assert out == f"5 nodes, 3 of them leaves, written to out{suffix}\n"
    command("convert", f"out{suffix}", "back.json")
    assert Taxonomy.from_json(tmp_path / "back.json") == TREE


def test_convert_a_dag_through_what_can_hold_it(command, tmp_path):
    dag = Taxonomy.from_edges([("p", "a"), ("p", "b"), ("q", "b"), ("q", "c, d"), (None, "e")], ["b", "e", "c, d", "a"])
    dag.to_json(tmp_path / "dag.json")
    for step, (one, other) in enumerate(
        (("dag.json", "dag.csv"), ("dag.csv", "dag.graphml"), ("dag.graphml", "x.json"))
    ):
        record = json.loads(command("convert", one, other, "--json").out)
        assert record["hash"] == dag.hash, step
    command("convert", "dag.json", "dag.nwk", raises=ConfigError, match=r"dag.nwk: Newick needs a tree or a forest")
    assert not (tmp_path / "dag.nwk").exists()


def test_convert_with_options(command, tmp_path):
    (tmp_path / "classes.txt").write_text("finch\n\nwren\n")
    command("convert", "birds.csv", "out.json", "--classes", "classes.txt", "--collapse")
    part = Taxonomy.from_json(tmp_path / "out.json")
    assert part.names == ("finch", "wren", "bird")
    assert part.collapsed == {"animal": "bird"}
    (tmp_path / "names.csv").write_text("order,family,species\na,b,x\nc,b,y\n")
    command("convert", "names.csv", "out.json", raises=DataError, match="'b' at 'a > b', 'c > b'")
    command("convert", "names.csv", "out.json", "--homonyms", "path", "--root", "top")
    assert Taxonomy.from_json(tmp_path / "out.json").names == ("x", "y", "a > b", "c > b", "a", "c", "top")


def test_notes_of_the_reader_go_to_standard_error(command, tmp_path):
    (tmp_path / "t.obo").write_text("[Term]\nid: 1\nis_a: 2\n")
    found = command("convert", "t.obo", "t.csv")
    assert found.err == "warning: 1 terms that is_a lines name are not in the file: '2'\n"
    assert json.loads(command("convert", "t.obo", "t.csv", "--json").out)["nodes"] == 2


def test_usage(command, tmp_path):
    command(
        "convert", "birds.csv", "out.xml", raises=ConfigError, match=r"out.xml must end in .json, .csv, .nwk, .graphml"
    )
    command("convert", "birds.csv", "none/out.csv", raises=ConfigError, match="there is no folder none")
    command("show", "birds.csv", "--format", "xml", raises=ConfigError, match="format must be one of json")
    command("show", "birds.csv", "--ids", raises=ConfigError, match="names='ids' is for obo")
    command("show", "birds.csv", "--homonyms", "no", raises=CycloptsError)
    command("show", "birds.csv", "--classes", "none.txt", raises=DataError, match=r"cannot read none.txt")
    (tmp_path / "empty").mkdir()
    command("show", "empty", raises=DataError, match="empty holds none of the files by which a folder is known")


def test_the_help_names_every_format():
    from hyperdml.cli.taxonomy import TaxonomyFile

    assert all(name in TaxonomyFile.__doc__ for name in FORMATS)
