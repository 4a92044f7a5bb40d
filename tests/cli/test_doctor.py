"""`hyperdml doctor`: lines, JSON, exit codes."""

import json

import pytest
from cli.commands import run

from hyperdml.training.doctor import checks
from hyperdml.training.doctor.finding import Finding


@pytest.fixture
def findings(monkeypatch):
    """What the checks find."""
    found = [Finding("ok", "GPU", "none")]
    monkeypatch.setattr(checks, "all_findings", lambda roots: iter(found))
    return found


def test_lines_and_advice(findings, tmp_path):
    assert run("doctor", cwd=tmp_path) == (0, "ok       GPU: none\n", "")
    findings.append(Finding("warning", "disk, here", "2.0 GiB free", "make room"))
    code, out, _ = run("doctor", cwd=tmp_path)
    assert code == 0
    assert "warning  disk, here: 2.0 GiB free\n         -> make room\n" in out


def test_a_problem_has_exit_code_five(findings, tmp_path):
    findings.append(Finding("problem", "FAISS", "it is broken", "reinstall it"))
    code, out, err = run("doctor", cwd=tmp_path)
    assert code == 5
    assert "problem  FAISS: it is broken" in out
    assert err == "hyperdml: error: 1 problem was found\n"
    code, out, err = run("doctor", "--json", cwd=tmp_path)
    assert (code, json.loads(out)["problems"]) == (5, 1)
    assert json.loads(out)["findings"][1] == {
        "level": "problem",
        "about": "FAISS",
        "text": "it is broken",
        "advice": "reinstall it",
    }


def test_a_data_set_without_a_root_is_a_usage_error(tmp_path):
    code, _, err = run("doctor", "--data", "cub", cwd=tmp_path)
    assert code == 2
    assert "--data 'cub' is not of the form NAME=ROOT" in err


def test_this_machine(tmp_path):
    """Everything for real, once; which problems there are is the machine's affair."""
    code, out, err = run("doctor", "--json", "--data", f"cub={tmp_path}", cwd=tmp_path)
    record = json.loads(out)
    about = [finding["about"] for finding in record["findings"]]
    assert {"hyperdml", "packages", "geometry, float64 on cpu", "workers", "data, emoji", "data, cub"} <= set(about)
    assert any(name.startswith("FAISS") for name in about)
    assert code == 5  # there is no CUB there
    assert f"{record['problems']} problem" in err
