"""`hyperdml report` on finished runs: the page anew, the record on its own, runs of earlier versions."""

import json

import pytest
from cli.commands import run
from training.classify_case import config as classify_config

from hyperdml.training.classify.result import ClassifyResult
from hyperdml.training.folder import create_run
from hyperdml.training.records import Row, write_record

FIGURES = {"top1": 0.5, "top5": 0.75, "accuracy/emoji": 0.5, "hF1": 0.7, "nll": float("nan")}


@pytest.fixture
def folder(tmp_path):
    create_run(classify_config(), tmp_path / "run")
    rows = (Row("cross-entropy", FIGURES, 1.0), Row("HACE 0.5", {**FIGURES, "top1": 0.525}, 1.0))
    write_record(tmp_path / "run" / "results.json", ClassifyResult(rows, 40, 120, 137, "test"))
    (tmp_path / "run" / "report.md").write_text("of an earlier version")
    return tmp_path


def test_the_page_is_written_beside_the_tables(folder):
    code, out, err = run("report", "run", cwd=folder)
    assert code == 0, err
    assert "HACE 0.5" in out
    assert "written to run: report.html" in out
    page = (folder / "run" / "report.html").read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert ">HACE 0.5</th>" in page
    assert (folder / "run" / "report.md").read_text() == "of an earlier version"


def test_resuming_a_finished_run_of_an_earlier_version_adds_the_page(folder):
    code, _, err = run("resume", "run", cwd=folder)
    assert code == 0, err
    assert (folder / "run" / "report.html").is_file()
    before = (folder / "run" / "report.html").stat().st_mtime_ns
    assert run("resume", "run", cwd=folder)[0] == 0
    assert (folder / "run" / "report.html").stat().st_mtime_ns == before


def test_json_is_one_object_and_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    code, out, err = run("report", "run", "--json", cwd=folder)
    assert code == 0, err
    record = json.loads(out)
    assert record["rows"][1]["figures"]["top1"] == 0.525
    assert record["rows"][1]["figures"]["nll"] is None  # JSON has no NaN
    assert record["config"]["task"] == "classification"
    assert sorted(folder.rglob("*")) == before


def test_a_run_that_is_not_finished_has_no_report(folder):
    (folder / "run" / "results.json").unlink()
    code, _, err = run("report", "run", cwd=folder)
    assert code == 3
    assert "run is not finished: results.json is missing; go on with: hyperdml resume run" in err
    assert not (folder / "run" / "report.html").exists()
