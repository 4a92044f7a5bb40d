"""Each of the four releases, in its layout, through the commands of a run: train, resume, eval, report."""

import json
import os
import signal
import time

import pytest
from cli.commands import Forked

from hyperdml.data import miniatures

SMALL = [
    "data.complete=false",
    "data.image_size=32",
    "model.backbone=test_efficientnet",
    "model.weights=none",
    "model.head.embedding_size=16",
    "batch.size=8",
    "hier.levels=[2,6]",
    "hier.per_anchor=4",
    "hier.warmup=1",
    "optim.freeze_backbone=false",
    "optim.steps=40",
    "evaluation.ks=[1,4]",
    "evaluation.controls=[metric]",
    "evaluation.draws=2",
    "workers=0",
]


@pytest.mark.parametrize("name", ["cub", "cars", "sop", "in_shop"])
def test_a_release_goes_through_all_commands(name, tmp_path):
    root = getattr(miniatures, f"make_{name}")(tmp_path / "a folder")
    commands, log = Forked(tmp_path), tmp_path / "run" / "metrics.jsonl"
    process = commands.start(
        "train", "quickstart", f"data.name={name}", *SMALL, "--data-root", root.relative_to(tmp_path), "--out", "run"
    )
    while process.is_alive() and not (log.is_file() and '"step": 3,' in log.read_text()):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    code, _, err = commands.ended(process)
    assert code == 128 + signal.SIGTERM, err
    assert "interrupted after step" in err
    assert "continue with: hyperdml resume run" in err

    code, out, err = commands.ended(commands.start("resume", "run"))
    assert code == 0, err
    records = [json.loads(line) for line in log.read_text().splitlines()]
    for title in ("Proxy Anchor", "Proxy Anchor + HIER (default)"):
        assert [r["step"] for r in records if r["arm"] == title] == list(range(1, 41))

    code, out, err = commands.ended(commands.start("report", "run", "--json"))
    assert code == 0, err
    found = json.loads(out)
    assert found["config"]["data"]["root"] == str(root)
    assert (found["images"], found["classes"]) == (24, 4)
    titles = [row["title"] for row in found["rows"]]
    assert titles == ["untrained backbone", "Proxy Anchor", "Proxy Anchor + HIER (default)"]

    code, out, err = commands.ended(commands.start("eval", "run", "--json"))
    assert code == 0, err
    scores = json.loads(out)
    assert scores["protocol"] == ("query against gallery" if name == "in_shop" else "leave-one-out")
    for figure in ("R@1", "R@4", "MAP@R"):
        assert scores["scores"][figure] == pytest.approx(found["rows"][-1]["figures"][figure], abs=1e-9), figure
