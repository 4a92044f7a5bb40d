"""The run folder: claimed by one process, given back, and a log that survives a crash."""

import json

import pytest

from hyperdml.errors import ConfigError
from hyperdml.training.folder import append, create_run, discard_unstarted, forget_later_steps, read_run
from hyperdml.training.retrieval.config import TrainConfig


def test_create_and_discard(tmp_path):
    folder = tmp_path / "a" / "b"
    made = create_run(TrainConfig(), folder)
    assert made == [tmp_path / "a", folder]
    assert read_run(folder) == TrainConfig()
    discard_unstarted(folder, made)
    assert not list(tmp_path.iterdir())


def test_a_started_run_is_never_discarded(tmp_path):
    made = create_run(TrainConfig(), tmp_path / "run")
    append(tmp_path / "run" / "metrics.jsonl", {"arm": "x", "step": 1})
    discard_unstarted(tmp_path / "run", made)
    assert read_run(tmp_path / "run") == TrainConfig()


def test_of_two_that_found_it_empty_one_gets_the_folder(tmp_path, monkeypatch):
    create_run(TrainConfig(), tmp_path / "run")
    monkeypatch.setattr("pathlib.Path.iterdir", lambda self: iter(()))
    with pytest.raises(ConfigError, match="another process has just taken"):
        create_run(TrainConfig(seed=1), tmp_path / "run")
    assert read_run(tmp_path / "run").seed == 0


@pytest.mark.parametrize("torn", ["", '{"arm": "b", "st', '{"arm": "b", "step": 1}'])
def test_later_steps_and_torn_lines_are_forgotten(tmp_path, torn):
    log = tmp_path / "metrics.jsonl"
    forget_later_steps(log, "b", 0)
    for arm, steps in (("a", 3), ("b", 4)):
        for step in range(1, steps + 1):
            append(log, {"arm": arm, "step": step})
    with log.open("a") as file:
        file.write(torn)
    forget_later_steps(log, "b", 2)
    append(log, {"arm": "b", "step": 3})
    records = [json.loads(line) for line in log.read_text().splitlines()]
    whole = [("b", 1)] if torn.endswith("}") else []
    expected = [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), *whole, ("b", 3)]
    assert [(r["arm"], r["step"]) for r in records] == expected
