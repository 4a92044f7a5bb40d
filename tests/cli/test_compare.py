"""`hyperdml compare` as a user meets it: tables, files, exit codes, interruption."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from hyperdml.cli.app import run

SMALL = [
    "data.subset=tiny",
    "data.image_size=32",
    "model.backbone=test_efficientnet",
    "model.weights=none",
    "model.head.embedding_size=16",
    "batch.size=24",
    "hier.levels=[2,6]",
    "hier.per_anchor=6",
    "hier.warmup=1",
    "evaluation.draws=2",
    "evaluation.every=0",
    "optim.views=1",
    "checkpoint_every=10",
]
ARMS = ["quickstart:hier.weight=0", "quickstart"]


@pytest.fixture
def hyperdml(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder; returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words):
        code = run([str(word) for word in words])
        return code, *capsys.readouterr()

    return call


def test_compare_prints_writes_and_goes_on(hyperdml, tmp_path):
    words = ["compare", *ARMS, *SMALL, "optim.steps=3"]
    code, out, err = hyperdml(*words, "--seeds", "1", "--keep", "kept", "--markdown", "table.md")
    assert code == 0, err
    assert [line for line in err.splitlines() if line.startswith("run ")] == [
        "run 1 of 2: quickstart hier.weight=0, seed 0",
        "run 2 of 2: quickstart, seed 0",
    ]
    lines = out.splitlines()
    assert lines[0] == "R@1, % (higher is better)"
    assert lines[1].startswith("arm ")
    assert [line.split("  ")[0] for line in lines[2:4]] == ["quickstart hier.weight=0", "quickstart"]
    assert "one seed: no spread and no interval" in out
    assert "| quickstart hier.weight=0 | 1 |" in (tmp_path / "table.md").read_text()
    kept = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "kept").iterdir())
    assert kept == ["quickstart-hier.weight=0-seed-0", "quickstart-seed-0"]
    assert not list((tmp_path / "runs").glob("*.runs"))

    code, out, err = hyperdml(*words, "--seeds", "2", "--json", "--metric", "MAP@R", "--baseline", "quickstart")
    assert code == 0, err
    assert "2 of 4 runs are in runs/compare.jsonl" in err
    record = json.loads(out)
    assert (record["baseline"], record["seeds"], list(record["figures"])) == ("quickstart", [0, 1], ["MAP@R"])
    plain, hier = record["figures"]["MAP@R"]["arms"]
    assert (plain["difference"]["n"], hier["difference"]) == (2, None)
    assert plain["spread"]["mean"] - hier["spread"]["mean"] == pytest.approx(plain["difference"]["mean"])
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [".compare.jsonl.lock", "compare.jsonl"]

    (code, out, err), before = hyperdml(*words, "--seeds", "2", "--metric", "R@3"), len(kept)
    assert code == 2
    assert "no run has a figure 'R@3'; there are: R@1, R@2" in err
    code, out, err = hyperdml(*words, "optim.lr=1", "--seeds", "2")
    assert code == 2
    assert "has runs of 'quickstart hier.weight=0' under other settings: optim.lr" in err
    assert len((tmp_path / "runs" / "compare.jsonl").read_text().splitlines()) == 4
    assert len(list((tmp_path / "kept").iterdir())) == before


def test_a_diverged_arm_does_not_end_the_comparison(hyperdml):
    broken = "quickstart:hier.weight=0,optim.lr=1e30,optim.clip_value=null"
    code, out, err = hyperdml("compare", ARMS[0], broken, *SMALL, "optim.steps=5", "--seeds", "1")
    assert code == 0, err
    assert "DIVERGED: the " in err
    assert "optim.clip_value=null DIVERGED in 1 of 1 runs (first: seed 0: the " in out
    row = next(line for line in out.splitlines() if line.startswith("quickstart hier.weight=0 optim.lr=1e30"))
    assert row.split()[4:] == ["0", "of", "1", "-", "-", "-", "-", "0", "of", "0", *row.split()[-1:]]


CLASSIFY = """\
task: classification
data: {name: emoji, subset: tiny, image_size: 32}
model: {backbone: test_efficientnet, weights: none}
optim: {epochs: 1, batch_size: 64, freeze_backbone: true}
"""


def test_classification_over_held_out_drawing_families(hyperdml, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "ce.yaml").write_text(f"{CLASSIFY}loss: {{name: cross_entropy}}\n")
    (tmp_path / "hace.yaml").write_text(f"{CLASSIFY}loss: {{name: hace, dilution: 0.5}}\n")
    pair = ["--pair", "data.held_out=noto,twemoji"]
    code, out, err = hyperdml("compare", "ce.yaml", "hace.yaml", "hace.yaml:loss.dilution=0.2", "--seeds", "1", *pair)
    assert code == 0, err
    for title in ("top1, % (higher is better)", "mistake_severity (lower is better)", "hF1 by data.held_out: "):
        assert title in out
    lines = [json.loads(line) for line in (tmp_path / "runs" / "compare.jsonl").read_text().splitlines()]
    assert [(line["arm"], line["unit"]["data.held_out"]) for line in lines] == [
        (arm, family) for family in ("noto", "twemoji") for arm in ("ce", "hace", "hace loss.dilution=0.2")
    ]
    assert len({line["figures"]["nll"] for line in lines}) == 6
    assert all(line["config"]["evaluation"]["controls"] == [] for line in lines)
    # an option that one arm's loss does not have
    code, _, err = hyperdml("compare", "hace.yaml", "ce.yaml", "loss.dilution=0.3")
    assert code == 2
    assert "arm 'ce': recipe ce.yaml with overrides: loss.dilution is an option of hace" in err


LONG = ["compare", ARMS[0], *SMALL, "optim.steps=40", "--seeds", "1"]


def wait_for_checkpoint(folder, give_up):
    while not give_up() and not list(folder.glob("runs/*.runs/*/checkpoints/latest.json")):
        time.sleep(0.01)


def first_step_of_the_next_sitting(hyperdml):
    """Go on, and return the output and the step at which the training went on."""
    code, out, err = hyperdml(*LONG)
    assert code == 0, err
    line = next(line for line in err.splitlines() if line.startswith("Proxy Anchor: "))
    return out, int(line.split()[2].split("/")[0])


def test_after_ctrl_c_the_same_command_goes_on_inside_the_run(hyperdml, tmp_path):
    def interrupt():
        wait_for_checkpoint(tmp_path, (tmp_path / "runs" / "compare.jsonl").exists)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    code, _, err = hyperdml(*LONG)
    assert code == 130, err
    assert "interrupted in quickstart hier.weight=0, seed 0; 0 of 1 runs are in runs/compare.jsonl" in err
    out, step = first_step_of_the_next_sitting(hyperdml)
    assert step >= 10
    code, whole, err = hyperdml(*LONG, "--out", "whole.jsonl")
    assert code == 0, err
    assert [line.split()[:4] for line in out.splitlines()] == [line.split()[:4] for line in whole.splitlines()]


def test_after_a_kill_the_same_command_goes_on_inside_the_run(hyperdml, tmp_path):
    command = [sys.executable, "-c", "import hyperdml.cli; hyperdml.cli.main()", *LONG]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE
    )
    wait_for_checkpoint(tmp_path, lambda: process.poll() is not None)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "runs" / "compare.jsonl").exists()
    assert first_step_of_the_next_sitting(hyperdml)[1] >= 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name at least one recipe"),
        (["quikstart"], "did you mean 'quickstart'"),
        (["quickstart", "--seeds", "none"], "--seeds must be a number of seeds"),
        (["quickstart", "--grid", "optim.lr"], "--grid 'optim.lr' is not of the form key=value,value"),
        (["quickstart", "--grid", "optim.lr=-1,1"], "arm 'quickstart optim.lr=-1': "),
        (["quickstart", "--pair", "data.no=1"], "arm 'quickstart': there is no setting data.no"),
        (["quickstart", "data.split_seed=1", "--pair", "data.split_seed=1,2"], "is given by --pair and for arms too"),
        (["quickstart", "quickstart"], "two arms are called 'quickstart'"),
        (["quickstart", "quickstart:hier.weight=0.5"], "have the same configuration"),
        (["quickstart", "--baseline", "x"], "no arm is called 'x'"),
        (["quickstart", "--markdown", "no/table.md"], "--markdown: there is no folder no"),
        (["quickstart", "--markdown", "."], "--markdown: . is a folder; name a file"),
        (["quickstart", "--out", "."], ". is a folder; a ledger is a JSONL file"),
    ],
)
def test_mistakes_give_one_line_and_leave_nothing(hyperdml, tmp_path, words, message):
    code, _, err = hyperdml("compare", *words)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_help(hyperdml):
    code, out, _ = hyperdml("compare", "--help")
    assert code == 0
    for word in ("--seeds", "--grid", "--pair", "--baseline", "--metric", "--keep", "--markdown", "--json"):
        assert word in out
