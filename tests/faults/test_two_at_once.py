"""Two processes that want the same: one run folder, one cache of features."""

import json
import os
import signal
import time

import pytest
import torch
from cli.commands import run
from faults.forked import ended, forked

from hyperdml.data import ClassificationDataConfig, CropConfig, load_classification
from hyperdml.errors import ConfigError
from hyperdml.models import feature_bank
from hyperdml.models.classifier_backbone import ClassifierConfig
from hyperdml.training.claim import claimed
from hyperdml.training.folder import create_run
from hyperdml.training.retrieval.config import TrainConfig

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def test_a_run_belongs_to_one_process_until_it_is_gone(tmp_path):
    folder = tmp_path / "run"
    create_run(TrainConfig(), folder)
    reader, writer = os.pipe()

    def hold():
        with claimed(folder, TrainConfig()):
            os.write(writer, b"mine")
            time.sleep(120)

    first = forked(hold)
    try:
        assert os.read(reader, 4) == b"mine"
        with pytest.raises(ConfigError, match=r"another process is working in .*run"), claimed(folder, TrainConfig()):
            pass
        code, _, err = run("resume", folder, cwd=tmp_path)
        assert code == 2
        assert "another process is working in" in err
    finally:
        os.kill(first, signal.SIGKILL)
        assert ended(first) == -signal.SIGKILL
        os.close(reader)
        os.close(writer)
    with claimed(folder, TrainConfig()):  # a killed process holds nothing
        pass
    assert json.loads((folder / "env.json").read_text())["config"]["seed"] == 0


def test_processes_that_fill_one_cache_are_all_right(tmp_path):
    images = load_classification(ClassificationDataConfig(subset="tiny")).test

    def features(messages):
        return feature_bank(
            ClassifierConfig("test_efficientnet", weights="none"),
            images,
            image_size=32,
            crop=CropConfig(kind="affine"),
            views=2,
            cache=tmp_path / "cache",
            message=messages.append,
        )

    def fill(output):
        while not (tmp_path / "go").exists():
            time.sleep(0.001)
        messages = []
        torch.save({"bank": features(messages), "messages": messages}, output)

    outputs = [tmp_path / f"{rank}.pt" for rank in range(2)]
    running = [forked(lambda output=output: fill(output)) for output in outputs]
    (tmp_path / "go").touch()
    assert [ended(pid) for pid in running] == [0, 0]
    [kept] = (tmp_path / "cache").iterdir()
    before, messages = kept.stat().st_mtime_ns, []
    third = features(messages)
    assert kept.stat().st_mtime_ns == before  # read, not written again
    for found in map(torch.load, outputs):
        assert found["messages"] == messages == []
        assert torch.equal(found["bank"], third)
