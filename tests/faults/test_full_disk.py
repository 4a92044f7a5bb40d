"""A disk that takes no more: exit code 5, the checkpoint before is kept, nothing half-written."""

import json
import os

import pytest
from cli.commands import run
from faults.forked import ended, forked

import hyperdml.training.engine.steps as steps

resource = pytest.importorskip("resource")

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

SMALL = (
    "data.subset=tiny", "data.image_size=32", "model.backbone=test_efficientnet", "model.weights=none",
    "model.head.embedding_size=16", "batch.size=12", "hier.levels=[2,6,16]", "hier.per_anchor=6", "hier.warmup=2",
    "evaluation.controls=[]", "optim.freeze_backbone=false", "optim.steps=8", "checkpoint_every=2",
)  # fmt: skip


def test_a_disk_that_is_full_in_the_middle_of_a_checkpoint(tmp_path):
    save = steps.save_checkpoint

    def limited(folder, step, *rest):
        """From the third checkpoint on no file may become as large as one; Python ignores the signal of that."""
        if step == 6:
            size = max(path.stat().st_size for path in folder.iterdir())
            resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, resource.RLIM_INFINITY))
        save(folder, step, *rest)

    def work():
        steps.save_checkpoint = limited
        code, _, err = run("train", "quickstart", *SMALL, "--out", "run", cwd=tmp_path)
        (tmp_path / "stderr").write_text(err)
        return code

    assert ended(forked(work)) == 5
    err = (tmp_path / "stderr").read_text()
    assert err.startswith("hyperdml: error: ")
    assert "File too large" in err
    assert "step-0000006.safetensors" in err
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["latest.json", "step-0000004.safetensors"]
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]
    code, _, err = run("resume", "run", cwd=tmp_path)  # with room again it goes on from there
    assert code == 0, err
    log = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert sorted({json.loads(line)["step"] for line in log}) == list(range(1, 9))
